"""What the anomaly score finds, and how often it cries wolf, on series of which the truth is known.

``python -m tests.streams.alerts.evaluation`` prints the figures that :mod:`loopin_streams.alerts.seasonal`
states; the tests hold them with fewer seeds and room.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import NamedTuple

import numpy as np

from loopin_streams.alerts.seasonal import WARNING, Kind, SeasonalModel
from tests.streams.alerts.series import (
    WEEK,
    Numbers,
    Series,
    counts,
    moods,
    plant,
    profile,
    ratios,
    silent_nights,
    with_gaps,
)

HOURS = 12 * WEEK
WARM = 2 * WEEK
SHIFTED = 6 * WEEK + 12
"""The hour at which levels shift: a Monday's noon."""

Make = Callable[[np.random.Generator], Series]

ORDINARY: Mapping[str, Make] = {
    "Poisson, mean 200": lambda rng: plant(counts(rng, 200 * profile(HOURS)), WARM),
    "Poisson, mean 20": lambda rng: plant(counts(rng, 20 * profile(HOURS)), WARM),
    "Poisson, mean 0.3": lambda rng: counts(rng, 0.3 * profile(HOURS)),
    "mean 5000, noise 10 %": lambda rng: plant(counts(rng, 5000 * profile(HOURS), 0.1), WARM),
    "mean 200, drifting 10 %": lambda rng: plant(moods(rng, 200 * profile(HOURS)), WARM),
    "mean 100, silent nights": lambda rng: plant(counts(rng, silent_nights(100 * profile(HOURS))), WARM),
    "mean 100, +5 % a week": lambda rng: plant(
        counts(rng, 100 * profile(HOURS) * 1.05 ** (np.arange(HOURS) / WEEK)), WARM
    ),
    "mean 200, gaps": lambda rng: with_gaps(
        plant(counts(rng, 200 * profile(HOURS)), WARM), rng, range(5 * WEEK, 5 * WEEK + 60)
    ),
    "ratio 0.2, sd 0.02": lambda rng: plant(ratios(rng, HOURS), WARM),
}

SHIFTS: Mapping[str, Make] = {
    "mean 100, x 0.3": lambda rng: _scaled(rng, 0.3),
    "mean 100, x 0.5": lambda rng: _scaled(rng, 0.5),
    "mean 100, x 2": lambda rng: _scaled(rng, 2.0),
    "mean 100, x 4": lambda rng: _scaled(rng, 4.0),
    "silent nights, x 0.3": lambda rng: _scaled(rng, 0.3, silent=True),
    "ratio 0.2, +0.1": lambda rng: _moved(rng, 0.1),
    "ratio 0.2, -0.15": lambda rng: _moved(rng, -0.15),
}


class Found(NamedTuple):
    """False alarms in 1,000 hours at scores 4 and 6, and shares (0-1) of what was planted that were found."""

    false_4: float
    false_6: float
    sds_4: float
    half_4: float
    half_6: float


class Adopted(NamedTuple):
    """How a lasting shift is taken.

    Share (0-1) of shifts that fired; hours until a day without alerts begins, of the middle and the slowest
    series; alerts in 1,000 hours after two days.
    """

    fired: float
    middle: int
    slowest: int
    false_4: float


def scores(series: Series, model: SeasonalModel) -> Numbers:
    """The score of every hour before it is learned; NaN where there is none."""
    found = np.full(len(series.values), np.nan)
    for hour, value in enumerate(series.values):
        if np.isnan(value):
            continue
        score = model.score(series.at(hour), value)
        found[hour] = np.nan if score is None else score
        model.learn(series.at(hour), value, score is not None and abs(score) > WARNING)
    return found


def kind_of(series: Series) -> Kind:
    """What a model is told of the series."""
    return "count" if series.counts else "value"


def find(make: Make, seeds: int) -> Found:
    """Judge series that differ by chance only."""
    ordinary: list[Numbers] = []
    planted: dict[str, list[float]] = {"5 sd": [], "half": []}
    for seed in range(seeds):
        series = make(np.random.default_rng(seed))
        sizes = np.abs(scores(series, SeasonalModel("hour", kind_of(series))))
        for hour, what in series.planted.items():
            planted[what].append(float(sizes[hour]))
        sizes[list(series.planted)] = np.nan
        ordinary.append(sizes[~np.isnan(sizes)])
    size = np.concatenate(ordinary)
    return Found(
        1000 * _share(size, 4),
        1000 * _share(size, 6),
        _share(np.array(planted["5 sd"]), 4),
        _share(np.array(planted["half"]), 4),
        _share(np.array(planted["half"]), 6),
    )


def adopt(make: Make, seeds: int) -> Adopted:
    """Judge series with a lasting shift."""
    lasted: list[int] = []
    later: list[Numbers] = []
    for seed in range(seeds):
        series = make(np.random.default_rng(seed))
        sizes = np.abs(scores(series, SeasonalModel("hour", kind_of(series))))[SHIFTED:]
        lasted.append(
            next(hour for hour in range(len(sizes)) if not np.any(sizes[hour : hour + 24] > WARNING))
        )
        later.append(sizes[48:])
    return Adopted(
        sum(hours > 0 for hours in lasted) / seeds,
        sorted(lasted)[seeds // 2],
        max(lasted),
        1000 * _share(np.concatenate(later), 4),
    )


def _share(sizes: Numbers, above: float) -> float:
    return float((sizes > above).mean()) if len(sizes) else float("nan")


def _scaled(rng: np.random.Generator, factor: float, silent: bool = False) -> Series:
    means = 100 * profile(HOURS)
    means[SHIFTED:] *= factor
    return counts(rng, silent_nights(means) if silent else means)


def _moved(rng: np.random.Generator, by: float) -> Series:
    series = ratios(rng, HOURS)
    series.values[SHIFTED:] += by
    return series


def _speed() -> float:
    """Microseconds to score and learn an hour."""
    series = counts(np.random.default_rng(1), 100 * profile(5 * HOURS))
    model = SeasonalModel("hour")
    began = perf_counter()
    scores(series, model)
    return (perf_counter() - began) / len(series.values) * 1e6


def main(seeds: int = 50) -> None:
    """Print the figures."""
    for name, make in ORDINARY.items():
        print(f"{name:26}", " ".join(f"{figure:7.2f}" for figure in find(make, seeds)))
    for name, make in SHIFTS.items():
        taken = adopt(make, seeds)
        print(f"{name:26} {taken.fired:7.2f} {taken.middle:7} {taken.slowest:7} {taken.false_4:7.2f}")
    print(f"{_speed():.1f} us to score and learn an hour")


if __name__ == "__main__":
    main()
