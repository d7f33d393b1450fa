"""From the arguments of ``capture()`` to an event; every check a caller can fail is here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar, cast, get_args
from uuid import UUID

import msgspec

from loopin_producers.ids import Id, id_text
from loopin_producers.library import signed
from loopin_producers.properties import Change, encode_properties, plain_text
from loopin_producers.uuid7 import uuid7
from loopin_schemas import Event, InvalidEvent, Source
from loopin_schemas.timestamps import parse_timestamp
from loopin_schemas.validation import (
    check_distinct_id,
    check_encoded_properties,
    check_event_name,
    check_event_time,
    check_session_id,
    check_uuid,
    known_event_name,
)

T = TypeVar("T")

Timestamp = datetime | str | int | float
"""A datetime (without a zone: UTC), ISO 8601 text, or epoch milliseconds."""

_IDS = frozenset({"distinct_id", "session_id", "anonymous_id", "previous_id", "group_key"})
_SOURCES = frozenset(get_args(Source))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MS = 100_000_000_000
"""Smaller numbers are seconds (until the year 5138): as milliseconds they lie too far back, before 1974."""


def build_event(
    project: str,
    event: str,
    distinct_id: Id,
    properties: Mapping[str, Any] | None,
    *,
    now_ms: int,
    timestamp: Timestamp | None = None,
    uuid: str | UUID | None = None,
    groups: Mapping[str, Id | None] | None = None,
    session_id: Id | None = None,
    source: Source = "sdk",
    parent_uuid: str | UUID | None = None,
    change: Change | None = None,
    library: bool = False,
) -> Event:
    """The event to publish, sent at ``now_ms`` (epoch ms); its time is ``now_ms`` unless given.

    ``project`` has been checked; ``change`` is applied to the properties once they are plain; ``library``
    says that this library captured it.

    Raises:
        InvalidEvent: an argument of the wrong type or beyond its limit.
    """
    encoded = encode_properties(properties, groups, change)
    if library:
        encoded = signed(encoded, properties)
    at = now_ms if timestamp is None else to_ms(timestamp)
    built = Event(
        project=project,
        event=event if type(event) is str else _text(event),
        distinct_id=distinct_id if type(distinct_id) is str else id_text(distinct_id),
        uuid=uuid7.text() if uuid is None else _uuid(uuid),
        timestamp=at,
        queued_at=now_ms,
        session_id=None if session_id is None else id_text(session_id),
        properties=msgspec.Raw(encoded),
        source="sdk" if source == "sdk" else _source(source),
        parent_uuid=None if parent_uuid is None else _uuid(parent_uuid),
    )
    # Not `check_names`, which would also look at what is known to be right: the project and our own uuid.
    (known_event_name if type(built.event) is str else check_event_name)(built.event)
    check_distinct_id(built.distinct_id)
    if uuid is not None:
        check_uuid(built.uuid)
    if session_id is not None:
        check_session_id(built.session_id)
    if parent_uuid is not None:
        check_uuid(built.parent_uuid, "parent_uuid")
    check_encoded_properties(encoded)
    if timestamp is not None:
        check_event_time(at, now_ms)
    return built


def is_misuse(error: InvalidEvent) -> bool:
    """Whether the caller's code is wrong, whatever data it runs with: a type, or a name it spells out.

    Of what class an id is, a column of numbers with gaps decides as often as the code: it is data.
    """
    if error.field in ("event", "group_type"):
        return True
    if error.code == "wrong_type":
        return error.field is None or not (error.field in _IDS or error.field.startswith("properties."))
    return error.code in ("properties_not_object", "wrong_value")


def check_mapping(value: object, field: str) -> None:
    """Raises InvalidEvent: no mapping."""
    if not isinstance(value, Mapping):
        raise InvalidEvent("wrong_type", field, f"Give the {field} as a mapping of names to values.")


def of_clock(timestamp: Timestamp) -> Timestamp:
    """The timestamp, in milliseconds where it is a number of seconds, as of ``time.time()``."""
    if isinstance(timestamp, int | float) and not isinstance(timestamp, bool):
        return timestamp * 1000 if -_FIRST_MS < timestamp < _FIRST_MS else timestamp
    return timestamp


def to_ms(timestamp: Timestamp, field: str = "timestamp") -> int:
    """Epoch milliseconds of a timestamp.

    Raises:
        InvalidEvent: not a time.
    """
    if isinstance(timestamp, datetime):
        return _of_datetime(timestamp, field)
    if isinstance(timestamp, int) and not isinstance(timestamp, bool):
        timestamp = int.__int__(timestamp)
    elif isinstance(timestamp, float):
        timestamp = float.__float__(timestamp)
    return parse_timestamp(_text(timestamp), field)


def _of_datetime(moment: datetime, field: str) -> int:
    try:
        since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
        return int((since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000)
    except Exception as error:  # a subclass such as pandas' NaT, or the time zone, is no code of ours
        raise InvalidEvent(
            "timestamp_invalid", field, f"The {field} is not a time that can be read; give a plain datetime."
        ) from error


def _text(value: T) -> T | str:
    """Text as plain text; what is no text at all is left for the check to refuse."""
    if type(value) is str:
        return value
    return plain_text(value) if isinstance(value, str) else value


def _uuid(uuid: str | UUID) -> str:
    """The wire form; what is neither is left for the check to refuse."""
    if isinstance(uuid, UUID):
        return UUID.__str__(uuid)
    return plain_text(uuid).lower() if isinstance(uuid, str) else uuid


def _source(source: str) -> Source:
    name = _text(source)
    if not isinstance(name, str) or name not in _SOURCES:
        allowed = ", ".join(sorted(_SOURCES))
        raise InvalidEvent("wrong_value", "source", f"The source is unknown; use one of {allowed}.")
    return cast(Source, name)
