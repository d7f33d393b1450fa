"""Forecasts of a world's days, by rolling origin, against the last week once more."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

import numpy as np
from river import datasets
from statsmodels.datasets import co2, elnino, sunspots

from loopin_sinks.forecasts.defaults import HORIZON, LEAST_POINTS
from loopin_sinks.forecasts.forecast import forecast
from loopin_sinks.forecasts.series import Bounds, Series, Values
from tests.evaluate.part import Event, Figure, Section, Table, Truth

DAY_MS: Final = 86_400_000

SHORTER: Final = 14
"""Days ahead where a world is too short for ``HORIZON``."""

SYSTEM: Final = frozenset({"api_request", "system_metric", "error_logged"})

COUNTED: Final[Mapping[str, str]] = {
    "new_registrations": "user_signed_up",
    "page_views": "$pageview",
    "content_views": "content_viewed",
    "searches": "search_performed",
    "platform_events_created": "event_created",
    "event_joined": "event_joined",
    "ticket_purchased": "ticket_purchased",
    "payment_failed": "payment_failed",
    "payment_refunded": "payment_refunded",
    "message_sent": "message_sent",
    "event_reviewed": "event_reviewed",
}
"""Events that are counted, by the name of the series."""

ASKED: Final = ("dau", "revenue", "new_registrations")


class Fold(NamedTuple):
    """One forecast against what came: mean absolute errors, and shares within the intervals.

    ``usual_error`` is that of the days on which nothing was planted; NaN where there are none.
    """

    error: float
    usual_error: float
    naive: float
    scale: float
    within_80: float
    within_95: float
    model: str


class ForecastsInWorld:
    """Counts a world's days by plain code, and forecasts them."""

    def __init__(self) -> None:
        self._users: dict[int, set[str]] = defaultdict(set)
        self._days: dict[str, Counter[int]] = defaultdict(Counter)
        self._revenue: Counter[int] = Counter()

    def see(self, event: Event) -> None:
        """Count it."""
        day, name = event["timestamp"] // DAY_MS, event["event"]
        if name not in SYSTEM:
            self._users[day].add(event["distinct_id"])
        self._days[name][day] += 1
        if name in ("ticket_purchased", "payment_refunded"):
            amount = event["properties"]["amount"]
            self._revenue[day] += amount if name == "ticket_purchased" else -amount

    def section(self, truth: Truth) -> Section:
        """Errors and coverage, over all series and of those that are asked for most."""
        days = range(truth.start_ms // DAY_MS, truth.end_ms // DAY_MS)
        horizon = HORIZON if len(days) >= LEAST_POINTS + HORIZON else SHORTER
        first = date.fromordinal(date(1970, 1, 1).toordinal() + days[0])
        origins = range(LEAST_POINTS, len(days) - horizon + 1, 2 if horizon == SHORTER else 7)
        planted = np.zeros(len(days))
        for one in truth.anomalies:
            planted[one["start"] // DAY_MS - days[0] : one["end"] // DAY_MS - days[0] + 1] = 1
        folds = {
            name: [
                fold(
                    Series(first, values[:origin]),
                    values[origin : origin + horizon],
                    bounds,
                    planted[origin : origin + horizon],
                )
                for origin in origins
            ]
            for name, values, bounds in self._series(days)
        }
        return Section(
            title="Forecasts",
            simulated=True,
            intro=f"{len(folds)} series of days (daily users, revenue, registrations and other numbers of "
            f"events, counted by plain code), each forecast {horizon} days ahead at {len(origins)} origins "
            f"from its {LEAST_POINTS}th day on by what was known then, and compared with what came. "
            "Seasonal-naive is the last week once more. MASE is the mean absolute error by that of "
            "seasonal-naive within the days before the origin (R. J. Hyndman and A. B. Koehler, 2006), a "
            "mean over series; surges and other planted anomalies, which nobody can foresee, are in what "
            "came.",
            figures=tuple(_figures(folds)),
            tables=(_table(folds, "Of the first world, by series:"),),
        )

    def _series(self, days: range) -> Iterator[tuple[str, Values, Bounds]]:
        def counted(of: Callable[[int], float]) -> Values:
            return np.array([of(day) for day in days], dtype=np.float64)

        yield "dau", counted(lambda day: len(self._users[day])), Bounds(0)
        yield "revenue", counted(lambda day: self._revenue[day]), Bounds()
        for name, event in COUNTED.items():
            yield name, counted(self._days[event].__getitem__), Bounds(0)


class ForecastsOfRealSeries:
    """Forecasts of what was measured, of series that come with the libraries."""

    def section(self) -> Section:
        """Errors and coverage of each."""
        folds = {
            name: [
                fold(Series(date(2017, 1, 23), values[:origin]), values[origin : origin + HORIZON], Bounds())
                for origin in np.linspace(
                    max(LEAST_POINTS, len(values) // 3), len(values) - HORIZON, 12, dtype=int
                )
            ]
            for name, values in _real()
        }
        return Section(
            title="Forecasts of real series",
            simulated=False,
            intro="Approval of a president by day (1,001 days, one pollster's; river's `TrumpApproval`), "
            "and series of statsmodels whose steps are no days: CO2 at Mauna Loa by week, the sea's "
            "temperature by month (El Nino), sunspots by year. These have no weekday, so they say how models "
            "and intervals do where nothing is as they expect it. Each is forecast "
            f"{HORIZON} steps ahead at 12 origins over its last two thirds; seasonal-naive is the last seven "
            "steps once more. We know of no published figures of this very task.",
            figures=tuple(_figures(folds, asked=(), targets=False)),
            tables=(_table(folds, ""),),
        )


def _real() -> Iterator[tuple[str, Values]]:
    yield "approval", np.array([x["gallup"] for x, _ in datasets.TrumpApproval()], dtype=np.float64)
    yield "CO2", co2.load_pandas().data["co2"].to_numpy(dtype=np.float64)
    by_year = elnino.load_pandas().data.drop(columns="YEAR")
    yield "El Nino", by_year.to_numpy(dtype=np.float64).ravel()
    yield "sunspots", sunspots.load_pandas().data["SUNACTIVITY"].to_numpy(dtype=np.float64)


def fold(known: Series, came: Values, bounds: Bounds, planted: Values | None = None) -> Fold:
    """Forecast what came by what was known; gaps count for nothing. ``planted`` is 1 on days that are odd."""
    found = forecast(known, len(came), bounds)
    before, there = known.values, np.isfinite(came)
    usual = there if planted is None else there & (planted == 0)
    errors = np.abs(came - found.values)

    def within(level: int) -> float:
        return float(np.mean(((came >= found.low[level]) & (came <= found.high[level]))[there]))

    return Fold(
        error=float(np.nanmean(errors)),
        usual_error=float(errors[usual].mean()) if usual.any() else float("nan"),
        naive=float(np.nanmean(np.abs(came - np.resize(before[-7:], len(came))))),
        scale=float(np.nanmean(np.abs(before[7:] - before[:-7]))),
        within_80=within(0),
        within_95=within(1),
        model=found.model,
    )


def _mase(folds: Sequence[Fold]) -> float:
    return float(np.mean([each.error / each.scale for each in folds]))


def _usual_mase(folds: Sequence[Fold]) -> float:
    return float(np.nanmean([each.usual_error / each.scale for each in folds]))


def _naive_mase(folds: Sequence[Fold]) -> float:
    return float(np.mean([each.naive / each.scale for each in folds]))


def _ratio(folds: Sequence[Fold]) -> float:
    return sum(each.error for each in folds) / sum(each.naive for each in folds)


def _share(folds: Sequence[Fold], level: str) -> float:
    return float(np.mean([getattr(each, level) for each in folds]))


def _figures(
    folds: Mapping[str, Sequence[Fold]], asked: Sequence[str] = ASKED, targets: bool = True
) -> Iterator[Figure]:
    def over(of: Callable[..., float], *how: Any) -> float | None:
        return float(np.mean([of(each, *how) for each in folds.values()])) if all(folds.values()) else None

    def judged(value: float | None, least: float, most: float) -> bool | None:
        return least <= value <= most if targets and value is not None else None

    error, within = over(_mase), over(_share, "within_80")
    yield Figure("MASE", error, "< 0.9" if targets else "", judged(error, 0, np.nextafter(0.9, 0)))
    if targets:
        yield Figure("MASE, days without a planted anomaly", over(_usual_mase))
    yield Figure("MASE of seasonal-naive", over(_naive_mase))
    yield Figure("mean absolute error / that of seasonal-naive", over(_ratio))
    yield Figure(
        "share within the 80 % interval",
        within,
        "0.75-0.85" if targets else "",
        judged(within, 0.75, 0.85),
    )
    yield Figure("share within the 95 % interval", over(_share, "within_95"))
    for name in asked:
        yield Figure(f"{name}: MASE", _mase(folds[name]) if folds[name] else None)
        yield Figure(f"{name}: MASE, such days", _usual_mase(folds[name]) if folds[name] else None)
        yield Figure(f"{name}: / seasonal-naive", _ratio(folds[name]) if folds[name] else None)


def _table(folds: Mapping[str, Sequence[Fold]], caption: str) -> Table:
    return Table(
        ("series", "MASE", "seasonal-naive", "ratio", "within 80 %", "within 95 %", "models"),
        tuple(
            (
                name,
                f"{_mase(of):.2f}",
                f"{_naive_mase(of):.2f}",
                f"{_ratio(of):.2f}",
                f"{_share(of, 'within_80'):.2f}",
                f"{_share(of, 'within_95'):.2f}",
                ", ".join(sorted({each.model for each in of})),
            )
            for name, of in folds.items()
            if of
        ),
        caption,
    )
