"""Whether a model that came from outside can be scored by: whatever is in it, a score is a probability."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Final

from loopin_schemas.model import Forest, Linear, Model, Scorer, SessionModel, Standing, Tree
from loopin_streams.anomalies.features import FEATURES
from loopin_streams.learning.targets import TARGETS

LARGEST: Final = 1e9
"""No honest number of a model is greater; sums of products of such are numbers still."""

_FEATURES: Final = {target.name: len(target.features) for target in TARGETS}


def fault_of_model(model: Model) -> str | None:
    """What keeps a model from being used, in words; None where nothing does, or its target is not known."""
    features = _FEATURES.get(model.target)
    if features is None:
        return None
    if not 1 <= model.version < 1 << 31:
        return "its version is not a number from 1 on"
    if not _usable((model.slope, model.intercept)):
        return "its calibration is no number, or too great"
    return _of_scorer(model.scorer, features)


def fault_of_standing(standing: Standing) -> str | None:
    """What keeps a standing from being used, in words."""
    return None if _usable(standing.rule) else "the heuristic's calibration is no number, or too great"


def fault_of_sessions(model: SessionModel) -> str | None:
    """What keeps a model of sessions from being used, in words."""
    numbers = (model.begins, model.scales, model.usual)
    if any(len(of) != len(FEATURES) for of in numbers):
        return f"it has not {len(FEATURES)} numbers of each kind"
    if not _usable((model.threshold, *model.begins, *model.scales, *model.usual)):
        return "a number of it is none, or too great"
    return "a tail has no scale" if min(model.scales) <= 0 else None


def _of_scorer(scorer: Scorer, features: int) -> str | None:
    if isinstance(scorer, Linear):
        return _of_linear(scorer, features)
    if isinstance(scorer, Forest):
        return _of_forest(scorer, features)
    if not scorer.of:
        return "it is a mean of nothing"
    return next((fault for one in scorer.of if (fault := _of_scorer(one, features))), None)


def _of_linear(linear: Linear, features: int) -> str | None:
    if not len(linear.weights) == len(linear.centre) == features:
        return f"it has {len(linear.weights)} weights for {features} features"
    if not _usable((linear.bias, *linear.weights, *linear.centre)):
        return "a weight is no number, or too great"
    return None


def _of_forest(forest: Forest, features: int) -> str | None:
    if not forest.trees or len(forest.trees) != len(forest.weights):
        return "it has not one weight for each tree"
    if not _usable(forest.weights) or min(forest.weights) < 0 or sum(forest.weights) <= 0:
        return "its trees' weights are no shares"
    return next((fault for tree in forest.trees if (fault := _of_tree(tree, features))), None)


def _of_tree(tree: Tree, features: int) -> str | None:
    nodes = len(tree.feature)
    parts = (tree.threshold, tree.left, tree.right, tree.value)
    if not nodes or any(len(part) != nodes for part in parts):
        return "a tree's parts are not of one length"
    if not _usable(tree.threshold) or not all(0 <= share <= 1 for share in tree.value):
        return "a tree's threshold or share is no number"
    for at, feature in enumerate(tree.feature):
        if feature == -1:
            continue
        if not 0 <= feature < features:
            return f"a tree asks for feature {feature} of {features}"
        # Who goes down a tree gets to an end, because each node comes after the one above it.
        if not all(at < child < nodes for child in (tree.left[at], tree.right[at])):
            return f"a tree's node {at} does not lead down"
    return None


def _usable(numbers: Iterable[float]) -> bool:
    return all(isfinite(number) and abs(number) <= LARGEST for number in numbers)
