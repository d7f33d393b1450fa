"""The alert on too many invalid records of a project, by reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from loopin_schemas.alert import Alert
from loopin_streams.merge.merged_windows import MergedWindow
from loopin_streams.windows.grains import HOUR, HOUR_MS, MINUTE
from loopin_streams.windows.operations import REASON, RECEIVED, REJECTED

RULE: Final = "invalid_ratio"

CRITICAL_FROM: Final = 0.5
"""Share of refused records from which the alert is critical."""

LOOKED_AT: Final = (MINUTE, HOUR)
"""Grains of the windows that are judged; of a day, the alert would come when it no longer helps."""


@dataclass(frozen=True, slots=True)
class InvalidRatioLimits:
    """Shares (0-1) of a minute's or an hour's records that may be refused for one reason.

    ``by_project`` replaces ``share`` under ``"project"`` or, before that, ``"project/reason"``. Fewer than
    ``at_least`` refused records never alert; a project with few in a minute has them in an hour. After an
    alert the same project and reason are silent for ``quiet_ms`` of the broker's time, from the start of the
    window that it was about.
    """

    share: float = 0.05
    by_project: Mapping[str, float] = field(default_factory=dict)
    at_least: int = 20
    quiet_ms: int = HOUR_MS

    def of(self, project: str, reason: str) -> float:
        """The limit for one project and reason."""
        for name in (f"{project}/{reason}", project):
            if name in self.by_project:
                return self.by_project[name]
        return self.share


class InvalidRatio:
    """The rule, and when it has raised what; ``raised`` maps (project, reason) to a window's start."""

    def __init__(self, limits: InvalidRatioLimits) -> None:
        self._limits = limits
        self.raised: dict[tuple[str, str], int] = {}

    def look(self, window: MergedWindow, now_ms: int) -> list[Alert]:
        """New alerts of a window that changed."""
        if window.grain not in LOOKED_AT or (REJECTED, "", "") not in window.cells:
            return []
        received = window.count((RECEIVED, "", ""))
        reasons = [
            value for metric, dimension, value in window.cells if (metric, dimension) == (REJECTED, REASON)
        ]
        alerts = []
        for reason in reasons:
            refused = window.count((REJECTED, REASON, reason))
            alert = self._alert(window, reason, refused, received, now_ms)
            if alert is not None:
                self._forget(window.start - self._limits.quiet_ms)
                self.raised[window.project, reason] = window.start
                alerts.append(alert)
        return alerts

    def _forget(self, before_ms: int) -> None:
        """Leave out alerts that silence no more: whoever invents projects would fill the memory."""
        self.raised = {about: start for about, start in self.raised.items() if start > before_ms}

    def _alert(
        self, window: MergedWindow, reason: str, refused: int, received: int, now_ms: int
    ) -> Alert | None:
        project, limit = window.project, self._limits.of(window.project, reason)
        # A cell may arrive before that of all records: then the next second knows more.
        share = refused / received if received >= refused else 0.0
        before = self.raised.get((project, reason))
        quiet = before is not None and window.start - before < self._limits.quiet_ms
        if refused < self._limits.at_least or share <= limit or quiet:
            return None
        # An hour and its first minute begin at the same moment.
        about = "" if window.grain is MINUTE else f":{window.grain.name}"
        within = "a minute" if window.grain is MINUTE else "an hour"
        whose = f"of project {project}" if project else "that name no project"
        option = f" --project {project}" if project else ""
        return Alert(
            id=f"{RULE}:{project}:{reason}:{window.start}{about}",
            rule=RULE,
            project=project,
            severity="critical" if share >= CRITICAL_FROM else "warning",
            message=(
                f"{share:.1%} of the records {whose} were refused as {reason} within {within} (limit "
                f"{limit:.1%}): see `loopin dlq list --reason {reason}{option}`."
            ),
            observed=share,
            threshold=limit,
            labels={"reason": reason},
            window_start=window.start,
            raised_at=now_ms,
        )
