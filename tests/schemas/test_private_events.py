"""Private events are known by any spelling of their names, and in bytes that cannot be read."""

from __future__ import annotations

import pytest

from loopin_schemas.catalogue import CATALOGUE, by_name
from loopin_schemas.private_events import may_be_private, mentions_private_event, private_event


@pytest.mark.parametrize(
    "name",
    [
        *("message_sent", " message_sent", "MESSAGE_SENT\n", "Message Sent", "message sent", "messageSent"),
        *("message-sent", "message", "Message", "\u200bmessage_sent", "message_sent" + " " * 300),
    ],
)
def test_a_name_is_known_in_any_spelling(name: str) -> None:
    assert private_event(name, {}) is by_name("message_sent")
    assert private_event("community_activity", {"activity_type": name}) is by_name("message_sent")


def test_other_names_are_not() -> None:
    for name in ("click", "", "messages_sent", "message_sent_twice", "user_followed", "x" * 300):
        assert private_event(name, {"text": "x"}) is None
        assert private_event("community_activity", {"activity_type": name}) is None
    for acts_as in (None, 5, ["message"], "community_activity"):
        assert private_event("community_activity", {"activity_type": acts_as}) is None


def test_aliases_count_and_only_private_events_do() -> None:
    assert private_event("Product Shared", {}) is by_name("content_shared")
    for event in CATALOGUE:
        assert (may_be_private(event.name) is event) == bool(event.private or event.acts_as)


@pytest.mark.parametrize(
    "body",
    [
        b"message_sent",
        b'{"event":" Message Sent", "properties": {"te',
        b"x\xffMESSAGE_SENT",
        rb'{"event":"message\u005fsent","prop',
        rb'"{\"event\": \"\\u006dessage_sent\"',
        '{"event":"message_sent"'.encode("utf-16"),
        b'{"event": "message", "x',
        b"{'event_type': 'Message'",
        b'{"activity_type":"message","x',
        b'{"event":"share"',
    ],
)
def test_bytes_mention_it(body: bytes) -> None:
    assert mentions_private_event(body)


@pytest.mark.parametrize("part", [b"\\", rb"\\u00", b"message_", b'"event":"', b"event:", b"message   "])
def test_a_body_of_any_length_takes_time_in_proportion(part: bytes) -> None:
    assert not mentions_private_event(part * (300_000 // len(part)) + rb"\u00zz")


@pytest.mark.parametrize(
    "body",
    [b"", b'{"message": "sent"', b'{"event":"click","message":"x', b"in the event, share", b"messages"],
)
def test_bytes_do_not_mention_it(body: bytes) -> None:
    assert not mentions_private_event(body)
