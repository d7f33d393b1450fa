"""An alert as a message for people: a subject and a few lines, plain or in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from loopin_schemas.alert import Alert, AlertEvent

_HEADS: Final[dict[AlertEvent, str]] = {
    "worse": "Now {}",
    "unsilenced": "Still {}",
    "reminded": "Still {}",
    "escalated": "Escalated, {}",
    "acknowledged": "Acknowledged, {}",
    "pending": "Pending, {}",
    "resolved": "Resolved",
}

_MARK_UP: Final = re.compile(r"[\\`*\[\]<>~]|(?<![^\W_])_|_(?![^\W_])|^[#+-]")
"""Not more than has to be: some services show the backslashes. Within a word an underscore means itself."""

LONGEST: Final = 300
"""Characters of a value that are shown: names in events may be of any length."""


def subject(alert: Alert) -> str:
    """One line: how bad, what, and where; without control characters, as mail headers need it."""
    head = _HEADS.get(alert.event, "{}").format(alert.severity)
    of = ", ".join(f"{name} {value}" for name, value in alert.dimensions.items())
    where = f", project {alert.project}" if alert.project else ""
    return _line(f"{head[:1].upper()}{head[1:]}: {alert.rule}{f' ({of})' if of else ''}{where}")


def plain(alert: Alert) -> str:
    """The body without mark-up."""
    return "\n".join([_line(alert.message), "", *(f"{name}: {value}" for name, value in _facts(alert))])


def markdown(alert: Alert) -> str:
    """The body in Markdown; what comes from events or from people is escaped."""
    lines = (f"- **{_escaped(name)}:** {_escaped(value)}" for name, value in _facts(alert))
    return "\n".join([_escaped(_line(alert.message)), "", *lines])


def _facts(alert: Alert) -> Iterator[tuple[str, str]]:
    yield "Severity", alert.severity
    yield "State", alert.state
    yield "Rule", f"{alert.rule} (version {alert.rule_version})"
    yield "Judged", f"{_time(alert.window.start)} to {_time(alert.window.end)}"
    if alert.fired_at is not None:
        yield "Firing since", _time(alert.fired_at)
    if alert.resolved_at is not None:
        yield "Resolved at", _time(alert.resolved_at)
    if alert.acknowledged_by:
        yield "Looked after by", _line(alert.acknowledged_by)
    for name, value in alert.labels.items():
        yield _line(name), _line(value)
    yield "Alert", _line(alert.id)


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _line(text: str) -> str:
    """The text in one line: what stands between its words is a space."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:LONGEST]


def _escaped(text: str) -> str:
    return re.sub(_MARK_UP, r"\\\g<0>", text)
