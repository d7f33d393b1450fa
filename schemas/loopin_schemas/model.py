"""A model as it travels: numbers only, so that reading one runs nothing."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from loopin_schemas.names import NAME
from loopin_schemas.validation import check_project


class Linear(msgspec.Struct, frozen=True, tag="linear"):
    """Log odds = ``bias`` + sum of ``weights`` times (feature - ``centre``); the centre is a usual user."""

    bias: float
    weights: tuple[float, ...]
    centre: tuple[float, ...]


class Tree(msgspec.Struct, frozen=True, array_like=True):
    """A decision tree, its nodes by number, the root first.

    A node goes ``left`` where the feature is at most the threshold, else ``right``; a leaf's ``feature`` is
    -1. ``value`` is the share of positive outcomes there, also in nodes within.
    """

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]


class Forest(msgspec.Struct, frozen=True, tag="forest"):
    """Log odds of the trees' mean share, each counting by its weight."""

    trees: tuple[Tree, ...]
    weights: tuple[float, ...]


class Blend(msgspec.Struct, frozen=True, tag="blend"):
    """The mean of several models' log odds."""

    of: tuple[Linear | Forest, ...]


Scorer = Linear | Forest | Blend


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a target's model.

    Attributes:
        project: whose users it is learned from.
        target: name of what it predicts.
        version: counts up for each target of a project.
        method: name of the candidate that it is.
        scorer: gives log odds.
        slope, intercept: calibration, applied to the log odds.
        made_at: time of the newest example it is learned from, epoch ms.
        examples: how many it is learned from.
        positives: how many of these happened.
    """

    project: str
    target: str
    version: int
    method: str
    scorer: Scorer
    slope: float
    intercept: float
    made_at: int
    examples: int
    positives: int


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """Of so many predictions with known outcomes, each made before the model knew of it.

    Attributes:
        number: how many.
        positives: how many of them happened.
        auc: area under the ROC curve; None where all outcomes are alike.
        log_loss: mean of -log of the probability given to what came.
        calibration_error: mean distance of probability and share in ten bins of equal size, weighted.
        precision_top: share that happened among the twentieth with the greatest probabilities.
        accuracy: share of predictions on the right side of one half.
    """

    number: int
    positives: int
    auc: float | None
    log_loss: float
    calibration_error: float
    precision_top: float
    accuracy: float


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How the models of a target stand, and which one answers.

    Attributes:
        project: whose users.
        target: name of what is predicted.
        answers: whether a model answers or, while none is good enough, the target's heuristic.
        champion: name of the candidate that is best; None before the first version.
        version: of its newest model.
        earlier: version that answers in place of the newest, which turned out worse; None where none does.
        degraded: whether what answers is less than what has answered before: an earlier version, or the
            heuristic after a model.
        rule: slope and intercept that calibrate the heuristic's log odds.
        qualities: of all candidates, by name.
        delayed: whether the qualities are of versions that were there when each prediction was made.
        drifts: how often the champion's errors have changed (ADWIN).
        worse_at: when they last rose so, epoch ms; None if never.
        shifted: population stability index of each feature, the newest quarter against the others.
        score_shift: the same of what the newest model says of these examples; None before it can be told.
        examples: outcomes learned from so far.
        at: time of the newest of them, epoch ms.
    """

    project: str
    target: str
    answers: Literal["model", "heuristic"]
    champion: str | None
    version: int | None
    earlier: int | None = None
    degraded: bool = False
    rule: tuple[float, float]
    qualities: dict[str, Quality]
    delayed: bool
    drifts: int
    worse_at: int | None = None
    shifted: dict[str, float]
    score_shift: float | None = None
    examples: int
    at: int


class SessionModel(msgspec.Struct, frozen=True, kw_only=True):
    """One version of what is known of a project's sessions: numbers by feature, of logarithms.

    Attributes:
        project: whose.
        version: counts up for each project.
        begins: where the tail of past sessions begins.
        scales: within how much it fades to a third or so (1/e).
        usual: the middle.
        threshold: of the oddness, from which on a session is an anomaly.
        made_at: end of the newest session it is learned from, epoch ms.
        examples: sessions known by then.
    """

    project: str
    version: int
    begins: tuple[float, ...]
    scales: tuple[float, ...]
    usual: tuple[float, ...]
    threshold: float
    made_at: int
    examples: int


class ModelRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record on ``models``: a version, under a key of its own, or how a target stands now.

    A standing comes after the version that it names. ``sessions`` is the newest model of sessions, under the
    key ``project:session``.
    """

    model: Model | None = None
    standing: Standing | None = None
    sessions: SessionModel | None = None
    version: int = 1


class ModelPin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """On the topic ``config``: which version of a target's model answers, however good it is.

    Attributes:
        project: whose users.
        target: name of what is predicted.
        version: the model's; 0 for the target's heuristic.
    """

    project: str
    target: Annotated[str, Meta(pattern=NAME, max_length=64)]
    version: Annotated[int, Meta(ge=0)]

    def __post_init__(self) -> None:
        check_project(self.project)

    @property
    def id(self) -> str:
        """Under which it is kept: a target has one at most."""
        return f"{self.project}:{self.target}"
