"""How good probabilities are, by what came."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.model import Quality

BINS: Final = 10
TOP: Final = 0.05

Probabilities = NDArray[np.float64]
Outcomes = NDArray[np.bool_]


def quality(probabilities: Probabilities, outcomes: Outcomes) -> Quality | None:
    """Of predictions in any order; None of none."""
    number = len(outcomes)
    if number == 0:
        return None
    return Quality(
        number=number,
        positives=int(outcomes.sum()),
        auc=auc(probabilities, outcomes),
        log_loss=float(losses(probabilities, outcomes).mean()),
        calibration_error=calibration_error(probabilities, outcomes),
        precision_top=precision_top(probabilities, outcomes),
        accuracy=float(((probabilities > 0.5) == outcomes).mean()),
    )


def auc(scores: Probabilities, outcomes: Outcomes) -> float | None:
    """Share of pairs of one that happened and one that did not in which the former has the greater score.

    Equal scores count half (Mann and Whitney, 1947).
    """
    positives = int(outcomes.sum())
    negatives = len(outcomes) - positives
    if not positives or not negatives:
        return None
    values, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    del values
    middle = np.cumsum(counts) - (counts - 1) / 2
    ranks = middle[places]
    above = float(ranks[outcomes].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)


def losses(probabilities: Probabilities, outcomes: Outcomes) -> NDArray[np.float64]:
    """The log loss of each."""
    given = np.where(outcomes, probabilities, 1 - probabilities)
    found: NDArray[np.float64] = -np.log(np.clip(given, 1e-6, 1.0))
    return found


def precision_top(probabilities: Probabilities, outcomes: Outcomes, share: float = TOP) -> float:
    """Share that happened of the ``share`` with the greatest probabilities, one at least.

    Of equal probabilities of which some are among these, the mean counts, in whatever order they came.
    """
    number = max(1, round(len(outcomes) * share))
    least = np.partition(probabilities, -number)[-number]
    above, tied = probabilities > least, probabilities == least
    happened = outcomes[above].sum() + (number - above.sum()) * outcomes[tied].mean()
    return float(happened / number)


def calibration_error(probabilities: Probabilities, outcomes: Outcomes, bins: int = BINS) -> float:
    """Expected calibration error over bins of equally many (Naeini et al., 2015).

    Equal probabilities are in one bin: that of the one in their middle.
    """
    number = len(outcomes)
    _, values, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    sizes = [len(part) for part in np.array_split(np.arange(number), min(bins, number))]
    bin_of = np.repeat(np.arange(len(sizes)), sizes)[(2 * ends - counts - 1) // 2]
    away = np.bincount(bin_of[values], weights=probabilities - outcomes)
    return float(np.abs(away).sum()) / number


def calibrated(
    scores: NDArray[np.float64], outcomes: Outcomes, *, weight: float = 10.0
) -> tuple[float, float]:
    """Slope and intercept that make log odds right (Platt, 1999).

    They are drawn to 1 and 0 as by ``weight`` examples.
    """
    found = _fitted(scores, outcomes, weight)
    if found[0] < 0:
        # Scores that speak for the opposite say nothing: what is left is the share of all.
        return 0.0, float(_fitted(np.zeros(len(scores)), outcomes, weight)[1])
    return float(found[0]), float(found[1])


def _fitted(scores: NDArray[np.float64], outcomes: Outcomes, weight: float) -> NDArray[np.float64]:
    """Newton's method; a step that does not lower the loss is halved, or skewed scores would drive it off."""
    found = prior = np.array([1.0, 0.0])
    design = np.stack([scores, np.ones(len(scores))], axis=1)
    signs = np.where(outcomes, -1.0, 1.0)

    def loss(at: NDArray[np.float64]) -> float:
        away = at - prior
        return float(np.logaddexp(0, signs * (design @ at)).sum() + weight / 2 * (away @ away))

    now = loss(found)
    for _ in range(100):
        chance = 1 / (1 + np.exp(-np.clip(design @ found, -35, 35)))
        gradient = design.T @ (chance - outcomes) + weight * (found - prior)
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + weight * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        while (then := loss(found - step)) > now and float(np.abs(step).max()) > 1e-9:
            step = step / 2
        if float(np.abs(step).max()) <= 1e-9:
            break
        found, now = found - step, then
    return found
