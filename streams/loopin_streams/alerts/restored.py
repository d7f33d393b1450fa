"""Alerts and pasts as a state topic has them: those of another release go on as far as they can be read.

The alerts themselves are on the topic ``alerts``, so no worker stops for what it remembers of them: an alert
that is open would have nobody who ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

import msgspec
import structlog

from loopin_schemas.alert import Alert
from loopin_schemas.codec import decoder
from loopin_streams.alerts.lifecycle import WATCHED_VERSION, Watched

log = structlog.get_logger(__name__)


class _Versioned(Protocol):
    version: int


T = TypeVar("T", bound=_Versioned)


class _OfAnother(msgspec.Struct):
    """What is taken of another release's: the newest record of the alert, whose form is published."""

    alert: Alert


_watched: Final = decoder(Watched).decode
_of_another: Final = decoder(_OfAnother).decode


def watched_of(key: bytes, value: bytes, topic: str) -> Watched | None:
    """An alert of the state; None where nothing can be made of it, which the log says."""
    found = read_or_none(value, _watched, WATCHED_VERSION)
    if found is not None:
        return found
    try:
        alert = _of_another(value).alert
    except (ValueError, RecursionError) as error:
        said = str(error)[:200]
        log.warning("alert_begins_anew", key=_named(key), topic=topic, reason=said)
        return None
    log.warning("alert_of_another_release", key=_named(key), topic=topic, alert=alert.id)
    ended_ms = alert.window.end if alert.state == "resolved" else None
    return Watched(
        alert=alert,
        since_ms=alert.window.end,
        ended_ms=ended_ms,
        after_ms=ended_ms,
        told_ms=alert.at,
    )


def read_or_none(value: bytes, decode: Callable[[bytes], T], version: int) -> T | None:
    """A record of the state, if this release reads it."""
    try:
        found = decode(value)
    except (ValueError, RecursionError):
        return None
    return found if found.version == version else None


def _named(key: bytes) -> str:
    return key[:120].decode(errors="replace")
