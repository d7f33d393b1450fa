"""Why the heuristic answers is said of a learner that has learned so much, in one sentence."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from loopin_deploy.commands.why_heuristic import why_heuristic
from loopin_schemas.model import Standing
from tests.streams.learning.made_models import quality, standing

NO_VERSION: dict[str, Any] = {"version": None, "champion": None, "qualities": {}}
POOR = {"logistic": quality(auc=0.61, accuracy=0.7)}


def why(pinned: int | None = None, **changed: Any) -> str:
    fields = {"answers": "heuristic", **changed}
    return why_heuristic(msgspec.convert(standing(**fields), Standing), pinned)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({**NO_VERSION, "examples": 99}, "There are too few examples: a model needs 100."),
        (
            {**NO_VERSION, "examples": 478},
            "There is no version yet: a model needs 10 outcomes of either kind, and is made when the next "
            "100 examples are full.",
        ),
        (
            {"qualities": {}, "examples": 478},
            "How good version 1 is has not been seen on 100 examples yet.",
        ),
        ({"qualities": POOR}, "The AUC of version 1 is 0.610, and 0.75 is needed."),
        (
            {"qualities": POOR, "target": "conversion"},
            "The accuracy of version 1 is 0.700, and 0.75 is needed.",
        ),
        (
            {"qualities": POOR, "degraded": True},
            "A model has answered before, but the AUC of version 1 is 0.610, and 0.75 is needed.",
        ),
        (
            {"version": 4, "earlier": 3, "degraded": True},
            "Version 4 lost its trial, and version 3 before it is not good enough.",
        ),
        (
            {"answers": "model"},
            "The version that should answer cannot be used, or is not on the topic.",
        ),
    ],
)
def test_why_the_heuristic_answers(changed: dict[str, Any], said: str) -> None:
    assert why(**changed) == said


def test_a_pinned_heuristic_answers_because_it_is_pinned() -> None:
    assert why(0, **NO_VERSION) == "It is pinned; `loopin models unpin` ends that."
