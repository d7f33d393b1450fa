"""What a rule or the model says, before it is told."""

from __future__ import annotations

from typing import NamedTuple

from loopin_schemas.anomaly import AnomalyKind, OddFeature


class Finding(NamedTuple):
    """An anomaly of a user; ``since`` is when it began, epoch ms."""

    kind: AnomalyKind
    since: int
    score: float
    threshold: float
    features: tuple[OddFeature, ...]


NOTHING: tuple[Finding, ...] = ()
