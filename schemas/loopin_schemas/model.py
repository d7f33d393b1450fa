"""A model as it travels: numbers only, so that reading one runs nothing."""

from __future__ import annotations

import msgspec


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
