"""How many of a project's records may be refused for one reason, as the settings have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class InvalidRatioLimits:
    """Shares (0-1) of a project's records from which on it is an alert that they are refused for one reason.

    ``by_project`` replaces ``share`` under ``"project"`` or, before that, ``"project/reason"``; 1: never.
    """

    share: float = 0.05
    by_project: Mapping[str, float] = field(default_factory=dict)

    def of(self, project: str, reason: str) -> float | None:
        """The limit for one project and reason; None for none."""
        limit = self.share
        for name in (f"{project}/{reason}", project):
            if name in self.by_project:
                limit = self.by_project[name]
                break
        return limit if limit < 1 else None
