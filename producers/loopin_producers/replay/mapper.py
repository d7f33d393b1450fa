"""From a row of a file to the arguments of an event, by a mapping."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from msgspec import DecodeError

from loopin_producers.event_builder import to_ms
from loopin_producers.replay.mapping import Mapping, PropertyType, zone_of
from loopin_schemas import InvalidEvent
from loopin_schemas.codec import decode_object
from loopin_schemas.timestamps import parse_timestamp


class MappedRow(NamedTuple):
    """An event's parts out of a row; ``timestamp`` is epoch ms, None where the row has none."""

    event: str
    distinct_id: str
    timestamp: int | None
    session_id: str | None
    uuid: str | None
    properties: dict[str, Any]


class Mapper:
    """Applies one mapping to rows.

    Every method raises InvalidEvent for a cell that does not fit.
    """

    def __init__(self, mapping: Mapping) -> None:
        self._columns = mapping.columns
        self._rule = mapping.properties
        self._format = mapping.timestamp.format
        self._zone = zone_of(mapping.timestamp.zone)
        self._taken = frozenset(mapping.columns.named()) | frozenset(mapping.properties.exclude)

    def __call__(self, values: MappingOf[str, Any]) -> MappedRow:
        """The event's parts."""
        columns = self._columns
        return MappedRow(
            event=_text(values, columns.event),
            distinct_id=_text(values, columns.distinct_id),
            timestamp=self.timestamp(values),
            session_id=_text(values, columns.session_id) or None,
            uuid=_text(values, columns.uuid) or None,
            properties=self._properties(values),
        )

    def timestamp(self, values: MappingOf[str, Any]) -> int | None:
        """The row's time in epoch ms, or None where it has none."""
        column = self._columns.timestamp
        value = None if column is None else values.get(column)
        if value is None or value == "":
            return None
        try:
            return self._to_ms(value)
        except (ValueError, OverflowError, ArithmeticError) as error:
            if isinstance(error, InvalidEvent):
                raise
            reason = f"The {column} {str(value)[:40]!r} is not of the format {self._format}."
            raise InvalidEvent("timestamp_invalid", "timestamp", reason) from None

    def _to_ms(self, value: Any) -> int:
        if isinstance(value, datetime):
            return to_ms(self._in_zone(value))
        if self._format == "epoch_s":
            return parse_timestamp(int(Decimal(str(value)) * 1000))
        if self._format == "epoch_ms":
            return parse_timestamp(int(Decimal(str(value))))
        if self._format != "iso":
            return to_ms(self._in_zone(datetime.strptime(str(value), self._format)))
        if isinstance(value, str) and self._zone is not UTC and not value.strip().isdigit():
            return to_ms(self._in_zone(datetime.fromisoformat(value.strip())))
        return parse_timestamp(value)

    def _in_zone(self, moment: datetime) -> datetime:
        return moment if moment.tzinfo else moment.replace(tzinfo=self._zone)

    def _properties(self, values: MappingOf[str, Any]) -> dict[str, Any]:
        rule = self._rule
        found = dict(rule.constant) | self._object(values)
        for name in values if rule.include is None else rule.include:
            value = values.get(name)
            if value is None or value == "" or (name in self._taken and rule.include is None):
                continue
            kind = rule.types.get(name)
            found[rule.rename.get(name, name)] = value if kind is None else _typed(value, kind, name)
        return found

    def _object(self, values: MappingOf[str, Any]) -> dict[str, Any]:
        """The column that holds an object, or one as JSON text."""
        column = self._columns.properties
        value = None if column is None else values.get(column)
        if value is None or value == "":
            return {}
        if isinstance(value, str):
            try:
                value = decode_object(value.encode())
            except (DecodeError, UnicodeError, RecursionError):
                value = None
        if not isinstance(value, dict):
            raise InvalidEvent("properties_not_object", "properties", f"The {column} is not a JSON object.")
        return value


def _text(values: MappingOf[str, Any], column: str | None) -> str:
    """A cell as text; whole numbers are ids as well."""
    value = None if column is None else values.get(column)
    if value is None:
        return ""
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return str(value)
    raise InvalidEvent("wrong_type", column, f"The {column} is neither text nor a whole number.")


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

_CASTS: dict[PropertyType, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "bool": lambda text: _BOOLEANS[text.lower()],
    "text": str,
}


def _typed(value: Any, kind: PropertyType, name: str) -> Any:
    try:
        return _CASTS[kind](str(value).strip())
    except (ValueError, KeyError):
        field = f"properties.{name}"
        raise InvalidEvent("wrong_type", field, f"The {name} {str(value)[:40]!r} is no {kind}.") from None
