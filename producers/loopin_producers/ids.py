"""Ids of users, groups and sessions as callers have them, and as events hold them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from operator import index
from typing import Any, Final, cast
from uuid import UUID

from loopin_schemas import InvalidEvent
from loopin_schemas.validation import check_distinct_id, check_session_id

_UUID_LENGTH: Final = 36

Id = str | int | UUID
"""Text, or a database's key, which stands for its text."""


def id_text(value: object) -> Any:
    """The id as plain text; of what is no id its class, or None and True themselves, for the check to refuse.

    Numbers are all that stand for an integer exactly, as numpy's do; ``17.0`` does not.
    """
    of = type(value)
    if issubclass(of, str):
        return str.__str__(cast(str, value))
    if issubclass(of, UUID):
        return UUID.__str__(cast(UUID, value))
    if issubclass(of, int):
        return value if of is bool else int.__repr__(cast(int, value))
    with suppress(Exception):  # a class of the caller's
        return int.__repr__(index(value))  # type: ignore[arg-type]  # raises for what is none
    # Nobody may ask a lazy object of Django's what it is an instance of: it would ask the database.
    return None if value is None else of


def checked_id(value: object, field: str) -> str:
    """A user's id as text; ``field`` is what the caller calls it. Raises InvalidEvent: it is none."""
    return _checked(check_distinct_id, value, field)


def checked_key(value: object, field: str) -> str:
    """An id of anything else as text. Raises InvalidEvent: not 1 to 200 characters."""
    return _checked(check_session_id, value, field)


def _checked(check: Callable[[object], None], value: object, field: str) -> str:
    if value is None:
        raise InvalidEvent("missing_field", field, f"Give the {field}.")
    text = id_text(value)
    try:
        check(text)
    except InvalidEvent as error:
        known = str(error.field)
        raise InvalidEvent(
            error.code.replace(known, field), field, error.reason.replace(known, field)
        ) from None
    return cast(str, text)


def id_forms(text: str) -> tuple[Id, ...]:
    """All ids that this is the text of: itself, perhaps a number or a UUID."""
    if text.isascii() and text.isdecimal() and (text == "0" or not text.startswith("0")):
        return text, int(text)
    if len(text) == _UUID_LENGTH:
        with suppress(ValueError):
            return text, UUID(text)
    return (text,)
