"""MAP.toml: which column of a file is which part of an event.

    [columns]                       # names of columns; event and distinct_id are needed
    event = "action"
    distinct_id = "user_id"
    timestamp = "at"
    session_id = "session"
    uuid = "id"
    properties = "props"            # a column that holds an object, or one as JSON text

    [timestamp]
    format = "%Y-%m-%d %H:%M:%S"    # or "iso" (default), "epoch_s", "epoch_ms"
    zone = "Europe/Berlin"          # of times without an offset; default UTC

    [properties]
    include = ["price"]             # default: every column that is not named above
    exclude = ["internal"]

    [properties.types]              # int, float, bool or text
    price = "float"

    [properties.rename]
    price = "amount"

    [properties.constant]           # the same for every row
    currency = "EUR"

Without a mapping, columns of those names (event, distinct_id, timestamp, session_id, uuid, properties) are
taken as they are. Empty cells and nulls are left out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from loopin_producers.replay.errors import ReplayError

PropertyType = Literal["int", "float", "bool", "text"]


class Columns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names of the columns that hold an event's own fields."""

    event: str = "event"
    distinct_id: str = "distinct_id"
    timestamp: str | None = None
    session_id: str | None = None
    uuid: str | None = None
    properties: str | None = None

    def named(self) -> tuple[str, ...]:
        """The columns in use."""
        every = (self.event, self.distinct_id, self.timestamp, self.session_id, self.uuid, self.properties)
        return tuple(name for name in every if name is not None)


class TimestampRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the timestamp column is read; ``zone`` is that of times without an offset."""

    format: str = "iso"
    zone: str = "UTC"


class PropertyRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which columns become properties, as what, and under which name."""

    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    types: dict[str, PropertyType] = {}
    rename: dict[str, str] = {}
    constant: dict[str, Any] = {}


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file's mapping, as described at the top of this module."""

    columns: Columns
    timestamp: TimestampRule = TimestampRule()
    properties: PropertyRule = PropertyRule()

    def __post_init__(self) -> None:
        zone_of(self.timestamp.zone)

    def check_columns(self, columns: Sequence[str] | None) -> None:
        """Whether a file with these columns fits; None means that they are not known beforehand.

        Raises:
            ReplayError: a column that the mapping names is not there.
        """
        if columns is None:
            return
        rule = self.properties
        for name in (*self.columns.named(), *(rule.include or ()), *rule.types, *rule.rename):
            if name not in columns:
                there = ", ".join(columns)
                reason = f"Correct the mapping: the file has no column {name!r}, it has {there}."
                raise ReplayError("mapping_column_missing", reason)
        own = {*self.columns.named(), *rule.exclude}
        kept = rule.include or [name for name in columns if name not in own]
        names = [rule.rename.get(name, name) for name in kept]
        if len(set(names)) < len(names):
            reason = "Correct [properties.rename] in the mapping: two columns become the same property."
            raise ReplayError("mapping_invalid", reason)


CANONICAL = Columns("event", "distinct_id", "timestamp", "session_id", "uuid", "properties")


def default_mapping(columns: Sequence[str] | None) -> Mapping:
    """The mapping of a file whose columns have the canonical names; of the optional ones, those there are."""
    if columns is None:
        return Mapping(CANONICAL)
    present = {name: name for name in ("timestamp", "session_id", "uuid", "properties") if name in columns}
    return Mapping(Columns(**present))


def load_mapping(path: Path) -> Mapping:
    """Read a MAP.toml.

    Raises:
        ReplayError: not there, not TOML, or a name or value that is not one of those above.
    """
    try:
        return parse_mapping(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise ReplayError("mapping_unreadable", f"Check the mapping {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ReplayError("mapping_invalid", f"Correct {path.name}, it is not TOML: {error}.") from error


def parse_mapping(document: MappingOf[str, Any]) -> Mapping:
    """A mapping from what a MAP.toml holds.

    Raises:
        ReplayError: a name or value that is not one of those above.
    """
    try:
        mapping = msgspec.convert(document, Mapping)
    except msgspec.ValidationError as error:
        raise ReplayError("mapping_invalid", f"Correct the mapping: {error}.") from error
    missing = {"event", "distinct_id"} - set(document["columns"])
    if missing:
        name = sorted(missing)[0]
        raise ReplayError("mapping_invalid", f"Name the column of {name} under [columns] in the mapping.")
    return mapping


def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name.

    Raises:
        ReplayError: there is none of that name.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ReplayError("mapping_invalid", f"Correct the time zone {name!r} in the mapping.") from error
