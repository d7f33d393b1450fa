"""How odd sessions are, by how far each number lies in the tail of past sessions; many at once.

Beyond its 90 % quantile a number's logarithm is taken to fade exponentially (peaks over a threshold, J.
Pickands, Annals of Statistics 3, 1975, with shape 0): ``s = max(0, x - q90) / scale`` is how many times
the share of past sessions beyond it has fallen by a factor of e. A session's oddness is the root of the
sum of all ``s^2``, so one number far out counts as much as several less far, and each one's share of the
sum is what it is due to.

In the simulated worlds it finds more than half-space trees (river's ``HalfSpaceTrees``) do at as many
false alarms: one number out of sixteen that is far out moves few of their trees. ``make evaluate``
compares the two.
"""

from __future__ import annotations

from math import log
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from loopin_schemas.model import SessionModel
from loopin_streams.anomalies.features import Rows

FROM, TO = 0.9, 0.995
"""Quantiles of a number: where its tail begins, and by which its scale is told."""

LEAST_SCALE: Final = 0.3
"""Of logarithms: where a number hardly varies, as of errors, the first one or two are nothing odd."""

ALARMS: Final = 1 / 10_000
"""Share of ordinary sessions that the threshold lets be called odd."""

_TAIL: Final = (0.9, 0.99)
"""Quantiles that tell how the oddness of sessions fades."""


def surprises(model: SessionModel, rows: Rows) -> NDArray[np.float64]:
    """Of each number of each session, 0 where it is not in the tail."""
    found: NDArray[np.float64] = np.maximum(rows - np.array(model.begins), 0.0) / np.array(model.scales)
    return found


def oddness(model: SessionModel, rows: Rows) -> NDArray[np.float64]:
    """Of each session, from 0 on."""
    found: NDArray[np.float64] = np.sqrt((surprises(model, rows) ** 2).sum(axis=1))
    return found


def fitted(project: str, version: int, rows: Rows, made_at: int, examples: int) -> SessionModel:
    """A version made of sessions; ``made_at`` and ``examples`` as the model has them."""
    begins = np.quantile(rows, FROM, axis=0)
    scales = (np.quantile(rows, TO, axis=0) - begins) / log((1 - FROM) / (1 - TO))
    model = SessionModel(
        project=project,
        version=version,
        begins=_plain(begins),
        scales=_plain(np.maximum(scales, LEAST_SCALE)),
        usual=_plain(np.median(rows, axis=0)),
        threshold=0.0,
        made_at=made_at,
        examples=examples,
    )
    return msgspec.structs.replace(model, threshold=threshold(oddness(model, rows)))


def threshold(scores: NDArray[np.float64]) -> float:
    """What one ordinary session in ``1 / ALARMS`` is beyond, if their oddness fades exponentially.

    Not a quantile so far out itself: a few odd sessions that nobody knows of would decide on it. Where hardly
    any session has a number in its tail, it is what one such number has to reach.
    """
    near, far = np.quantile(scores, _TAIL)
    steps = log((1 - _TAIL[1]) / ALARMS) / log((1 - _TAIL[0]) / (1 - _TAIL[1]))
    return max(float(far + steps * (far - near)), log((1 - FROM) / ALARMS))


def _plain(numbers: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(number) for number in numbers)
