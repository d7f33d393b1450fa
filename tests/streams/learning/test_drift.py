from __future__ import annotations

import math

import numpy as np
import pytest

from loopin_schemas.alert_rules.models import SHIFTED_FROM
from loopin_streams.learning.drift import ErrorDrift, population_stability


def test_population_stability_by_hand() -> None:
    before = np.array([0.0] * 50 + [1.0] * 50)[:, None]
    after = np.array([0.0] * 20 + [1.0] * 80)[:, None]
    # Half a user more in each part; the tenths end at 0, 0.5 and 1, and nobody is between or beyond.
    shares = ((50.5 / 102, 20.5 / 102), (50.5 / 102, 80.5 / 102))
    by_hand = sum((one - other) * math.log(one / other) for one, other in shares)
    assert population_stability(before, after)[0] == pytest.approx(by_hand)


def test_a_shift_is_seen_and_chance_is_not() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.normal(size=(2000, 2)), rng.normal(size=(2000, 2))
    after[:, 1] += 1
    same, moved = population_stability(before, after)
    assert same < 0.1
    assert moved > SHIFTED_FROM


def test_errors_that_grow_are_a_drift() -> None:
    rng = np.random.default_rng(2)
    steady, growing = ErrorDrift(), ErrorDrift()
    for number in range(4000):
        steady.see(float(rng.random() < 0.1))
        growing.see(float(rng.random() < (0.1 if number < 2000 else 0.4)))
    assert steady.changes == 0
    assert growing.changes >= 1


def test_errors_that_grow_and_shrink_are_drifts_and_the_rise_is_dated() -> None:
    rng = np.random.default_rng(4)
    drift = ErrorDrift()
    for number in range(6000):
        drift.see(float(rng.random() < (0.4 if 2000 <= number < 4000 else 0.1)), at=number)
    assert drift.changes >= 2
    assert drift.worse_at is not None
    assert 2000 <= drift.worse_at < 4000
