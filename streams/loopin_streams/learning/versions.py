"""Versions of a learner's candidates, and what their predictions were worth."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.model import Quality, Scorer
from loopin_streams.learning.quality import losses, quality
from loopin_streams.learning.scoring import log_odds, sigmoid
from loopin_streams.learning.targets import LEAST_EXAMPLES

JUDGED: Final = 2_000
"""Newest predictions that tell how good a candidate is."""

CLEARLY: Final = 1.0
"""Standard errors by which a challenger's loss must be less than the champion's."""

SURELY: Final = 3.0
"""Standard errors by which the version before must be better to answer again: it is looked at many times."""


@dataclass(frozen=True)
class Version:
    """The candidates at one time: their scorers, and the slope and intercept that calibrate each.

    ``examples`` had been learned by then, ``positives`` are those that happened among the ones kept.
    """

    number: int
    made_at: int
    examples: int
    positives: int
    scorers: dict[str, Scorer]
    calibration: dict[str, tuple[float, float]]

    def scored(
        self, method: str, rows: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Log odds, and probabilities, of what a candidate sees of users."""
        scores = log_odds(self.scorers[method], rows)
        slope, intercept = self.calibration[method]
        return scores, sigmoid(slope * scores + intercept)


@dataclass
class Record:
    """What a candidate's predictions were worth: log odds as they came, and what happened."""

    scores: deque[float] = field(default_factory=lambda: deque(maxlen=JUDGED))
    chances: deque[float] = field(default_factory=lambda: deque(maxlen=JUDGED))
    outcomes: deque[bool] = field(default_factory=lambda: deque(maxlen=JUDGED))

    def add(self, scores: Sequence[float], chances: Sequence[float], outcomes: Sequence[bool]) -> None:
        """Note some predictions."""
        self.scores.extend(scores)
        self.chances.extend(chances)
        self.outcomes.extend(outcomes)

    def quality(self) -> Quality | None:
        """How good they were."""
        return quality(np.array(self.chances), np.array(self.outcomes, np.bool_))


@dataclass
class Trial:
    """The newest version against ``version`` with its candidate ``method``, which answered before it."""

    version: Version
    method: str
    earlier: Record = field(default_factory=Record)
    newest: Record = field(default_factory=Record)

    def lost(self) -> bool:
        """Whether the newest version turned out worse."""
        return better(self.earlier, self.newest, SURELY)


def better(one: Record, other: Record, errors: float = CLEARLY) -> bool:
    """Whether one's losses on the same predictions are less than the other's, by so many standard errors."""
    outcomes = np.array(one.outcomes, np.bool_)
    if len(outcomes) < LEAST_EXAMPLES:
        return False
    gained = losses(np.array(other.chances), outcomes) - losses(np.array(one.chances), outcomes)
    error = float(gained.std()) / len(gained) ** 0.5
    return bool(gained.mean() > errors * error)
