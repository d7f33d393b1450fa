"""What the models of now say of users; where there is none, the target's heuristic."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.model import Model, SessionModel
from loopin_streams.learning.models import Models, Of
from loopin_streams.learning.pins import NO_PINS, Pins
from loopin_streams.learning.scoring import Ready, logit, ready, sigmoid
from loopin_streams.learning.targets import Target

REASONS: Final = 3

_DIGITS: Final = 4
_NONE: Final = Models()


class Said(NamedTuple):
    """Of each user: probability and strongest reasons; and by which version, 0 for the heuristic."""

    chances: list[float]
    version: int
    reasons: list[tuple[int, ...]]


class Answers:
    """What the models of now say; ``models`` gives all that there are, ``pins`` those that people want."""

    def __init__(self, models: Callable[[], Models] = lambda: _NONE, pins: Pins = NO_PINS) -> None:
        self._models = models
        self._pins = pins
        self._seen: tuple[object, ...] = ()
        self._answering: dict[Of, Model] = {}
        self._rules: dict[Of, tuple[float, float]] = {}
        self._scorers: dict[Of, tuple[Model, Ready]] = {}

    def of(self, project: str, target: Target, rows: NDArray[np.float64]) -> Said:
        """What is said of users by all their contrasts."""
        self._look()
        model = self._answering.get((project, target.name))
        if model is None:
            slope, intercept = self._rules.get((project, target.name), (1.0, 0.0))
            chances = sigmoid(slope * logit(target.heuristic(rows)) + intercept)
            return Said(_rounded(chances), 0, [()] * len(rows))
        columns = _columns(target)
        scores, moved = self._ready(model).with_effects(rows[:, columns])
        chances = sigmoid(model.slope * scores + model.intercept)
        return Said(_rounded(chances), model.version, _reasons(moved, columns))

    def sessions(self, project: str) -> SessionModel | None:
        """What is known of a project's sessions; None where it is too little."""
        return self._models().sessions(project)

    def _ready(self, model: Model) -> Ready:
        of = model.project, model.target
        held = self._scorers.get(of)
        if held is None or held[0] is not model:
            held = self._scorers[of] = model, ready(model.scorer)
        return held[1]

    def _look(self) -> None:
        """Take in what has changed."""
        models = self._models()
        # Before what they count: what changes meanwhile is taken in the next time.
        seen = models, models.changes, *self._pins.state()
        if seen != self._seen:
            self._seen = seen
            self._answering = models.answering(self._pins.of_all())
            self._rules = {of: standing.rule for of, standing in list(models.standings.items())}


def _rounded(chances: NDArray[np.float64]) -> list[float]:
    found: list[float] = np.round(chances, _DIGITS).tolist()
    return found


@cache
def _columns(target: Target) -> NDArray[np.intp]:
    return np.array(list(target.columns()))


def _reasons(moved: NDArray[np.float64], columns: NDArray[np.intp]) -> list[tuple[int, ...]]:
    """Numbers of the contrasts that moved each score most: less one and negative where they lowered it."""
    most = min(REASONS, moved.shape[1])
    strongest = np.argpartition(-np.abs(moved), most - 1, axis=1)[:, :most]
    of_strongest = np.take_along_axis(moved, strongest, axis=1)
    order = np.argsort(-np.abs(of_strongest), axis=1, kind="stable")
    strongest = np.take_along_axis(strongest, order, axis=1)
    lowered = np.take_along_axis(of_strongest, order, axis=1) < 0
    numbers = columns[strongest]
    return [tuple(row) for row in np.where(lowered, -numbers - 1, numbers).tolist()]
