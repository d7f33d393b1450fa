"""Estimators that a few wild values hardly move.

Sources: P. J. Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35
(1964); F. R. Hampel, "The Influence Curve and Its Role in Robust Estimation", JASA 69 (1974), for the MAD.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean, median
from typing import Final

LOCATION_CLIP: Final = 2.0
"""Standard deviations from which on an error teaches no more where the middle is (Huber's k)."""

SCALE_CLIP: Final = 3.0
"""The same for how wide the noise is. Higher, so that up to a tenth of wild values still count as noise."""

CLIPPED_VARIANCE: Final = 0.99501
"""Mean of ``min(z^2, SCALE_CLIP^2)`` of a standard normal z, by which a clipped variance is too small."""

MAD_TO_SD: Final = 1.4826
"""Standard deviation of normal values whose median absolute deviation is 1."""

Q90_TO_SD: Final = 1 / 1.6449
"""Standard deviation of normal values of which nine in ten lie within 1 of the middle."""


def clipped(error: float, sd: float) -> float:
    """Huber's psi: the error, but at most ``LOCATION_CLIP`` standard deviations of it."""
    most = LOCATION_CLIP * sd
    return max(-most, min(most, error))


def spread(values: Sequence[float]) -> float:
    """Robust standard deviation; 0 of no values.

    From the median of the absolute deviations; or from their ninth decile where that says more than twice as
    much: where more than half of the values are the same, the median is 0, however far apart the others are.
    """
    if not values:
        return 0.0
    middle = median(values)
    deviations = sorted(abs(value - middle) for value in values)
    by_median = MAD_TO_SD * median(deviations)
    by_decile = Q90_TO_SD * deviations[9 * (len(deviations) - 1) // 10]
    return by_decile if by_decile > 2 * by_median else by_median


def location(values: Sequence[float]) -> float:
    """Robust mean: one step from the median to Huber's M-estimate, which unlike it is not 0 of rare events.

    Raises:
        StatisticsError: no value.
    """
    middle = median(values)
    sd = spread(values)
    return middle + fmean(clipped(value - middle, sd) for value in values)


def slope(points: Iterable[tuple[float, float]]) -> float | None:
    """The b for which ``sum(|y - b x|)`` over the points (x, y) is least; None where all x are 0.

    Least absolute deviations through the origin: the median of the y/x, weighted by \\|x\\|.
    """
    ratios = sorted((y / x, abs(x)) for x, y in points if x)
    half = sum(weight for _, weight in ratios) / 2
    reached = 0.0
    for ratio, weight in ratios:
        reached += weight
        if reached >= half:
            return ratio
    return None
