"""From a dead letter and its repaired event to the record that is published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from loopin_schemas.codec import decode, encode
from loopin_schemas.dead_letter import MAX_BODY_BYTES, DeadLetter, Replayed
from loopin_schemas.errors import InvalidEvent
from loopin_schemas.event import EnrichedEvent
from loopin_schemas.timestamps import parse_timestamp
from loopin_schemas.topics import ENRICHED, RAW, event_key
from loopin_schemas.validation import (
    check_event_time,
    check_origin,
    check_uuid,
    decode_event,
    validate,
)
from loopin_streams.enrich.draft import Origin
from loopin_streams.enrich.steps.clock_skew import event_time
from loopin_streams.enrich.steps.decode import derived_uuid

Repaired = Mapping[str, Any]
"""An event as a JSON object; its values may be encoded still (``msgspec.Raw``)."""

Repair = Callable[[DeadLetter], Repaired | None]
"""What turns a letter, whose body is whole, into an event; None leaves it.

Raises InvalidEvent where there is no event to be had, and FixFailed where the repair itself is at fault.
"""

SINK_STEP = "sink"
"""The step of letters that are records of ``events.enriched``, which a sink could not read."""

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


T = TypeVar("T")


class FixFailed(Exception):
    """A repair that went wrong; the text is one sentence."""


class Left(NamedTuple):
    """A letter that is not replayed: why, as a stable reason and as one sentence.

    ``kind`` is ``left`` (on purpose), ``invalid`` (it would be dead-lettered again), ``failed`` (the repair
    went wrong) or ``unreplayable``.
    """

    kind: Literal["left", "invalid", "failed", "unreplayable"]
    reason: str
    message: str


class Ready(NamedTuple):
    """The record that replays a letter, and what ``dlq.replayed`` keeps of it.

    ``partition`` is None where the key decides on it.
    """

    key: bytes
    body: bytes
    replayed: Replayed
    topic: str = RAW.name
    partition: int | None = None


def as_it_is(letter: DeadLetter) -> Repaired:
    """The event with every value's bytes as they came.

    Raises:
        InvalidEvent: the body is no JSON object.
    """
    return json_object(letter.body)


def json_object(body: bytes) -> dict[str, Any]:
    """A JSON object, its values still encoded.

    Raises:
        InvalidEvent: it is none.
    """
    try:
        return dict(decode(body, dict[str, msgspec.Raw]))
    except _UNREADABLE:
        decode_event(body)  # says why
        raise


def first_origin(letter: DeadLetter) -> str:
    """The place of the first record of the letter's chain: its own, unless that was a repaired event."""
    held = _read(letter.body, _Kept).origin
    try:
        check_origin(held)
    except InvalidEvent:
        return letter.place
    return str(held)


def prepare(
    letter: DeadLetter, event: Repaired, *, first_seen: int, now_ms: int, fix: str = "", force: bool = False
) -> Ready | Left:
    """The record that replays a letter as ``event``, at ``now_ms``.

    It counts as what it would have been if it had arrived right at ``first_seen`` (epoch ms): a time that it
    lacks is that one, and the client's clock is judged by it. It keeps its uuid; one that never had any gets
    that of the place of its chain's first record. ``force`` lets pass what the pipeline would refuse again,
    if it is no larger than a dead letter may be.
    """
    if letter.step == SINK_STEP:
        return _back_to_the_sinks(letter, event, first_seen=first_seen, now_ms=now_ms, fix=fix)
    origin = first_origin(letter)
    stamped = {**event, "_origin": origin}
    if _value(stamped, "uuid") is None:
        stamped["uuid"] = _old_uuid(letter, origin)
    try:
        fault = None
        try:
            stamped = _resolve_times(stamped, first_seen)
        except InvalidEvent as error:
            fault = error
        body = encode(stamped)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        return Left("failed", "fix_failed", f"The repaired event cannot be written as JSON ({error}).")
    fault = _refusal(body, now_ms) or fault
    if fault is not None and not (force and len(body) <= MAX_BODY_BYTES):
        return Left("invalid", fault.code, fault.reason)
    named = _read(body, _Named)
    replayed = Replayed(
        place=letter.place,
        origin=origin,
        project=_text(named.project),
        uuid=_identity(named.uuid),
        first_seen=first_seen,
        replayed_at=now_ms,
        fix=fix,
    )
    return Ready(event_key(_text(named.project), _text(named.distinct_id)), body, replayed)


def _back_to_the_sinks(
    letter: DeadLetter, event: Repaired, *, first_seen: int, now_ms: int, fix: str
) -> Ready | Left:
    """The stream has counted the event, only its row is missing: the record goes to where it was."""
    try:
        body = encode(event)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        return Left("failed", "fix_failed", f"The repaired record cannot be written as JSON ({error}).")
    try:
        enriched = decode(body, EnrichedEvent)
    except _UNREADABLE as error:
        return Left(
            "invalid",
            "enriched_event",
            f"A sink could not read this record of events.enriched, nor can this release ({error}): use the "
            "release that wrote it, or give a --fix that returns an enriched event with all of its fields.",
        )
    replayed = Replayed(
        place=letter.place,
        origin=letter.place,
        project=enriched.project,
        # Of no concern to events.raw, where the same uuid may have been repaired before.
        uuid="",
        first_seen=first_seen,
        replayed_at=now_ms,
        fix=fix,
    )
    key = event_key(enriched.project, enriched.distinct_id)
    return Ready(key, body, replayed, ENRICHED.name, letter.partition)


class _Named(msgspec.Struct):
    project: Any = None
    distinct_id: Any = None
    uuid: Any = None


class _Kept(msgspec.Struct):
    uuid: Any = None
    origin: Any = msgspec.field(default=None, name="_origin")


def _read(body: bytes, of: type[T]) -> T:
    """What a body says of itself, if it can be read at all."""
    try:
        return decode(body, of)
    except _UNREADABLE:
        return of()


def _old_uuid(letter: DeadLetter, origin: str) -> str:
    held = _read(letter.body, _Kept).uuid
    try:
        check_uuid(held)
    except InvalidEvent:
        topic_id, partition, offset = origin.rsplit(":", 2)
        return derived_uuid(Origin(letter.topic, topic_id, int(partition)), int(offset))
    return str(held)


def _resolve_times(event: dict[str, Any], first_seen: int) -> dict[str, Any]:
    """The event with its time as of its first arrival, so that a second one cannot change it."""
    original, sent = _time(event, "timestamp"), _time(event, "sent_at")
    timestamp = event_time(original, sent, first_seen)
    resolved = {name: value for name, value in event.items() if name != "sent_at"}
    if timestamp != original:
        resolved["timestamp"] = timestamp
    if sent is not None:
        resolved["queued_at"] = sent
    return resolved


def _refusal(body: bytes, now_ms: int) -> InvalidEvent | None:
    """Why the pipeline would send an event to the dead letters that arrives at ``now_ms``."""
    try:
        event = decode_event(body)
        validate(event)
        if event.timestamp is not None:
            check_event_time(parse_timestamp(event.timestamp), now_ms)
    except InvalidEvent as error:
        return error
    return None


def _time(event: Repaired, name: str) -> int | None:
    value = _value(event, name)
    return None if value is None else parse_timestamp(value, name)


def _value(event: Repaired, name: str) -> Any:
    value = event.get(name)
    if not isinstance(value, msgspec.Raw):
        return value
    try:
        return msgspec.json.decode(value)
    except _UNREADABLE:
        return value


def _identity(uuid: object) -> str:
    """A uuid as the pipeline compares it; empty where it is none (of an event that was forced)."""
    try:
        check_uuid(uuid)
    except InvalidEvent:
        return ""
    return str(uuid).lower()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
