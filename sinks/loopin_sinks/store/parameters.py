"""Parameters as ClickHouse is to receive them, apart from the SQL text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from loopin_sinks.store.errors import QUERY_FAILED, StoreError

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*):")


def bind(sql: str, parameters: Mapping[str, object] | None) -> dict[str, Any] | None:
    """The values of the placeholders in ``sql``; parameters that it does not name are left out.

    None when it has no placeholders: the client would otherwise format the SQL text with ``%``.

    Raises:
        StoreError: ``query_failed`` for a missing parameter, a time without time zone, or text that is not
            valid Unicode (a lone surrogate).
    """
    names = set(_PLACEHOLDER.findall(sql))
    given = parameters or {}
    missing = sorted(names - given.keys())
    if missing:
        raise StoreError(QUERY_FAILED, f"The parameter {missing[0]} of the query is missing.")
    return {name: _value(name, given[name]) for name in names} or None


def _value(name: str, value: object) -> object:
    if isinstance(value, str):
        return _text(name, value)
    if isinstance(value, datetime):
        return _time(name, value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(name, item) for item in value]
    return value


def _text(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise StoreError(QUERY_FAILED, f"The value of {name} is not valid Unicode text.") from error
    return value


def _time(name: str, value: datetime) -> str:
    # As text in UTC: the client would shift it to the time zone of the machine the engine runs on.
    if value.tzinfo is None:
        raise StoreError(QUERY_FAILED, f"The time {name} has no time zone.")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", timespec="milliseconds")
