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
    left = without_private_text({"room": {name: "yes"}, "n": 1}, PRIVATE, wordless=True)
    assert (left["room"], left["$text_length"]) == ({}, 3)
    assert name in without_private_text({name: "yes"}, ()), "where some words are private, only those are"


@pytest.mark.parametrize("name", ["parts", "said", "$x", "kids"])
def test_single_words_in_a_list_are_a_sentence(name: str) -> None:
    for words in (["meet", "me", "at", "nine"], ("meet", "me", "9", "nine"), [["meet"], [1, ["nine"]]]):
        left = without_private_text({"n": [{name: words}], "to": "u2"}, PRIVATE, wordless=True)
        assert (left["n"], "nine" in str(left)) == ([{}], False)
        assert left["$text_length"] == sum(map(len, str(words).translate(NO_SIGNS).replace("1", "").split()))
    for ids in ({"user_ids": ["ann", "bob"]}, {"memberIds": ["ann", "bob"]}, {"to": ["ann", "bob"]}):
        assert without_private_text(ids, PRIVATE, wordless=True) is ids
    for given in ({name: ["u1", "u-2", 5]}, {name: ["one"]}, {name: ["[phone]", "[email]"]}):
        assert without_private_text(given, PRIVATE, wordless=True) is given


NO_SIGNS = str.maketrans(dict.fromkeys("[](),'"))


@pytest.mark.parametrize("name", ["chat", "$user_id", "$session_id", "$group_0", "$group_key", "$groups"])
def test_a_sentence_is_no_id(name: str) -> None:
    sentence = "I will leave you tomorrow at nine"
    for words in (sentence, sentence.replace(" ", "-") if name == "chat" else sentence):
        left = without_private_text({name: words, "n": 1}, PRIVATE, wordless=True)
        assert (left["n"], left["$text_length"], "nine" in str(left)) == (1, len(words), False)
    named = without_private_text({"$groups": {"company": sentence}}, PRIVATE, wordless=True)
    assert "nine" not in str(named)


def test_names_of_groups_may_be_long() -> None:
    given = {
        "$groups": {"company": "Indian Institute of Technology Bombay"},
        "$group_0": "Indian Institute of Technology Bombay",
        "kind": "chat.message.sent.to-group",
    }
    assert without_private_text(given, PRIVATE, wordless=True) is given


def test_what_is_no_text_stays_the_very_same() -> None:
    given = {
        "conversation": "01a2b3c4-0000-7000-8000-00000000000a",
        "sent": "2026-01-02T03:04:05.123456+05:30",
        "room": {"id": "r-7", "members": ["u1", "u2", 3], "open": True, "left": None},
        "attachments": 2,
        "object_id": "post:17",
        "phone": "[phone]",
        "$sentiment": 0.5,
        "$text_length": 9,
        "$session_id": "s 1",
        "$groups": {"company": "Acme Inc"},
        "$group_0": "Acme Inc",
        "$lib": "posthog-python",
        "$lib_version": "7.1.0",
        "$os": "Mac OS X",
        "$geoip_country_name": "Democratic Republic of the Congo",
        "country": "United Arab Emirates",
        "city": "New York",
        "currency": " eur ",
        "$raw_user_agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/130.0",
        "$ip": "2001:db8::1",
    }
    assert without_private_text(given, PRIVATE, wordless=True) is given


def test_addresses_and_names_are_no_words() -> None:
    given = {"$current_url": "https://x.test/chat?text=nine", "page": "/chat/nine", "meet nine": 5}
    scored = {"$sentiment": 0.5, "$text_length": 9}
    assert without_private_text({**given, **scored}, PRIVATE, wordless=True) == scored
    assert without_private_text({"body": "https://x.test/"}, PRIVATE, wordless=True)["$text_length"] == 15


def test_names_of_devices_and_places_are_no_sentences() -> None:
    for name in ("$os", "country", "$lib_version", "$device_model"):
        assert without_private_text({name: WORDS, "n": 1}, PRIVATE, wordless=True) == {"n": 1}
        assert "$text_length" in without_private_text({"a": {name: WORDS}}, PRIVATE, wordless=True)


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
