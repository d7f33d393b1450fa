"""What is predicted of users: one tuple, each target with its features, outcome, horizon and models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from loopin_streams.learning import heuristics
from loopin_streams.learning.features import CONTRAST_NAMES, Rows

LEAST_EXAMPLES: Final = 100
"""Below this many known outcomes a heuristic answers (document 002: min_data_points)."""

LEAST_OF_EACH: Final = 10
"""Outcomes of either kind, before anything is fitted."""

THRESHOLD: Final = 0.75
"""Quality below which a heuristic answers (document 002: model_accuracy_threshold)."""

REFIT_DAYS: Final = 7
"""Candidates are fitted anew at least so often (document 002: model_retraining_interval)."""


@dataclass(frozen=True)
class Target:
    """One thing that is predicted.

    Attributes:
        name: its name on topics and in the API.
        help: what the probability is of.
        horizon_days: after so many days the outcome is known.
        features: names of the contrasts that its models see.
        candidates: names of the models that compete for it.
        heuristic: answers while no model is good enough: probabilities of contrasts, all of them.
        quality: by what it is good enough: area under the ROC curve, or the share of right answers.
        least_tenure_days: users who have been there for less are no examples.
    """

    name: str
    help: str
    horizon_days: int
    features: tuple[str, ...]
    candidates: tuple[str, ...]
    heuristic: Callable[[Rows], NDArray[np.float64]]
    quality: Literal["auc", "accuracy"] = "auc"
    least_tenure_days: float = 0.0

    def columns(self) -> Sequence[int]:
        """Where its features are among all contrasts."""
        return [CONTRAST_NAMES.index(name) for name in self.features]


QUIET_FROM_DAYS: Final = 14
"""Who is not seen in the last 16 of the 30 days after a prediction has left: a holiday is mostly shorter."""

_ALL: Final = tuple(name for name in CONTRAST_NAMES if name != "tenure")

CHURN: Final = Target(
    name="churn",
    help="the user is not seen from the 15th to the 30th day after",
    horizon_days=30,
    # Without the tenure: a new system knows nobody for long, and later everybody.
    features=_ALL,
    candidates=("logistic", "online_logistic", "adaptive_tree", "adaptive_forest", "ensemble"),
    heuristic=heuristics.churn,
    least_tenure_days=7.0,
)
CONVERSION: Final = Target(
    name="conversion",
    help="the user buys a ticket within 14 days",
    horizon_days=14,
    features=CONTRAST_NAMES,
    candidates=("logistic", "online_logistic", "adaptive_tree", "adaptive_forest", "ensemble"),
    heuristic=heuristics.conversion,
    # Few buy: that most predictions are right says little, but so document 002 puts it.
    quality="accuracy",
)
ATTENDANCE: Final = Target(
    name="attendance",
    help="the user comes to the platform event that was joined",
    horizon_days=25,
    features=CONTRAST_NAMES,
    candidates=("logistic", "online_logistic", "adaptive_tree"),
    heuristic=heuristics.attendance,
    # Who comes depends on little that is known; what counts is how many do.
    quality="accuracy",
)
TARGETS: Final = (CHURN, CONVERSION, ATTENDANCE)
"""All of them; a waiting prediction names them by their places."""
