"""The numbers of past windows, as they were at moments of the past, each asked for once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from loopin_schemas.alert_rule import AlertRule
from loopin_sinks.alerts.numbers import Numbers
from loopin_sinks.alerts.subject import Subject
from loopin_sinks.alerts.totals import Total, Totals

Window = tuple[int, int]
"""Start and end, epoch ms."""


class Remembered:
    """Stands in for :class:`Numbers`: of a window that is open at a moment, it tells what was there then."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._known: dict[Window, Totals] = {}

    def subject(self, project: str, rule: AlertRule) -> Subject:
        """What the rule judges. Raises NotJudged."""
        return self._numbers.subject(project, rule)

    def health(self, metric: str) -> Total:
        """Nothing: the pipeline has no history."""
        return Total(0, None)

    async def learn(self, project: str, rule: AlertRule, windows: Collection[Window]) -> None:
        """Ask for windows together, as many at a time as do not overlap.

        Raises:
            NotJudged, StoreError: as :meth:`Numbers.totals`.
        """
        for chain in _chains(windows):
            await self._ask(project, rule, sorted({edge for window in chain for edge in window}))

    async def totals(self, project: str, rule: AlertRule, edges: Sequence[int], now_ms: int) -> list[Totals]:
        """The numbers of windows that follow each other, as they were at ``now_ms``.

        Raises:
            NotJudged, StoreError: as :meth:`Numbers.totals`.
        """
        windows = [(start, min(end, now_ms)) for start, end in pairwise(edges)]
        if any(start < end and (start, end) not in self._known for start, end in windows):
            await self._ask(project, rule, sorted({min(edge, now_ms) for edge in edges}))
        return [self._known.get(window, {}) for window in windows]

    async def _ask(self, project: str, rule: AlertRule, edges: Sequence[int]) -> None:
        found = await self._numbers.totals(project, rule, edges, edges[-1])
        self._known.update(zip(pairwise(edges), found, strict=True))


def _chains(windows: Collection[Window]) -> list[list[Window]]:
    """The windows in as few lists as there are that hold one moment, none of a list before another's end."""
    found: list[list[Window]] = []
    for window in sorted(windows):
        chain = next((each for each in found if each[-1][1] <= window[0]), None)
        if chain is None:
            found.append([window])
        else:
            chain.append(window)
    return found
