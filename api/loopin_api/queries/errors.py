"""Errors one by one, as document 004 has them, whoever reported them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from loopin_api.queries.recorded import Corrected, Record, RecordQuery
from loopin_schemas.corrections import ErrorGroup
from loopin_schemas.metrics.definition import Events
from loopin_sinks.metric_values.scope import epoch_ms
from loopin_sinks.metric_values.sql import MS
from loopin_streams.kafka.config_state import Item
from loopin_text.fingerprint import ERRORS, frames_of

OF_ERRORS: Final = Events(ERRORS)

NOBODY: Final = "system"
"""Whose events errors and measurements are where nobody is named."""

Groups = Mapping[str, Item[ErrorGroup]]
"""What was decided on groups of errors, by fingerprint."""

_TEXTS: Final = ("url", "method", "user_agent")
_READ: Final = frozenset({"level", "message", "stack_trace", "extra_data", *_TEXTS})


def level(query: RecordQuery) -> str:
    """In SQL, how severe an error is."""
    return query.field("level", "toString(error_level)", "String")


def resolved(query: RecordQuery, groups: Groups) -> str:
    """In SQL, whether an error is resolved: by itself, or with all of its group that came before."""
    until = {known: item.body.at for known, item in groups.items() if item.body.resolved}
    stored = "toUInt8(0)"
    if until:
        known, at = query.bind(list(until), "Array(String)"), query.bind(list(until.values()), "Array(Int64)")
        stored = f"toUInt8({MS} <= transform(error_fingerprint, {known}, {at}, toInt64(-1)))"
    return query.field("is_resolved", stored, "UInt8")


def recorded(record: Record, groups: Groups) -> dict[str, Any]:
    """An error as it was reported, by document 004's fields; times are in epoch ms."""
    group = groups.get(record.fingerprint)
    at = epoch_ms(record.at)
    within = group is not None and group.body.resolved and at <= group.body.at
    return {
        "user": None if record.user == NOBODY else record.user,
        "level": record.level,
        **_told(record),
        **{name: _text(record.properties.get(name)) for name in _TEXTS},
        "ip_address": _text(record.properties.get("$ip")),
        "extra_data": _extra(record.properties),
        "created_at": at,
        "resolved_at": group.body.at if group is not None and within else None,
        "is_resolved": within,
    }


def corrected(record: Record, corrections: Corrected, groups: Groups) -> dict[str, Any] | None:
    """The same with what overrides it; None where it was deleted."""
    item = corrections.get(record.id)
    if item is None:
        return recorded(record, groups)
    return None if item.body.deleted else {**recorded(record, groups), **item.body.values}


def _told(record: Record) -> dict[str, str]:
    """Message and stack."""
    properties = record.properties
    if record.event == "error_logged":
        return {name: _text(properties.get(name)) or "" for name in ("message", "stack_trace")}
    exceptions = properties.get("$exception_list")
    found = [
        each for each in (exceptions if isinstance(exceptions, list) else ()) if isinstance(each, Mapping)
    ]
    return {"message": next(map(_headline, found), ""), "stack_trace": "\n".join(_lines(found))}


def _lines(exceptions: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for each in exceptions:
        yield _headline(each)
        for frame in frames_of(each):
            yield f"    at {frame.function or '<unknown>'} ({frame.file})"


def _headline(exception: Mapping[str, Any]) -> str:
    return ": ".join(filter(None, (_text(exception.get("type")), _text(exception.get("value")))))


def _extra(properties: Mapping[str, Any]) -> dict[str, Any]:
    """What no other field says, without what the stream and SDKs have added."""
    extra = properties.get("extra_data")
    others = {
        name: value for name, value in properties.items() if name not in _READ and not name.startswith("$")
    }
    return {**others, **(extra if isinstance(extra, dict) else {})}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
