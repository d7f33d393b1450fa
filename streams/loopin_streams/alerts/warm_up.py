"""The first weeks of a series: kept as they are until they are enough for a fit."""

from __future__ import annotations

from datetime import tzinfo
from statistics import fmean, median

from loopin_streams.alerts.first_fit import fit_weeks
from loopin_streams.alerts.robust import spread
from loopin_streams.alerts.seasonal_state import SeasonalState, short
from loopin_streams.alerts.slots import PACES, Pace
from loopin_streams.windows.grains import HOUR_MS


class WarmUp:
    """Takes the periods of a state that has no slots yet, in order, until it has."""

    __slots__ = ("_pace", "_state", "_zone")

    def __init__(self, state: SeasonalState, zone: tzinfo) -> None:
        self._state = state
        self._pace: Pace = PACES[state.grain]
        self._zone = zone

    def take(self, start_ms: int, y: float) -> bool:
        """Take a period in; False if the warm-up was over without it, and it is still to be learned.

        A gap that leaves too little to fit makes the warm-up longer, by whole weeks.
        """
        state, pace = self._state, self._pace
        if not state.early and not state.minutes:
            state.begun = start_ms - start_ms % HOUR_MS if pace.hours > 1 else start_ms
        at = self._entry(start_ms)
        if at > len(state.early):
            self._close_entry()
        while at >= pace.weeks * pace.slots:
            if self._fit():
                return False
            state.early = state.early[pace.slots :]
            state.begun += pace.slots * pace.entry_ms
            at -= pace.slots
        state.early.extend([None] * (at - len(state.early)))
        state.minutes.append(y)
        if pace.entry_ms == pace.period_ms:
            self._close_entry()
            self._fit()
        return True

    def _entry(self, start_ms: int) -> int:
        """Number of the entry that the period is in; a day of 23 hours is one, too."""
        slack = 0 if self._pace.hours > 1 else 2 * HOUR_MS
        return (start_ms - self._state.begun + slack) // self._pace.entry_ms

    def _close_entry(self) -> None:
        """End the entry that is being filled; of minutes, the mean of their variances is kept by hour."""
        state, hours = self._state, self._pace.hours
        if not state.minutes:
            return
        at = len(state.early)
        if not state.variances:
            state.variances = [0.0] * hours
        hour = self._slot(at) % hours
        state.variances[hour] += (spread(state.minutes) ** 2 - state.variances[hour]) / (1 + at // hours)
        state.early.append(short(median(state.minutes)))
        state.minutes = []

    def _fit(self) -> bool:
        """End the warm-up if it has seen enough."""
        state, pace = self._state, self._pace
        if not (self._whole() or self._constant()):
            return False
        early = [None if y is None else (self._slot(at), y) for at, y in enumerate(state.early)]
        centers, variances = fit_weeks(early, pace.hours, pace.weeks, factors=state.kind == "count")
        state.variances = [a + b for a, b in zip(variances, state.variances, strict=True)]
        state.level = fmean(centers)
        if state.kind == "count":
            state.slots = [short(center / state.level) if state.level else 1.0 for center in centers]
        else:
            state.slots = [short(center - state.level) for center in centers]
        state.early = []
        return True

    def _whole(self) -> bool:
        """Whether the weeks are over and half of the slots can be compared from one to the next."""
        early, pace = self._state.early, self._pace
        if len(early) < pace.weeks * pace.slots:
            return False
        after = zip(early, early[pace.slots :], strict=False)
        return 2 * sum(a is not None and b is not None for a, b in after) >= (pace.weeks - 1) * pace.slots

    def _constant(self) -> bool:
        """Whether it was the same all the time, for half of the weeks."""
        early = self._state.early
        least = self._pace.weeks * self._pace.slots // 2
        if len(early) < least or len({y for y in early if y is not None}) != 1:
            return False
        return len(early) - early.count(None) >= least

    def _slot(self, at: int) -> int:
        middle = self._state.begun + at * self._pace.entry_ms + self._pace.entry_ms // 2
        return self._pace.slot_at(middle, self._zone)
