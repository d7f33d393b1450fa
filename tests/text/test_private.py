"""Private texts leave as what the library scores them, and as their length."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given as generated
from hypothesis import strategies as st
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from loopin_text.private import can_score, without_private_text

LIBRARY = SentimentIntensityAnalyzer()
PRIVATE = ("text", "message")


@pytest.mark.parametrize("text", ["I love this!", "What a horrible, sad day.", "क्या हाल है 😀", "plain"])
def test_score_and_length_stand_in_its_place(text: str) -> None:
    given = {"text": text, "to": "u2"}
    assert without_private_text(given, PRIVATE) == {
        "to": "u2",
        "$text_length": len(text),
        "$sentiment": LIBRARY.polarity_scores(text)["compound"],
    }
    assert given == {"text": text, "to": "u2"}


def test_without_private_text_nothing_changes() -> None:
    given = {"to": "u2", "$sentiment": 0.5, "$text_length": 7}
    assert without_private_text(given, PRIVATE) is given
    assert without_private_text({"text": "x"} | given, ()) == {"text": "x"} | given


def test_several_texts_are_scored_together() -> None:
    left = without_private_text({"message": "It is great.", "text": "I hate rain."}, PRIVATE)
    together = LIBRARY.polarity_scores("I hate rain.\nIt is great.")["compound"]
    assert left == {"$text_length": 24, "$sentiment": together}


@pytest.mark.parametrize(("value", "length"), [("", 0), ("  ", 2), (7, 0), (None, 0), ({"a": 5}, 0)])
def test_what_cannot_be_scored_leaves_too(value: Any, length: int) -> None:
    assert without_private_text({"text": value, "$sentiment": 1}, PRIVATE) == {"$text_length": length}


def test_scoring_can_be_switched_off() -> None:
    assert without_private_text({"text": "I love it"}, PRIVATE, score=False) == {"$text_length": 9}


def test_the_lexicon_is_not_needed() -> None:
    """In a process of its own, where the library cannot be imported."""
    assert can_score()
    code = (
        "import sys; sys.modules['vaderSentiment'] = None\n"
        "from loopin_text.private import can_score, without_private_text\n"
        "print(can_score(), without_private_text({'text': 'I love it'}, ('text',)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False {'$text_length': 9}"


WORDS = "meet me at nine"


@pytest.mark.parametrize(
    "given",
    [
        *(
            {name: WORDS}
            for name in ("body", "content", "subject", "Text", "TEXT", " text ", "anything", "$x")
        ),
        *({name: WORDS} for name in ("$sentiment", "$current_url", "object_id", "url", "user_agent", "a b")),
        {"nested": {"text": WORDS}},
        {"$context": {"x": {"Text": WORDS}}},
        {"list": [1, ["a", {"b": (WORDS, 7)}]]},
        {"text": {"parts": [WORDS]}},
        {"$groups": {"company": {"text": WORDS}}},
        {"$set": {"mood": WORDS}},
    ],
)
def test_no_words_stay_whatever_holds_them(given: dict[str, Any]) -> None:
    left = without_private_text({"to": "u2", **given}, PRIVATE, wordless=True)
    assert "nine" not in str(left)
    assert (left["to"], left["$text_length"], left["$sentiment"]) == ("u2", len(WORDS), 0.0)


@pytest.mark.parametrize("name", ["text", "Message", "body", "Subject", "caption"])
def test_a_single_word_is_private_where_the_name_says_so(name: str) -> None:
    for given in ({name: "yes"}, {"room": {name: "yes"}}, {"list": [{name: ["y", {"es": 1}], "x": "es"}]}):
        left = without_private_text({**given, "count": 1}, PRIVATE, wordless=True)
        assert left.keys() - {"$sentiment"} == {"count", "$text_length"}
        assert left["$text_length"] == (1 if "list" in given else 3)
    assert name in without_private_text({name: "yes"}, ()), "where some words are private, only those are"


@pytest.mark.parametrize("name", ["parts", "said", "$x", "kids"])
def test_single_words_in_a_list_are_a_sentence(name: str) -> None:
    for words in (["meet", "me", "at", "nine"], ("meet", "me", "9", "nine"), [["meet"], [1, ["nine"]]]):
        left = without_private_text({"x": [{name: words}], "to": "u2"}, PRIVATE, wordless=True)
        assert left.keys() == {"to", "$text_length", "$sentiment"}
        assert left["$text_length"] == sum(map(len, str(words).translate(NO_SIGNS).replace("1", "").split()))
    for ids in ({"user_ids": ["ann", 7]}, {"memberIds": ["ann", "bob"]}, {"to": ["ann", "bob"]}):
        assert without_private_text(ids, PRIVATE, wordless=True) is ids
    for given in ({name: ["u1", "u-2", 5]}, {name: ["one"]}, {name: ["[phone]", "[email]"]}):
        assert without_private_text(given, PRIVATE, wordless=True) == {}


@pytest.mark.parametrize("name", ["conversation", "chat", "thread", "room", "from", "user"])
def test_what_names_one_thing_holds_no_list(name: str) -> None:
    left = without_private_text({name: ["see", "you", "tonight"]}, PRIVATE, wordless=True)
    assert left.keys() - {"$sentiment"} == {"$text_length"}


@pytest.mark.parametrize("words", ["goodbye", "i.love.you", "see-you-tonight"])
def test_where_people_talk_is_told_by_a_number(words: str) -> None:
    for name in ("conversation", "chat", "thread", "room"):
        assert without_private_text({name: words}, PRIVATE, wordless=True).keys() - {"$text_length"} <= {
            "$sentiment"
        }
        for known in ({name: "room-7"}, {name: 7}, {f"{name}_id": "general"}):
            assert without_private_text(known, PRIVATE, wordless=True) is known


def test_what_an_event_says_of_its_person_stays_but_for_words() -> None:
    known = {"$set": {"plan": "club", "visits": 84, "vip": True}, "$set_once": {"since": None}}
    assert without_private_text(known, PRIVATE, wordless=True) is known
    said = {"about": "meet me at nine", "meet_me_at_nine": 1, "nested": {"nine": 1}, "list": ["nine"]}
    left = without_private_text({"$set": {"plan": "club", **said}}, PRIVATE, wordless=True)
    assert left["$set"] == {"plan": "club"}
    assert left.keys() == {"$set", "$text_length", "$sentiment"}


@pytest.mark.parametrize("of", ["$set", "$set_once"])
@pytest.mark.parametrize("name", ["text", "Message", "last_message", "lastMessage", "body", "jobTitle"])
def test_names_of_what_somebody_wrote_say_nothing_of_a_person(of: str, name: str) -> None:
    for given in ({of: {name: "goodbye"}}, {of: {name: "goodbye", "plan": "club"}, "text": "see you"}):
        left = without_private_text(given, PRIVATE, wordless=True)
        assert left.get(of) == ({"plan": "club"} if "text" in given else None)
    kept = {of: {"last_message_at": 1, "message_count": 2}}
    assert without_private_text(kept, PRIVATE, wordless=True) is kept


def test_a_person_is_not_told_of_in_the_words_of_a_message() -> None:
    text = {"text": "Goodbye my love, Acme"}
    for of in ("$set", "$set_once"):
        for said in ({"mood": "goodbye"}, {"mood": "say-GOODBYE"}, {"myLove": 1}, {"love2": True}):
            left = without_private_text({of: {"plan": "club", **said}, **text}, PRIVATE, wordless=True)
            assert left[of] == {"plan": "club"}
            assert left["$text_length"] == len(text["text"])
            assert without_private_text({of: said}, PRIVATE, wordless=True) == {of: said}
    left = without_private_text({"$unset": ["plan", "love", "my-love"], **text}, PRIVATE, wordless=True)
    assert left["$unset"] == ["plan"]
    groups = {"squad": "my squad", "goodbye": 1, "crew": "Night Shift", "company": "Acme"}
    left = without_private_text({"$groups": groups, **text}, PRIVATE, wordless=True)
    assert left["$groups"] == {"crew": "Night Shift", "company": "Acme"}
    known = {"$set": {"lover_id": "love", "visit_count": 2}}
    said = {"text": "love visit count lover id"}
    assert without_private_text({**known, **said}, PRIVATE, wordless=True)["$set"] == known["$set"]


def test_names_that_are_unset_stay() -> None:
    known: list[dict[str, Any]] = [
        {"$unset": ["plan", "lastSeen", "last_seen_at", "$x"]},
        {"$unset": {"plan": 1}},
        {"$unset": []},
    ]
    for given in known:
        assert without_private_text(given, PRIVATE, wordless=True) is given
    assert without_private_text({"$unset": ["plan", "text", 5]}, PRIVATE, wordless=True) == {
        "$unset": ["plan"]
    }
    left = without_private_text({"$unset": [WORDS, "plan"]}, PRIVATE, wordless=True)
    assert (left["$unset"], left["$text_length"]) == (["plan"], len(WORDS))
    assert without_private_text({"$unset": "plan"}, PRIVATE, wordless=True) == {}


def test_a_group_s_type_is_no_sentence_and_costs_no_other_group() -> None:
    for odd in ({"meet_me_at_the_bridge": 1}, {"text": "hi"}, {"x": {"nine": 1}}, {"x": WORDS * 50}):
        left = without_private_text({"$groups": {**odd, "company": "acme"}}, PRIVATE, wordless=True)
        assert left["$groups"] == {"company": "acme"}
        assert "$groups" not in without_private_text({"$groups": odd}, PRIVATE, wordless=True)


@pytest.mark.parametrize(
    "ids",
    [
        {"recipient": "anna.maria.smith"},
        {"$user_id": "anna-maria-smith"},
        {"thread": {"sender": "anna_maria_smith"}},
        {"members": ["anna.maria.smith", "u2", 3]},
    ],
)
def test_an_id_like_a_sentence_leaves_but_is_no_text(ids: dict[str, Any]) -> None:
    assert without_private_text(ids, PRIVATE, wordless=True) == {}
    left = without_private_text({**ids, "text": "I love it"}, PRIVATE, wordless=True)
    assert left == without_private_text({"text": "I love it"}, PRIVATE, wordless=True)


@pytest.mark.parametrize(
    "known",
    [
        {"$lib": "Analytics.js", "$lib_version": "unknown"},
        {"$os": "Mac OS X 10.15", "price": "12.50", "$ip": "fe80::1%eth0", "$bot_name": "python-requests"},
    ],
)
def test_what_libraries_say_stays(known: dict[str, Any]) -> None:
    assert without_private_text(known, PRIVATE, wordless=True) is known


NO_SIGNS = str.maketrans(dict.fromkeys("[](),'"))


@pytest.mark.parametrize("name", ["chat", "$user_id", "$session_id", "$group_0", "$group_key", "$groups"])
def test_a_sentence_is_no_id(name: str) -> None:
    sentence = "I will leave you tomorrow at nine"
    for words in (sentence, sentence.replace(" ", "-") if name == "chat" else sentence):
        left = without_private_text({name: words, "count": 1}, PRIVATE, wordless=True)
        assert (left["count"], left["$text_length"], "nine" in str(left)) == (1, len(words), False)
    named = without_private_text({"$groups": {"company": sentence}}, PRIVATE, wordless=True)
    assert "nine" not in str(named)


def test_names_of_groups_may_be_long() -> None:
    given = {
        "$groups": {"company": "Indian Institute of Technology Bombay"},
        "$group_0": "Indian Institute of Technology Bombay",
        "message_type": "in_app",
    }
    assert without_private_text(given, PRIVATE, wordless=True) is given


def test_what_is_no_text_stays_the_very_same() -> None:
    given = {
        "conversation": "01a2b3c4-0000-7000-8000-00000000000a",
        "sent_at": "2026-01-02T03:04:05.123456+05:30",
        "readAt": 1700000000000,
        "room_id": "r-7",
        "members": ["u1", "u2", 3],
        "is_open": True,
        "attachments": 2,
        "attachmentCount": 2,
        "object_id": "post:17",
        "recipient": "[phone]",
        "thread_id": None,
        "activity_type": "Message Sent",
        "$sentiment": 0.5,
        "$text_length": 9,
        "$session_id": "s/1@x",
        "$groups": {"company": "Acme Inc", "team": 7},
        "$group_0": "Acme Inc",
        "$lib": "posthog-python",
        "$lib_version": "7.1.0",
        "$os": "Mac OS X",
        "$os_version": "10.15.7",
        "$browser": "Mobile Safari",
        "$browser_version": 17.4,
        "$device_type": "Mobile",
        "$screen_height": 1117,
        "$is_identified": True,
        "$process_person_profile": False,
        "$geoip_disable": True,
        "$timezone": "Asia/Kolkata",
        "$locale": "en-IN",
        "country": "AE",
        "$raw_user_agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/130.0",
        "$ip": "2001:db8::1",
    }
    assert without_private_text(given, PRIVATE, wordless=True) is given


@pytest.mark.parametrize(
    "given",
    [
        {"w1": "meet", "w2": "me", "w3": "at", "w4": "nine"},
        {"data": {"meet": 1, "nine": 2}},
        {"meet": 1, "at nine": True, "me": None},
        {"room": {"nine": 1}, "members": [{"nine": 1}], "thread_id": {"nine": 1}},
        {"$context": {"nine": 1}, "$set": {"nine": {"nine": 1}}, "$set_once": {"it is nine": 2}},
        {"$groups": {"meet me at nine": 1}},
        {"$groups": {"company": {"nine": 1}}},
        *(
            {name: "nine"}
            for name in ("city", "region", "country", "$os", "$browser", "os", "browser", "$lib")
        ),
        *({name: "nine"} for name in ("$device_type", "$device", "$device_model", "$app_name", "$timezone")),
        *({name: "nine"} for name in ("$geoip_city_name", "$geoip_country_code", "$screen_name", "$locale")),
        *(
            {name: "nine"}
            for name in ("$os_version", "app_version", "message_type", "sent_at", "count", "$n")
        ),
        *(
            {name: "meet me nine"}
            for name in ("$user_id", "$session_id", "thread_id", "$ip", "$raw_user_agent")
        ),
        {"thread_id": "meet-me-at-nine"},
        {"meet_me_there_at_nine_id": 1},
    ],
)
def test_only_known_names_with_values_of_their_form_stay(given: dict[str, Any]) -> None:
    left = without_private_text({"to": "u2", **given}, PRIVATE, wordless=True)
    assert left.keys() <= {"to", "$text_length", "$sentiment"}


def test_what_libraries_say_of_device_and_place_is_not_counted_as_text() -> None:
    given = {
        "$geoip_city_name": "New York",
        "$device_model": "Galaxy S 21",
        "city": "New Delhi",
        "$set_once": {"$initial_os": "Mac OS X", "$initial_referring_domain": "$direct"},
        "$lib_custom": "Some Library",
    }
    assert without_private_text(given, PRIVATE, wordless=True) == {}


def test_addresses_and_names_are_no_words() -> None:
    given = {"$current_url": "https://x.test/chat?text=nine", "page": "/chat/nine", "meet nine": 5}
    scored = {"$sentiment": 0.5, "$text_length": 9}
    assert without_private_text({**given, **scored}, PRIVATE, wordless=True) == scored
    assert without_private_text({"body": "https://x.test/"}, PRIVATE, wordless=True)["$text_length"] == 15


def test_depth_is_no_danger() -> None:
    nested: Any = {"a": WORDS}
    for _ in range(900):
        nested = {"a": [nested]}
    assert "nine" not in str(without_private_text(nested, PRIVATE, wordless=True))


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text() | st.just(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@generated(
    st.dictionaries(st.text(max_size=8) | st.sampled_from(["text", "$os", "$groups"]), VALUES, max_size=4)
)
def test_what_is_left_stays(properties: dict[str, Any]) -> None:
    once = without_private_text(properties, PRIVATE, wordless=True)
    assert without_private_text(once, PRIVATE, wordless=True) is once


TEXT = ("goodbye", "tonight", "darling", "Über")
SPELLINGS = st.builds(
    lambda form, word: form.format(word),
    st.sampled_from(["{}", "{}!", " {} ", "say-{}", "say_{}", "{}.7", "we {} we", "{}_me", "$set.{}"]),
    st.sampled_from(TEXT).flatmap(lambda word: st.sampled_from([word, word.upper(), word.title()])),
)
ODD_NAMES = SPELLINGS | st.sampled_from(["mood", "x", "lastMessage", "Text", "$context", "$groups", "traits"])
ODD = st.recursive(
    SPELLINGS | st.sampled_from([1, True, None, "club"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD_NAMES, inner, max_size=3),
    max_leaves=4,
)


@generated(
    st.dictionaries(ODD_NAMES, ODD, max_size=2),
    st.dictionaries(
        st.sampled_from(["$set", "$set_once", "$unset", "$groups", "$group_set"]),
        st.dictionaries(ODD_NAMES, ODD, max_size=4) | st.lists(ODD_NAMES | ODD, max_size=3),
        max_size=4,
    ),
)
def test_no_word_of_the_text_is_anywhere_in_what_leaves(
    others: dict[str, Any], person: dict[str, Any]
) -> None:
    """But under known names, of which there are none here."""
    text = " ".join(TEXT)
    left = without_private_text({**others, **person, "text": text}, PRIVATE, wordless=True)
    assert not [word for word in TEXT if word.casefold() in str(left).casefold()]
