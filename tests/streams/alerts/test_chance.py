"""How often chance alone passes a rule's limit: of draws where half of it (below it: twice) is the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from loopin_schemas.alert_rule import Threshold
from loopin_schemas.metrics.ratios import Ratio
from loopin_streams.alerts.judgement import judge_threshold

DRAWS = 20_000


def told(rule: Threshold, ratio: Ratio, parts: Sequence[int], wholes: Sequence[int]) -> float:
    pairs = [(part, whole) for part, whole in zip(parts, wholes, strict=True) if whole]
    verdicts = (judge_threshold(rule, part / whole, rule.warning, whole, ratio) for part, whole in pairs)
    return sum(each.severity is not None for each in verdicts) / len(pairs)


@pytest.mark.parametrize("limit", [0.08, 0.3, 0.9, 1.5, 6.0])
@pytest.mark.parametrize("views", [20, 50, 400])
def test_two_independent_numbers(limit: float, views: int) -> None:
    dice = np.random.default_rng(11)
    wholes = dice.poisson(views, DRAWS).tolist()
    high, low = Threshold(warning=limit), Threshold(direction="below", warning=limit)
    assert told(high, "rate", dice.poisson(limit / 2 * views, DRAWS).tolist(), wholes) < 0.01
    assert told(low, "rate", dice.poisson(limit * 2 * views, DRAWS).tolist(), wholes) < 0.01
    # What is four times the truth, or a quarter, is told of enough.
    if limit * views > 40:
        assert told(high, "rate", dice.poisson(2 * limit * views, DRAWS).tolist(), wholes) > 0.9
        assert told(low, "rate", dice.poisson(limit / 2 * views, DRAWS).tolist(), wholes) > 0.9


@pytest.mark.parametrize("limit", [0.08, 0.3, 0.9])
def test_shares(limit: float) -> None:
    dice = np.random.default_rng(12)
    wholes, rule = [50] * DRAWS, Threshold(warning=limit)
    assert told(rule, "share", dice.binomial(50, limit / 2, DRAWS).tolist(), wholes) < 0.01


def test_what_is_no_ratio_passes_at_once() -> None:
    assert judge_threshold(Threshold(warning=0.1), 0.1, 0.1, 1).severity == "warning"
    assert judge_threshold(Threshold(warning=0.1, chance=0), 0.1, 0.1, 1, "rate").severity == "warning"
    assert judge_threshold(Threshold(warning=0.1), 0.1, 0.1, 20, "rate").by_chance
