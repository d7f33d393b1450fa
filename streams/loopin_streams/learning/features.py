"""What models read of a user: a byte for each number that is kept, and the contrasts that are made of them.

Each count of ``KINDS`` is kept as a rate a day over each of the half-lives, as far as the user has been
there, and as a logarithm. Models see contrasts of these: how often somebody comes, whether that rises or
falls (the rate over a short half-life against that over the next longer one), how much is done in a visit.
A byte each, in equal steps, is what waiting predictions keep; models learn from the bytes that they score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.behaviour import HALF_LIVES, KINDS, Behaviour
from loopin_streams.behaviour.counts import SHAPE
from loopin_streams.behaviour.rates import faded

Rows = NDArray[np.float64]
"""Contrasts as numbers: a row for each user."""

FIRST: Final = ("days_away", "visits_missed", "tenure")
"""Kept before the rates: days since the last event, sessions that the user's usual rate lets expect since
then, days since the first event."""

KEPT: Final = len(FIRST) + SHAPE[0] * SHAPE[1]
"""Bytes of one user."""

NEVER: Final = 0.03
"""Added to each rate before its logarithm: one in a month or so is as good as none."""

_LEAST, _STEP = -4.0, 12 / 255
"""Logarithms from -4 to 8 are what 256 steps are for: rates of up to 3,000 a day."""

_BY_VISIT: Final = ("events", "views", "content", "social")
"""What is done often enough for a number by visit to say something."""

_RARE: Final = ("joins", "purchases", "attended", "parting", "positive", "negative")


class Contrast(NamedTuple):
    """A number that models see: kept numbers times weights.

    ``about`` is what a person is told of it: what it measures, as it stands after "Raised by".
    """

    name: str
    about: str
    weights: dict[int, float]


def features_of(behaviours: Sequence[Behaviour], at: Sequence[int]) -> NDArray[np.uint8]:
    """The bytes of each at epoch ms ``at`` or, if that was later, at its newest event; (users, ``KEPT``)."""
    _, rates, away, tenure = faded(behaviours, at)
    first = np.stack([away, away * rates[:, KINDS.index("sessions"), -1], tenure], axis=1)
    logs = np.concatenate([np.log1p(first), np.log(rates + NEVER).reshape(len(rates), -1)], axis=1)
    return packed(logs)


def packed(logs: NDArray[Any]) -> NDArray[np.uint8]:
    """The bytes of numbers from -4 to 8; what is beyond, or no number, is the nearest end."""
    known = np.nan_to_num((logs - _LEAST) / _STEP, nan=0.0, posinf=255.0, neginf=0.0)
    return np.clip(np.rint(known), 0, 255).astype(np.uint8)


def contrasts(kept: NDArray[np.uint8]) -> Rows:
    """What models see of bytes; (users, contrasts)."""
    seen: Rows = (kept.astype(np.float64) * _STEP + _LEAST) @ _WEIGHTS
    return seen


def rows_of(kept: Sequence[bytes]) -> NDArray[np.uint8]:
    """Bytes that were kept one by one, as rows."""
    return np.frombuffer(b"".join(kept), np.uint8).reshape(len(kept), KEPT)


def _place(kind: str, half_life: int) -> int:
    return len(FIRST) + KINDS.index(kind) * len(HALF_LIVES) + half_life


def _level(kind: str) -> dict[int, float]:
    return {_place(kind, len(HALF_LIVES) - 1): 1.0}


def _step(kind: str, half_life: int) -> dict[int, float]:
    return {_place(kind, half_life): 1.0, _place(kind, half_life + 1): -1.0}


def _less(one: dict[int, float], other: dict[int, float]) -> dict[int, float]:
    return {at: one.get(at, 0.0) - other.get(at, 0.0) for at in {**one, **other}}


def _made() -> list[Contrast]:
    steps = range(len(HALF_LIVES) - 1)
    made = [
        Contrast("days_away", "days since the last visit", {0: 1.0}),
        Contrast("visits_missed", "visits missed, by the user's own pace", {1: 1.0}),
        Contrast("tenure", "time since the first visit", {2: 1.0}),
        Contrast("sessions", "how often the user comes", _level("sessions")),
        *(Contrast(f"sessions_{n}", f"visits {_COMPARED[n]}", _step("sessions", n)) for n in steps),
    ]
    for kind in _BY_VISIT:
        in_words = _IN_WORDS[kind]
        about = f"{in_words} per visit"
        made.append(Contrast(f"{kind}_a_visit", about, _less(_level(kind), _level("sessions"))))
        made += [
            Contrast(
                f"{kind}_a_visit_{n}", f"{about} {_COMPARED[n]}", _less(_step(kind, n), _step("sessions", n))
            )
            for n in steps
        ]
        made += [Contrast(f"{kind}_{n}", f"{in_words} {_COMPARED[n]}", _step(kind, n)) for n in steps]
    made += [Contrast(kind, _IN_WORDS[kind], _level(kind)) for kind in _RARE]
    made += [
        Contrast("mood", "how friendly the user's words are", _less(_level("positive"), _level("negative"))),
        Contrast(
            "mood_lately",
            "how friendly the user's latest words are",
            {_place("positive", 1): 1.0, _place("negative", 1): -1.0},
        ),
        Contrast(
            "kept_joins",
            "share of joined platform events attended",
            _less(_level("attended"), _level("joins")),
        ),
    ]
    return made


_COMPARED: Final = (
    "in the last days, compared with the weeks before",
    "in the last weeks, compared with the month before",
)
"""Of a rate over one half-life against that over the next longer one."""

_IN_WORDS: Final = {
    "events": "actions",
    "views": "platform events looked at",
    "content": "likes, comments, shares and clicks",
    "social": "messages, follows and community activity",
    "joins": "platform events joined",
    "purchases": "tickets bought",
    "attended": "platform events attended",
    "parting": "leaving, unfollowing and failed payments",
    "positive": "friendly words",
    "negative": "unfriendly words",
}

CONTRASTS: Final[tuple[Contrast, ...]] = tuple(_made())
"""What models see, in order."""

CONTRAST_NAMES: Final = tuple(contrast.name for contrast in CONTRASTS)


def _matrix() -> NDArray[np.float64]:
    matrix = np.zeros((KEPT, len(CONTRASTS)))
    for column, contrast in enumerate(CONTRASTS):
        for row, weight in contrast.weights.items():
            matrix[row, column] = weight
    return matrix


_WEIGHTS: Final = _matrix()
