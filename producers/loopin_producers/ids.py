"""Ids of users, groups and sessions as callers have them, and as events hold them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final
from uuid import UUID

_UUID_LENGTH: Final = 36

Id = str | int | UUID
"""Text, or a database's key, which stands for its text."""


def id_text(value: object) -> Any:
    """The id as plain text; what is no id, None and True among it, stays for the check to refuse."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, UUID):
        return UUID.__str__(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int.__repr__(value)
    return value


def id_forms(text: str) -> tuple[Id, ...]:
    """All ids that this is the text of: itself, perhaps a number or a UUID."""
    if text.isascii() and text.isdecimal() and (text == "0" or not text.startswith("0")):
        return text, int(text)
    if len(text) == _UUID_LENGTH:
        with suppress(ValueError):
            return text, UUID(text)
    return (text,)
