"""What is taken out of a record that failed, and what a replay needs of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.dead_letter import MAX_BODY_BYTES
from loopin_schemas.validation import decode_event
from loopin_streams.enrich.body_privacy import BodyPrivacy
from loopin_text.pii import Scrubber
from tests.streams.enrich.drafts import UUID, body

PRIVACY = BodyPrivacy(Scrubber(), "drop")


def left_of(**fields: Any) -> Any:
    return json.loads(PRIVACY.apply(body(**fields)))


def test_properties_lose_what_they_would_have_lost_on_the_way() -> None:
    properties = {"$ip": "1.2.3.4", "note": "ask joe@example.com", "n": 1, "$set": {"phone": "+12025550143"}}
    left = left_of(properties=properties, distinct_id="null")
    assert left["properties"] == {"note": "ask [email]", "n": 1, "$set": {"phone": "[phone]"}}


def test_who_the_event_is_about_stays_byte_for_byte() -> None:
    kept = {
        "distinct_id": "joe@example.com",
        "uuid": UUID,
        "timestamp": 1.5e12,
        "sent_at": "4111111111111111",
    }
    left = PRIVACY.apply(body(**kept, session_id="a@example.com", properties={"$ip": "::1"}))
    assert json.loads(left) == json.loads(body(**kept, session_id="a@example.com", properties={}))
    assert decode_event(left).distinct_id == "joe@example.com"


def test_fields_that_nobody_knows_are_scrubbed_too() -> None:
    left = left_of(email="joe@example.com", extra={"password": "x", "n": 2}, note="4111111111111111")
    assert (left["email"], left["extra"], left["note"]) == (
        "[email]",
        {"password": "[token]", "n": 2},
        "[card]",
    )


@pytest.mark.parametrize(
    ("properties", "left"),
    [("joe@example.com", "[email]"), (["joe@example.com", 5], ["[email]", 5]), (5, 5), (None, None)],
)
def test_properties_of_any_kind(properties: Any, left: Any) -> None:
    assert left_of(properties=properties)["properties"] == left


def test_bytes_that_are_no_json_object_are_scrubbed_as_text() -> None:
    for broken, left in (
        (
            b'{"event":"x","distinct_id": "a@example.com", "properties": {"m": "b@example.com", "$ip": "::1"',
            b'{"event":"x","distinct_id": "a@example.com", "properties": {"m": "[email]", "$ip": null',
        ),
        (b"\xff\xfe 4111 1111 1111 1111 \xff", b"\xff\xfe [card] \xff"),
        (b'["joe@example.com"]', b'["[email]"]'),
        (b'{"uuid": "4111111111111111", "x": "4111111111111111", "distinct_id": "a\\"b@example.com', None),
    ):
        expected = broken.replace(b'"x": "4111111111111111"', b'"x": "[card]"') if left is None else left
        assert PRIVACY.apply(broken) == expected


@pytest.mark.parametrize(
    "value", [b"", b"broken", b"\xff", b"[" * 100_000, b"null", body(properties={"a": 1})]
)
def test_where_there_is_nothing_the_body_is_the_very_same(value: bytes) -> None:
    assert PRIVACY.apply(value) is value


def test_what_the_settings_allow_stays() -> None:
    free = BodyPrivacy(Scrubber(frozenset()), "keep")
    for value in (
        body(properties={"$ip": "1.2.3.4", "m": "a@example.com"}),
        b'"$ip": "1.2.3.4" a@example.com',
    ):
        assert free.apply(value) is value
    kept = BodyPrivacy(Scrubber(), "truncate").apply(body(properties={"$ip": "1.2.3.4"}))
    assert json.loads(kept)["properties"] == {"$ip": "1.2.3.0"}


def test_a_body_of_any_length_takes_time_in_proportion() -> None:
    """As text no more is looked at than is kept."""
    for hostile in (
        b'"distinct_id":"' * 60_000,
        b'"ip": "' * 60_000,
        b"4111 " * 60_000,
        b'"uuid":"\\' * 60_000,
    ):
        assert len(PRIVACY.apply(hostile)) <= max(len(hostile), MAX_BODY_BYTES)


WHO = {"project": "demo", "event": "message_sent", "uuid": UUID}
WORDS = "meet me at nine"


def message(properties: Any = None, **fields: Any) -> bytes:
    return body(**{"event": "message_sent", "properties": properties or {"text": WORDS}} | fields)


@pytest.mark.parametrize(
    ("broken", "who"),
    [
        (message()[:-10], WHO),
        (message().replace(b"{", b'{"x": NaN, ', 1), WHO),
        (message({"n": float("nan"), "text": WORDS}), WHO),
        (message().replace(b"me at", b"me \xff at"), WHO),
        (message().replace(b"me at", rb"me \ud800 at"), WHO),
        (message({"text": WORDS, "deep": 5}).replace(b"5", b"[" * 5000 + b"]" * 5000), WHO),
        (message(WORDS), WHO),
        (message([{"text": WORDS}]), WHO),
        (b"[" + message() + b"]", WHO),
        (message(event=" message_sent")[:-10], {"project": "demo", "uuid": UUID}),
        (message(event="message", properties=WORDS), WHO | {"event": "message"}),
        (body(event="community_activity", properties=WORDS, activity_type="message"), None),
        (message(uuid="no uuid", project=WORDS, properties=WORDS), {"event": "message_sent"}),
        (message(event=["message_sent", WORDS], properties=WORDS), {"project": "demo", "uuid": UUID}),
        (f"message_sent {WORDS}".encode(), {}),
        (message().decode().encode("utf-16"), {}),
    ],
)
def test_a_private_body_that_cannot_be_read_says_only_whose_it_is(broken: bytes, who: Any) -> None:
    kept = PRIVACY.apply(broken)
    assert json.loads(kept) == (WHO | {"event": "community_activity"} if who is None else who)
    assert PRIVACY.apply(kept) is kept


@pytest.mark.parametrize("event", ["message_sent", " message_sent", "Message Sent", "MESSAGE"])
def test_no_words_of_a_private_body_are_kept(event: str) -> None:
    for fields in (
        {"properties": {"body": WORDS}},
        {"properties": {"nested": {"Text": WORDS}}},
        {"text": WORDS},
        {"context": {"x": {"y": WORDS}}},
        {"session_id": {"text": WORDS}},
        {"session_id": WORDS * 20},
    ):
        sent = body(event=event, retry_count=5, **fields)
        left = json.loads(PRIVACY.apply(sent))
        assert "nine" not in str(left)
        whole = json.loads(sent)
        assert {name for name in whole if left.get(name) != whole[name]} == set(fields)
    scored = {"$text_length": 15, "$sentiment": 0.0}
    assert left_of(event=event, properties={"text": WORDS, "to": "u2"})["properties"] == {"to": "u2"} | scored


def test_words_of_a_message_are_in_no_field_beside_its_properties() -> None:
    said = {"$set": {"mood": "goodbye", "plan": "club"}, "$groups": {"goodbye": 1, "company": "Acme"}}
    words = {"timestamp": "say goodbye", "source": "goodbye", "_origin": "goodbye my love"}
    left = left_of(event="message_sent", **said, **words, properties={"text": "Goodbye"})
    assert "goodbye" not in str(left)
    assert (left["$set"], left["$groups"]) == ({"plan": "club"}, {"company": "Acme"})
    assert "goodbye" not in str(left_of(event="message_sent", text="goodbye", properties=said))
    own = {"timestamp": "2026-01-02T03:04:05Z", "source": "sdk", "_origin": "a:1:2", "session_id": "s-1"}
    text = {"text": " ".join(map(str, own.values())) + " 2026 01 02 null"}
    kept = left_of(event="message_sent", **own, distinct_id="null", properties=text)
    assert {**kept, **own, "distinct_id": "null"} == kept


def test_a_message_whose_name_cannot_be_read_is_private_too() -> None:
    left = left_of(event=["message_sent"], properties={"caption": WORDS, "to": "u2"})
    assert left["properties"] == {"to": "u2", "$text_length": 15, "$sentiment": 0.0}
    activity = {"activity_type": "message", "words": WORDS}
    assert "nine" not in str(left_of(event="community_activity", properties=activity))


def test_values_that_a_later_one_hides_are_not_kept() -> None:
    hidden = body(event="message_sent", properties={"size": 5})[:-1] + b', "properties": {"size": 5}}'
    for twice in (
        hidden.replace(b'"size": 5', b'"text": "nine"', 1),
        hidden.replace(b'"size"', b'"a":"nine","a"'),
    ):
        left = PRIVACY.apply(twice)
        assert b"nine" not in left
        assert set(json.loads(left)["properties"]) <= {"size"}


def test_what_a_later_one_hides_of_other_events_is_not_kept_either() -> None:
    hidden = body(properties={"email": "joe@example.com"})[:-1] + b', "properties": {"x": 1.5}}'
    assert json.loads(PRIVACY.apply(hidden)) == json.loads(hidden)
    words = hidden.replace(b'"event"', b'"event":"message_sent","event"').replace(b"joe@example.com", b"nine")
    nested = body(properties={"a": 1}).replace(b'"a"', b'"a":"joe@example.com","a"')
    field = body(distinct_id={"a": 1}).replace(b'"a"', b'"a":"joe@example.com","a"')
    for twice in (hidden, words, nested, field):
        left = PRIVACY.apply(twice)
        assert b"joe@" not in left
        assert b"nine" not in left
        assert json.loads(left) == json.loads(twice)
        assert PRIVACY.apply(left) is left


def test_a_body_whose_values_cannot_be_read_is_scrubbed_as_text() -> None:
    for broken in (rb'"\ud800"', b'"\xff"', b"[" * 5000 + b"]" * 5000):
        sent = body(properties={"m": "joe@example.com", "x": 5}).replace(b"5", broken)
        left = PRIVACY.apply(sent)
        assert b"joe@" not in left
        said = sent[:-30] + b', "event":"message_sent", "text": "nine", "event": "click"}'
        assert b"nine" not in PRIVACY.apply(said)


@pytest.mark.parametrize("value", [b"1e999", b"1" * 400, b'"' + b"\\ud800" + b'"'])
def test_a_value_that_cannot_be_read_hides_no_other(value: bytes) -> None:
    sent = b'{"event":"click","properties":{"mail":"ann@example.com","n":%s}}' % value
    assert b"ann@example.com" not in PRIVACY.apply(sent)
    assert b"click" in PRIVACY.apply(sent)


def test_a_message_without_words_is_the_very_same() -> None:
    for value in (message({"to": "u2", "$sentiment": 0.5}), message({"count": 1}, distinct_id="null")):
        assert PRIVACY.apply(value) is value
    for other in (body(event="community_activity", properties={"text": WORDS}), body(note="message_sent")):
        assert PRIVACY.apply(other) is other
    assert left_of(event="content_shared", properties={"share_message": WORDS, "text": WORDS}) == json.loads(
        body(
            event="content_shared",
            properties={"text": WORDS, "$text_length": 15, "$sentiment": 0.0},
        )
    )


@given(st.binary(max_size=300))
def test_any_bytes(value: bytes) -> None:
    once = PRIVACY.apply(value)
    assert PRIVACY.apply(once) == once
