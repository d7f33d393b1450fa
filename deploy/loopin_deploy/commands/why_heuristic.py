"""Why a target's heuristic answers, and no model."""

from __future__ import annotations

from typing import Final

from loopin_schemas.model import Standing
from loopin_streams.learning.targets import LEAST_EXAMPLES, LEAST_OF_EACH, TARGETS, THRESHOLD

_QUALITY: Final = {target.name: target.quality for target in TARGETS}


def why_heuristic(of: Standing, pinned: int | None) -> str:
    """One sentence, by how a target's models stand and which version is pinned (0 is the heuristic)."""
    if pinned == 0:
        return "It is pinned; `loopin models unpin` ends that."
    if pinned is not None or of.answers == "model":
        return "The version that should answer cannot be used, or is not on the topic."
    if of.examples < LEAST_EXAMPLES:
        return f"There are too few examples: a model needs {LEAST_EXAMPLES}."
    if of.version is None:
        return (
            f"There is no version yet: a model needs {LEAST_OF_EACH} outcomes of either kind, and is made "
            f"when the next {LEAST_EXAMPLES} examples are full."
        )
    if of.earlier is not None:
        return f"Version {of.version} lost its trial, and version {of.earlier} before it is not good enough."
    measure = _QUALITY.get(of.target, "accuracy")
    quality = of.qualities.get(of.champion or "")
    reached = None if quality is None else quality.auc if measure == "auc" else quality.accuracy
    if reached is None or reached >= THRESHOLD:
        return f"How good version {of.version} is has not been seen on {LEAST_EXAMPLES} examples yet."
    name = {"auc": "AUC"}.get(measure, measure)
    before = "A model has answered before, but the" if of.degraded else "The"
    return f"{before} {name} of version {of.version} is {reached:.3f}, and {THRESHOLD} is needed."
