"""What the models say of sessions as they were with single events, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.anomaly import OddFeature
from loopin_schemas.model import SessionModel
from loopin_streams.anomalies.features import NAMES, number_of, rows_of
from loopin_streams.anomalies.tails import oddness, surprises
from loopin_streams.learning.answers import Answers

STRONGEST: Final = 3
"""Features that an odd session is told with."""


class Odd(NamedTuple):
    """What a version of the model says of a session that is odd to it."""

    score: float
    threshold: float
    features: tuple[OddFeature, ...]
    detector: str


def judge(
    answers: Answers,
    projects: Sequence[str | None],
    numbers: NDArray[np.float64],
    kept: NDArray[np.uint8],
) -> dict[int, Odd]:
    """Those that are odd among sessions, by their place; none where nothing is known yet.

    Of each session its project is given, None where it is not to be judged, its numbers and their bytes.
    """
    by_project: dict[str, list[int]] = {}
    for place, project in enumerate(projects):
        if project is not None:
            by_project.setdefault(project, []).append(place)
    found: dict[int, Odd] = {}
    for project, places in by_project.items():
        model = answers.sessions(project)
        if model is None:
            continue
        rows = rows_of(kept[places])
        scores = oddness(model, rows)
        for row in np.flatnonzero(scores > model.threshold).tolist():
            features = _strongest(model, rows[row], numbers[places[row]])
            score, threshold = round(float(scores[row]), 3), round(model.threshold, 3)
            found[places[row]] = Odd(score, threshold, features, f"session_tails {model.version}")
    return found


def _strongest(
    model: SessionModel, row: NDArray[np.float64], numbers: NDArray[np.float64]
) -> tuple[OddFeature, ...]:
    """The numbers that it is due to most."""
    squares = surprises(model, row[None, :])[0] ** 2
    whole = float(squares.sum()) or 1.0
    return tuple(
        OddFeature(
            name=NAMES[place],
            value=round(float(numbers[place]), 2),
            usual=round(number_of(model.usual[place]), 2),
            weight=round(float(squares[place]) / whole, 3),
        )
        for place in np.argsort(-squares, kind="stable")[:STRONGEST].tolist()
        if squares[place] > 0
    )
