"""From the arguments of ``capture()`` to an event; every check a caller can fail is here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

import msgspec

from loopin_producers.properties import encode_properties
from loopin_producers.uuid7 import uuid7
from loopin_schemas import Event, InvalidEvent, Source
from loopin_schemas.timestamps import parse_timestamp
from loopin_schemas.validation import check_event_time, check_fields

Timestamp = datetime | str | int | float
"""A datetime (without a zone: UTC), ISO 8601 text, or epoch milliseconds."""

_SOURCES = frozenset(get_args(Source))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def build_event(
    project: str,
    event: str,
    distinct_id: str,
    properties: Mapping[str, Any] | None,
    *,
    now_ms: int,
    timestamp: Timestamp | None = None,
    uuid: str | UUID | None = None,
    groups: Mapping[str, str] | None = None,
    session_id: str | None = None,
    source: Source = "sdk",
    parent_uuid: str | UUID | None = None,
) -> Event:
    """The event to publish, sent at ``now_ms`` (epoch ms); its time is ``now_ms`` unless given.

    Raises:
        InvalidEvent: an argument of the wrong type or beyond its limit.
    """
    if not isinstance(source, str) or source not in _SOURCES:
        allowed = ", ".join(sorted(_SOURCES))
        raise InvalidEvent("wrong_value", "source", f"The source is unknown; use one of {allowed}.")
    built = Event(
        project=project,
        event=event,
        distinct_id=distinct_id,
        uuid=str(uuid7()) if uuid is None else _text(uuid),
        timestamp=now_ms if timestamp is None else to_ms(timestamp),
        queued_at=now_ms,
        session_id=session_id,
        properties=_properties(properties, groups),
        source=source,
        parent_uuid=None if parent_uuid is None else _text(parent_uuid),
    )
    check_fields(built)
    check_event_time(int(built.timestamp or 0), now_ms)
    return built


def to_ms(timestamp: Timestamp, field: str = "timestamp") -> int:
    """Epoch milliseconds of a timestamp.

    Raises:
        InvalidEvent: not a time.
    """
    if isinstance(timestamp, datetime):
        moment = timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
        since = moment - _EPOCH
        return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    return parse_timestamp(timestamp, field)


def _text(uuid: str | UUID) -> str:
    """The wire form; what is no text at all is left for the check to refuse."""
    return str(uuid) if isinstance(uuid, UUID) else uuid.lower() if isinstance(uuid, str) else uuid


def _properties(properties: Mapping[str, Any] | None, groups: Mapping[str, str] | None) -> msgspec.Raw:
    if groups is not None:
        if not isinstance(groups, Mapping):
            raise InvalidEvent(
                "wrong_type", "groups", "Give the groups as a mapping of group type to group key."
            )
        properties = {**(properties or {}), "$groups": groups}
    return msgspec.Raw(encode_properties(properties))
