"""How far a metric is from what it usually is at this hour of the week, and what range was to be expected.

For the value v of a period in slot i of the week (weekday and hour; of days: weekday):

- ``y = sqrt(v + 3/8) - sqrt(3/8)`` for counts and sums, whose noise grows with their level: the root of a
  Poisson count has the standard deviation 1/2 at any level (F. J. Anscombe, Biometrika 35, 1948); ``y = v``
  for other values.
- Expected: ``m = level * slots[i]`` for counts and sums, ``m = level + slots[i]`` for others, and the
  standard deviation s of the hour of day, smoothed by the hours beside it, at least ``resolution``'s.
- Score: ``z = (y - m) / s``. Noise that is normal makes more than 4 once in 16,000 periods and more than 6
  once in 500 million; for what comes beside it, see the figures. ``WARNING`` and ``CRITICAL`` are these two.
- Learning: level and slot move a share of the error ``e = y - m``, held within 2 s (P. J. Huber, Annals of
  Mathematical Statistics 35, 1964), the variance a share of ``e^2``, held within 9 s^2.

So an outlier moves the level by at most s/12 (of minutes s/30, of days 2s/7), and its slot not at all. What
lasts is learned in two ways: the level moves on with every period; and after a run of outliers to the same
side (24 hours, 48 minutes or 14 days) it is set anew, by least absolute deviations over the run. A slot that
was out of the ordinary to the same side two weeks on end is the usual from then on.

The first weeks (2; of days 4) only warm up; they are fitted at once, see ``first_fit``. Two weeks show each
slot twice, which is the least that tells noise from season; a series that never changed needs half of that,
as it has no noise, and begins anew once it has another level.

Figures of ``python -m tests.streams.alerts.evaluation``: 50 series each of 12 weeks of hours, with a daily
and a weekly season; one hour in 97 is planted, off by 5 sd or, where that is more, by half of its mean.

=======================  ==============  ==============  ==========  =============  =============
Series                   False above 4   False above 6   5 sd found  Half found     Half found
                         in 1,000 hours  in 1,000 hours  above 4     above 4        above 6
=======================  ==============  ==============  ==========  =============  =============
Poisson, mean 200        0.16            0.00            79 %        99 %           67 %
Poisson, mean 20         0.33            0.00            82 %        -              -
Poisson, mean 0.3        0.30            0.00            -           -              -
mean 5000, noise 10 %    0.38            0.00            67 %        86 %           19 %
mean 200, drifting 10 %  0.41            0.02            82 %        98 %           26 %
mean 100, silent nights  0.36            0.01            87 %        100 %          60 %
mean 100, +5 % a week    0.11            0.00            81 %        97 %           73 %
mean 200, gaps           0.21            0.00            78 %        99 %           72 %
ratio 0.2, sd 0.02       0.29            0.02            89 %        99 %           5 %
=======================  ==============  ==============  ==========  =============  =============

Every shift of a level to 0.3, 0.5, 2 or 4 times of it, and of a ratio by 5 sd or more, fired; its alerts
ended after 11 to 29 hours in the middle series, after 46 in the slowest. False alarms later are below 0.1.
"""

from __future__ import annotations

from datetime import UTC, tzinfo
from math import isfinite, sqrt
from statistics import median
from typing import Final, NamedTuple

from loopin_schemas import window
from loopin_streams.alerts.robust import CLIPPED_VARIANCE, SCALE_CLIP, clipped, slope, spread
from loopin_streams.alerts.seasonal_state import VERSION, Kind, SeasonalState, short
from loopin_streams.alerts.slots import PACES
from loopin_streams.alerts.warm_up import WarmUp

__all__ = ["CRITICAL", "RESOLUTION", "WARNING", "Expected", "Kind", "SeasonalModel", "SeasonalState"]

WARNING: Final = 4.0
"""Score, of either sign, of what is worth a look."""

CRITICAL: Final = 6.0
"""Score, of either sign, of what noise does not make."""

OUTLIER: Final = 3.0
"""Score from which on a period counts as out of the ordinary when the model learns."""

CALM: Final = 1.5
"""Score, to the run's side, below which a period is none of a run of outliers."""

CALM_PERIODS: Final = 3
"""So many of them, one after the other, end the run."""

ANSCOMBE: Final = 3 / 8

RESOLUTION: Final[dict[Kind, float]] = {"count": 1.0, "value": 0.005}
"""The least difference that means something, in the metric's unit: one event, half a percentage point."""


class Expected(NamedTuple):
    """What a period's value should be, in the metric's unit: the middle, and the ends of the range."""

    center: float
    low: float
    high: float


class SeasonalModel:
    """Judges and learns the periods of one series in order; ``state`` is all that it knows.

    ``zone`` is the one whose hours and weekdays are the seasons, ``resolution`` the least difference that
    means something. A ``state`` of another version, grain, kind or zone is not used: the model begins anew.
    """

    __slots__ = ("_pace", "_root", "_zone", "resolution", "state")

    def __init__(
        self,
        grain: window.Grain,
        kind: Kind = "count",
        *,
        zone: tzinfo = UTC,
        resolution: float | None = None,
        state: SeasonalState | None = None,
    ) -> None:
        self._pace = PACES[grain]
        self._root = kind == "count"
        self._zone = zone
        self.resolution = RESOLUTION[kind] if resolution is None else resolution
        new = SeasonalState(VERSION, grain, kind, str(zone))
        self.state = state if state is not None and state.model == new.model else new

    def expected(self, start_ms: int, sds: float = WARNING) -> Expected | None:
        """What the period that begins at epoch ms should show; None during the warm-up.

        A value is outside of ``low`` to ``high`` if its score is above ``sds``, of either sign.
        """
        if not self.state.slots:
            return None
        slot = self._slot(start_ms)
        middle = self._center(slot)
        room = sds * self._sd(slot, middle)
        return Expected(self._value(middle), self._value(middle - room), self._value(middle + room))

    def score(self, start_ms: int, value: float) -> float | None:
        """Robust standard deviations that a value is above (below: negative) its center; None in the warm-up.

        Raises:
            ValueError: the value is not finite.
        """
        y = self._root_of(value)
        if not self.state.slots:
            return None
        slot = self._slot(start_ms)
        middle = self._center(slot)
        return (y - middle) / self._sd(slot, middle)

    def learn(self, start_ms: int, value: float, fired: bool = False) -> None:
        """Learn a closed period, ``fired`` if it was part of an alert: then its slot does not move.

        Periods come in order. One that was learned, or is before one that was, is ignored: what is read again
        after a restart changes nothing. One that is left out is not known; where nothing came means 0, say 0.

        Raises:
            ValueError: the value is not finite.
        """
        y = self._root_of(value)
        state = self.state
        if state.last is not None and start_ms <= state.last:
            return
        state.last = start_ms
        if state.slots or not WarmUp(state, self._zone).take(start_ms, y):
            self._follow(self._slot(start_ms), y, fired)

    def _follow(self, slot: int, y: float, fired: bool) -> None:
        state, pace = self.state, self._pace
        middle = self._center(slot)
        sd = self._sd(slot, middle)
        error = y - middle
        outlier = fired or abs(error) > OUTLIER * sd
        state.learned += 1
        hour = slot % pace.hours
        seen = min(error * error, (SCALE_CLIP * sd) ** 2) / CLIPPED_VARIANCE
        state.variances[hour] += pace.variance * (seen - state.variances[hour])
        step = clipped(error, sd)
        before = state.slots[slot]
        state.level += pace.level * step * (2 * before / (1 + before * before) if self._root else 1.0)
        if not outlier:
            self._move_slot(slot, self._slot_gain() * step, sd)
        if pace.entry_ms == pace.period_ms:
            self._follow_odd(slot, y, middle, outlier, sd)
        telling = not self._root or middle > OUTLIER * sd
        self._follow_run(slot, y, error / sd, outlier, telling)

    def _move_slot(self, slot: int, by: float, sd: float) -> None:
        """Move the slot's center; where there is hardly a level, nothing says by which factor."""
        level = self.state.level
        if self._root:
            by *= level / (level * level + sd * sd)
        self.state.slots[slot] = short(self.state.slots[slot] + by)

    def _slot_gain(self) -> float:
        """As of a mean at first (1/3, 1/4 ...), so that the first weeks count alike."""
        pace = self._pace
        of_entry = pace.entry_ms // pace.period_ms
        weeks = pace.weeks + self.state.learned // (pace.slots * of_entry)
        return max(pace.slot, 1 / (1 + weeks) / of_entry)

    def _follow_odd(self, slot: int, y: float, middle: float, outlier: bool, sd: float) -> None:
        """Take what was out of the ordinary twice, to the same side, for the slot's usual."""
        before = self.state.odd.pop(slot, None)
        if not outlier:
            return
        if before is None or (before - middle) * (y - middle) <= 0:
            self.state.odd[slot] = short(y)
        else:
            self._move_slot(slot, min(before - middle, y - middle, key=abs), sd)

    def _follow_run(self, slot: int, y: float, score: float, outlier: bool, telling: bool) -> None:
        """Set the level anew after a run; ``telling`` is a period in which another level would be seen."""
        state, most = self.state, self._pace.run
        side = 1 if score > 0 else -1
        if outlier and (not state.run or side == state.side):
            state.side = side
            state.outliers += 1
            state.calm = 0
        elif not state.run:
            return
        elif telling:
            state.calm = state.calm + 1 if state.side * score < CALM else 0
        state.run.append((slot, short(y)))
        if state.outliers >= most or (len(state.run) >= 2 * most and state.outliers >= most // 2):
            self._set_level()
        elif state.calm >= CALM_PERIODS or len(state.run) >= 2 * most:
            self._end_run()

    def _set_level(self) -> None:
        state = self.state
        if len(set(state.slots)) == 1:
            self._begin_anew()
            return
        if self._root:
            found = slope((state.slots[slot], y) for slot, y in state.run)
            state.level = state.level if found is None else max(0.0, found)
        else:
            state.level = median(y - state.slots[slot] for slot, y in state.run)
        # A series that was dead for weeks, and is back, has forgotten how noisy it is.
        noise = spread([y - self._center(slot) for slot, y in state.run]) ** 2
        state.variances = [max(variance, noise) for variance in state.variances]
        state.odd = {}
        self._end_run()

    def _end_run(self) -> None:
        self.state.run, self.state.side, self.state.outliers, self.state.calm = [], 0, 0, 0

    def _begin_anew(self) -> None:
        """Warm up again: it was the same always, so its seasons and its noise are not known."""
        state = self.state
        state.level, state.slots, state.variances, state.learned = 0.0, [], [], 0
        state.odd = {}
        self._end_run()

    def _slot(self, start_ms: int) -> int:
        """Slot of the period's middle, which is on the day of most of it in any zone."""
        return self._pace.slot_at(start_ms + self._pace.period_ms // 2, self._zone)

    def _center(self, slot: int) -> float:
        state = self.state
        if self._root:
            return max(0.0, state.level * state.slots[slot])
        return state.level + state.slots[slot]

    def _sd(self, slot: int, middle: float) -> float:
        hours = self._pace.hours
        variances = self.state.variances
        hour = slot % hours
        variance = (2 * variances[hour] + variances[hour - 1] + variances[(hour + 1) % hours]) / 4
        return max(sqrt(variance), self._least_sd(middle))

    def _least_sd(self, middle: float) -> float:
        if not self._root:
            return self.resolution
        root = middle + sqrt(ANSCOMBE)
        return sqrt(root * root + self.resolution) - root

    def _root_of(self, value: float) -> float:
        if not isfinite(value):
            raise ValueError(f"A metric's value must be a finite number, not {value}")
        return sqrt(max(0.0, value) + ANSCOMBE) - sqrt(ANSCOMBE) if self._root else float(value)

    def _value(self, y: float) -> float:
        return max(0.0, (max(0.0, y) + sqrt(ANSCOMBE)) ** 2 - ANSCOMBE) if self._root else y
