"""Learns what a project's sessions are like: all that it knows comes from the sessions that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from loopin_schemas.example import Example
from loopin_schemas.model import SessionModel
from loopin_streams.anomalies.features import Rows, kept_rows
from loopin_streams.anomalies.tails import fitted

LEAST: Final = 500
"""Sessions before the first version."""

REFIT_MS: Final = 7 * 86_400_000
"""A version is made at least so often, and when the sessions have doubled."""

FITTED: Final = 10_000
"""Newest sessions that a version is made of."""

MOST_ODD: Final = 0.02
"""Sessions in which something was raised are not learned from, unless they are more than this share of all:
then what is usual has changed."""


class SessionLearner:
    """Those of one project; ``learn`` them in the order of the log.

    Versions are counted as they become due, and made when they are asked for: the newest one says all.
    """

    def __init__(self, project: str, *, version: int = 0, learned: int = 0) -> None:
        """``version`` is that of the newest model there was before, ``learned`` how many sessions it knew."""
        self.project = project
        self.version = version
        self._before = learned
        self._kept: list[Example] = []
        self._now = self._made_at = self._made_of = 0
        self._due_at: tuple[int, int] | None = None
        self._made: SessionModel | None = None

    @property
    def learned(self) -> int:
        """How many it has had, those before it began anew among them."""
        return self._before + len(self._kept)

    def learn(self, examples: Sequence[Example]) -> None:
        """Take in finished sessions."""
        for example in examples:
            self._kept.append(example)
            self._now = max(self._now, example.known_at)
            if self._is_due():
                self.version += 1
                self._made_at, self._made_of = self._now, len(self._kept)
                self._due_at, self._made = (self._now, len(self._kept)), None

    def model(self) -> SessionModel | None:
        """The newest version; None before the first."""
        if self._due_at is None:
            return None
        if self._made is None:
            made_at, known = self._due_at
            rows = _ordinary(self._kept[max(0, known - FITTED) : known])
            self._made = fitted(self.project, self.version, rows, made_at, self._before + known)
        return self._made

    def _is_due(self) -> bool:
        known = len(self._kept)
        if not self._made_of:
            return known >= LEAST
        return known >= 2 * self._made_of or self._now - self._made_at >= REFIT_MS


def _ordinary(examples: Sequence[Example]) -> Rows:
    """Sessions in which nothing was raised; all, where that was so in too many."""
    ordinary = [example.features for example in examples if not example.outcome]
    if len(ordinary) < (1 - MOST_ODD) * len(examples):
        ordinary = [example.features for example in examples]
    return kept_rows(ordinary)
