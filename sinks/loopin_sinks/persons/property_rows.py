"""What events set of persons and groups, as rows of ``person_properties`` and ``group_properties``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa

from loopin_schemas.codec import decode_object, encode
from loopin_schemas.event import EnrichedEvent
from loopin_schemas.validation import MAX_TEXT
from loopin_sinks.persons.rows import table

PERSON_PROPERTIES: Final = "person_properties"
GROUP_PROPERTIES: Final = "group_properties"

SET: Final = "set"
"""Register of the last ``$set`` or ``$unset``."""

ONCE: Final = "once"
"""Register of the first ``$set_once``."""

UNSET: Final = ""
"""A value, else JSON, that says that there is none."""

GROUP_EVENT: Final = "$groupidentify"

TIE_BITS: Final = 22
"""A rank is the event time (epoch ms), then in so many bits the event's place in its raw partition: of two
events in the same millisecond the later one counts."""

LARGEST: Final = (1 << 64) - 1
"""The greatest rank; less a rank, where the earliest counts."""

_TIES: Final = (1 << TIE_BITS) - 1
_MS = pa.timestamp("ms", "UTC")
_may_set = re.compile(rb'\$(?:set(?:_once)?|unset|group_set)"').search

PERSONS_SCHEMA = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("distinct_id", pa.string(), nullable=False),
        pa.field("property", pa.string(), nullable=False),
        pa.field("register", pa.string(), nullable=False),
        pa.field("value", pa.string(), nullable=False),
        pa.field("at", _MS, nullable=False),
        pa.field("rank", pa.uint64(), nullable=False),
    ]
)

GROUPS_SCHEMA = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("group_type", pa.string(), nullable=False),
        pa.field("group_key", pa.string(), nullable=False),
        pa.field("property", pa.string(), nullable=False),
        pa.field("value", pa.string(), nullable=False),
        pa.field("at", _MS, nullable=False),
        pa.field("rank", pa.uint64(), nullable=False),
    ]
)


class PersonWrite(NamedTuple):
    """One property that an event sets of its user; the greatest rank of a register counts."""

    project: str
    distinct_id: str
    property: str
    register: str
    value: str
    at: int
    rank: int


class GroupWrite(NamedTuple):
    """One property that an event sets of a group."""

    project: str
    group_type: str
    group_key: str
    property: str
    value: str
    at: int
    rank: int


def property_writes(events: Iterable[EnrichedEvent]) -> tuple[list[PersonWrite], list[GroupWrite]]:
    """All that events set; names of more than ``MAX_TEXT`` characters are left out."""
    persons: list[PersonWrite] = []
    groups: list[GroupWrite] = []
    for event in events:
        # Only few events set anything: most are not decoded.
        if _may_set(event.properties) is None:
            continue
        properties = decode_object(event.properties)
        persons += _of_person(event, properties)
        if event.event == GROUP_EVENT:
            groups += _of_group(event, properties)
    return persons, groups


def persons_to_arrow(writes: Sequence[PersonWrite]) -> pa.Table:
    """Rows of ``PERSONS_SCHEMA``."""
    return table([*zip(*writes, strict=True)], PERSONS_SCHEMA)


def groups_to_arrow(writes: Sequence[GroupWrite]) -> pa.Table:
    """Rows of ``GROUPS_SCHEMA``."""
    return table([*zip(*writes, strict=True)], GROUPS_SCHEMA)


def _of_person(event: EnrichedEvent, properties: Mapping[str, Any]) -> Iterator[PersonWrite]:
    rank = _rank(event)
    about = event.project, event.distinct_id
    given = _object(properties.get("$set"))
    unset = _names(properties.get("$unset"))
    for name, value in given.items():
        # What one event sets and unsets is unset.
        if name not in unset:
            yield PersonWrite(*about, name, SET, _json(value), event.timestamp, rank)
    for name in unset:
        yield PersonWrite(*about, name, SET, UNSET, event.timestamp, rank)
    for name, value in _object(properties.get("$set_once")).items():
        # The earliest counts, so the order is turned around.
        yield PersonWrite(*about, name, ONCE, _json(value), event.timestamp, LARGEST - rank)


def _of_group(event: EnrichedEvent, properties: Mapping[str, Any]) -> Iterator[GroupWrite]:
    kind, key = properties.get("$group_type"), properties.get("$group_key")
    key = str(key) if isinstance(key, int) and not isinstance(key, bool) else key
    if not (isinstance(kind, str) and isinstance(key, str) and 0 < len(kind) <= MAX_TEXT):
        return
    if not 0 < len(key) <= MAX_TEXT:
        return
    for name, value in _object(properties.get("$group_set")).items():
        yield GroupWrite(event.project, kind, key, name, _json(value), event.timestamp, _rank(event))


def _rank(event: EnrichedEvent) -> int:
    """Before 1970 all times are one."""
    return max(0, event.timestamp) << TIE_BITS | event.raw_offset & _TIES


def _object(given: Any) -> dict[str, Any]:
    """The properties that can be kept; what is no object sets nothing."""
    if not isinstance(given, dict):
        return {}
    return {name: value for name, value in given.items() if 0 < len(name) <= MAX_TEXT}


def _names(given: Any) -> list[str]:
    """Of a list of names, or of an object, as some clients send it."""
    named = given if isinstance(given, list | dict) else ()
    return [*dict.fromkeys(name for name in named if isinstance(name, str) and 0 < len(name) <= MAX_TEXT)]


def _json(value: Any) -> str:
    return encode(value).decode()
