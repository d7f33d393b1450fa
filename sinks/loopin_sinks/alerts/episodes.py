"""When a rule would have fired, as what was said of it follows on each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from loopin_schemas.alert import Alert, AlertWindow, Severity
from loopin_streams.alerts.judgement import Judgement


@dataclass(slots=True, kw_only=True)
class Episode:
    """From firing to its end; times are epoch ms of event time, values in the metric's unit.

    ``severity`` is the worst, ``peak`` the value that went furthest beyond ``threshold``, ``window`` and
    ``windows`` are those that it fired on. ``resolved_at`` is None where it went on to the end of history.
    """

    dimensions: dict[str, str]
    fired_at: int
    severity: Severity
    value: float | None
    threshold: float | None
    window: AlertWindow
    windows: list[str]
    peak: float | None = None
    resolved_at: int | None = None

    def see(self, value: float | None) -> None:
        """Take a value in that the rule says passes its limit."""
        if value is None or self.peak is None:
            self.peak = value if self.peak is None else self.peak
            return
        upwards = self.threshold is None or self.value is None or self.value >= self.threshold
        self.peak = max(self.peak, value) if upwards else min(self.peak, value)


@dataclass(slots=True)
class Episodes:
    """Those of one rule, in order."""

    found: list[Episode] = field(default_factory=list)
    _open: dict[str, Episode] = field(default_factory=dict)

    def take(self, value: str, judgement: Judgement, alerts: Iterable[Alert], at_ms: int) -> None:
        """What was judged of one value of the rule's dimension at a moment, and the records it brought."""
        for alert in alerts:
            self._record(value, alert, at_ms)
        if value in self._open and judgement.verdict.severity is not None:
            self._open[value].see(judgement.value)

    def _record(self, value: str, alert: Alert, at_ms: int) -> None:
        if alert.event == "fired":
            episode = self._open[value] = Episode(
                dimensions=alert.dimensions,
                fired_at=at_ms,
                severity=alert.severity,
                value=alert.value,
                threshold=alert.threshold,
                window=alert.window,
                windows=alert.windows,
            )
            self.found.append(episode)
        elif value in self._open:
            if alert.event == "worse":
                self._open[value].severity = "critical"
            elif alert.event == "resolved":
                self._open.pop(value).resolved_at = at_ms
