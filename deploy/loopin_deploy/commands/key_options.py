"""What the options of ``loopin keys create`` mean."""

from __future__ import annotations

import getpass
import os
import re
from typing import get_args

from loopin_deploy.errors import DeployError
from loopin_schemas.config import SCOPES, WRITE_KEY_SCOPES, Scope
from loopin_schemas.errors import InvalidEvent
from loopin_schemas.key_format import KeyKind
from loopin_schemas.timestamps import parse_timestamp

MAX_NAME = 200

_IN = re.compile(r"([0-9]{1,5})([hd])")
_UNIT_MS = {"h": 3_600_000, "d": 86_400_000}


def given_scopes(kind: KeyKind, text: str) -> tuple[Scope, ...]:
    """The scopes that ``text`` names, in the table's order; by default as few as the kind is good for.

    Raises:
        DeployError: ``scope_unknown``; ``write_key_scopes`` for a write key with any other than ``ingest``.
    """
    if not text:
        return WRITE_KEY_SCOPES if kind == "write" else ("read",)
    named = {name.strip() for name in text.split(",")}
    unknown = sorted(named.difference(SCOPES))
    if unknown:
        raise DeployError(
            "scope_unknown",
            "--scopes",
            f"There is no scope {unknown[0]!r}: give some of {', '.join(get_args(Scope))}.",
        )
    scopes = tuple(scope for scope in SCOPES if scope in named)
    if kind == "write" and scopes != WRITE_KEY_SCOPES:
        raise DeployError(
            "write_key_scopes",
            "--scopes",
            "A write key has the scope ingest only: leave --scopes out, or make a personal key.",
        )
    return scopes


def expiry_ms(text: str, now_ms: int) -> int | None:
    """Epoch ms of ISO 8601 text, or of a time from now on such as ``90d`` or ``12h``; None for empty text.

    Raises:
        DeployError: ``expires_invalid``, ``expires_past``.
    """
    if not text:
        return None
    ahead = _IN.fullmatch(text)
    at_ms = now_ms + int(ahead[1]) * _UNIT_MS[ahead[2]] if ahead else _time_ms(text)
    if at_ms <= now_ms:
        raise DeployError("expires_past", "--expires", f"{text} is not ahead: give --expires a later time.")
    return at_ms


def given_name(text: str) -> str:
    """The name as it was given.

    Raises:
        DeployError: ``name_invalid``.
    """
    if not text.strip() or len(text) > MAX_NAME or not text.isprintable():
        raise DeployError(
            "name_invalid",
            "--name",
            f"Give --name 1 to {MAX_NAME} characters that can be shown, or leave it out.",
        )
    return text


def person() -> str:
    """Who runs this, as the system calls them; it proves nothing."""
    try:
        name = getpass.getuser()[:MAX_NAME]
    except (KeyError, OSError):
        # A container's user may have no name.
        return f"uid {os.getuid()}"
    return name.encode("utf-8", "replace").decode()


def _time_ms(text: str) -> int:
    try:
        return parse_timestamp(text)
    except InvalidEvent as error:
        raise DeployError(
            "expires_invalid",
            "--expires",
            f"{text} is no time: give --expires one such as 2027-01-02T03:04:05Z, or 90d or 12h from now on.",
        ) from error
