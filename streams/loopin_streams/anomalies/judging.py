"""What the models say of sessions as they were with single events, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.anomaly import OddFeature
from loopin_schemas.model import SessionModel
from loopin_streams.anomalies.features import NAMES, Snapshot, number_of, numbers_of, packed, rows_of
from loopin_streams.anomalies.finding import Finding
from loopin_streams.anomalies.tails import oddness, surprises
from loopin_streams.learning.answers import Answers

STRONGEST: Final = 3
"""Features that an odd session is told with."""


class Odd(NamedTuple):
    """A session that is odd, and the version of the model that says so."""

    finding: Finding
    detector: str


def judge(answers: Answers, asked: Sequence[tuple[str, Snapshot]]) -> dict[int, Odd]:
    """Those that are odd among sessions of projects, by their place; none where nothing is known yet."""
    by_project: dict[str, list[int]] = {}
    for place, (project, _) in enumerate(asked):
        by_project.setdefault(project, []).append(place)
    found: dict[int, Odd] = {}
    for project, places in by_project.items():
        model = answers.sessions(project)
        if model is None:
            continue
        sessions = [asked[place][1] for place in places]
        numbers = numbers_of(sessions)
        rows = rows_of(packed(numbers))
        scores = oddness(model, rows)
        for row in np.flatnonzero(scores > model.threshold).tolist():
            finding = Finding(
                kind="odd_session",
                since=sessions[row].started,
                score=round(float(scores[row]), 3),
                threshold=round(model.threshold, 3),
                features=_strongest(model, rows[row], numbers[row]),
            )
            found[places[row]] = Odd(finding, f"session_tails {model.version}")
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
