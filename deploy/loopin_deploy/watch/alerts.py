"""What has happened to a project's alerts, a line for each thing, the newest of each known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from loopin_schemas.alert import Severity
from loopin_schemas.alert_rules.pipeline import INVALID_RATIO
from loopin_schemas.metrics import by_name

MAX_LINES: Final = 50

What = Literal["warning", "critical", "looked after", "resolved"]


@dataclass
class AlertLine:
    """An alert was this from ``at`` until ``until`` (None: it is); ``fired_at`` is when it began.

    ``value`` and ``limit`` are as a person reads them, with their unit; the limit is the range that was
    expected where there is one.
    """

    id: str
    sequence: int
    what: What
    severity: Severity
    metric: str
    about: str
    value: str
    limit: str
    fired_at: datetime
    at: datetime
    until: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether it is so now, and not over."""
        return self.until is None and self.what != "resolved"

    def lasted_s(self, now: datetime) -> float:
        """How long it has been so; of one that is over, how long it was there."""
        begin, end = (self.fired_at, self.at) if self.what == "resolved" else (self.at, self.until or now)
        return max(0.0, (end - begin).total_seconds())


class AlertLines:
    """Takes records of alerts as the feed or the API tells them."""

    def __init__(self) -> None:
        self._lines: list[AlertLine] = []
        self._newest: dict[str, int] = {}

    def take(self, one: Mapping[str, Any]) -> None:
        """One record; what is known already says nothing new."""
        id, sequence = one["id"], one["sequence"]
        if sequence <= self._newest.get(id, 0):
            return
        self._newest[id] = sequence
        # What is pending or silenced is told to nobody; what has never fired need not be over.
        if one["state"] == "pending" or one.get("silenced") or not one.get("fired_at"):
            self._lines = [line for line in self._lines if line.id != id]
            return
        new = _line(one)
        last = next((line for line in reversed(self._lines) if line.id == id), None)
        if last is None or last.what != new.what:
            if last is not None:
                last.until = new.at
            self._lines = [*self._lines, new][-MAX_LINES:]

    def shown(self) -> list[AlertLine]:
        """Those that are open first, the newest first of each."""
        lines = sorted(self._lines, key=lambda line: line.at, reverse=True)
        return sorted(lines, key=lambda line: not line.open)

    def severity(self, metric: str) -> Severity | None:
        """How severe the open alert on a metric is; None without one."""
        return next((line.severity for line in self.shown() if line.open and line.metric == metric), None)


def told(metric: str, value: float | None) -> str:
    """A metric's value with its unit, for a person."""
    if value is None:
        return "-"
    known = by_name(metric)
    unit = "ratio" if metric == INVALID_RATIO else known.unit if known is not None else ""
    if unit == "ratio":
        return f"{value:.1%}"
    number = f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"
    return f"{number} ms" if unit == "ms" else number


def _line(one: Mapping[str, Any]) -> AlertLine:
    state, severity, metric = one["state"], one["severity"], str(one["metric"])
    what: What = "resolved" if state == "resolved" else severity
    if state == "acknowledged":
        what = "looked after"
    of = ", ".join(f"{name} {value}" for name, value in (one.get("dimensions") or {}).items())
    expected = one.get("expected")
    limit = told(metric, one.get("threshold"))
    if expected is not None:
        limit = f"{told(metric, expected['low'])} to {told(metric, expected['high'])}"
    return AlertLine(
        id=one["id"],
        sequence=one["sequence"],
        what=what,
        severity=severity,
        metric=metric,
        about=f"{metric} ({of})" if of else metric,
        value=told(metric, one.get("value")),
        limit=limit,
        fired_at=_moment(one["fired_at"]),
        at=_moment(one["at"]),
    )


def _moment(at: int | str) -> datetime:
    """Of the feed, epoch ms; of the API, ISO 8601."""
    return datetime.fromisoformat(at) if isinstance(at, str) else datetime.fromtimestamp(at / 1000, UTC)
