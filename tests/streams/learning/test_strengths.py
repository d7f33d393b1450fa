"""Which features count most, by models that are read by eye."""

from __future__ import annotations

from loopin_schemas.model import Blend, Forest, Linear, Tree
from loopin_streams.learning.strengths import Strength, strengths
from loopin_streams.learning.targets import CHURN

NAMES = CHURN.features
ZERO = (0.0,) * len(NAMES)


def linear(**weights: float) -> Linear:
    return Linear(0.0, tuple(weights.get(name, 0.0) for name in NAMES), ZERO)


def test_of_weights_the_greatest_whatever_their_sign() -> None:
    found = strengths(linear(joins=-3.0, days_away=1.0), CHURN)
    assert found == [Strength("joins", 0.75, False), Strength("days_away", 0.25, True)]


def test_of_trees_what_parts_the_outcomes() -> None:
    joins, away = NAMES.index("joins"), NAMES.index("days_away")
    tree = Tree(
        (joins, -1, away, -1, -1), (0.0,) * 5, (1, 1, 3, 3, 4), (2, 1, 4, 3, 4), (0.4, 0.7, 0.1, 0.1, 0.3)
    )
    found = strengths(Forest((tree,), (2.0,)), CHURN)
    assert [(one.feature, round(one.share, 6), one.raises) for one in found] == [
        ("joins", 0.75, False),
        ("days_away", 0.25, True),
    ]


def test_of_several_models_the_mean() -> None:
    found = strengths(Blend((linear(joins=-1.0), linear(joins=1.0, views_0=1.0))), CHURN)
    assert found == [Strength("joins", 0.75, False), Strength("views_0", 0.25, True)]


def test_a_leaf_alone_goes_by_nothing() -> None:
    assert strengths(Forest((Tree((-1,), (0.0,), (0,), (0,), (0.4,)),), (1.0,)), CHURN) == []
