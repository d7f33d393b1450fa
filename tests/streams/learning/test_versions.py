"""When a version turns out worse than another, by made-up predictions of the same outcomes."""

from __future__ import annotations

import numpy as np
import pytest

from loopin_streams.learning.targets import LEAST_EXAMPLES
from loopin_streams.learning.versions import Record, Trial, Version, better

BEFORE = Version(1, 0, 500, 50, {}, {})


def predicted(chances: list[float]) -> Record:
    record = Record()
    record.add([0.0] * len(chances), chances, [True] * len(chances))
    return record


def trial(errors: float, number: int = 400) -> Trial:
    """The earlier version's loss is less by so many standard errors: by 1 more or less at each prediction."""
    gained = errors / number**0.5 + np.tile([1.0, -1.0], number // 2)
    # Of what happened the loss is the negative log of its probability.
    return Trial(
        BEFORE, "logistic", predicted([np.exp(-2.0)] * number), predicted(np.exp(-2.0 - gained).tolist())
    )


@pytest.mark.parametrize("errors", [-5.0, 0.0, 1.2, 2.0, 2.9])
def test_a_trial_is_not_lost_by_less_than_three_standard_errors(errors: float) -> None:
    tried = trial(errors)
    assert not tried.lost()
    # That is how a challenger comes to answer, which is looked at once a version.
    assert better(tried.earlier, tried.newest) == (errors > 1)


def test_a_trial_is_lost_by_more() -> None:
    assert trial(3.1).lost()
    assert not trial(3.1, LEAST_EXAMPLES - 2).lost()
