"""Features against rates computed by hand, and that they know nothing of later."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.behaviour import KINDS
from loopin_streams.behaviour.counts import DAY_MS, count, new_behaviour
from loopin_streams.learning import predictions
from loopin_streams.learning.features import CONTRAST_NAMES, KEPT, contrasts, features_of, packed, rows_of

START_MS = 20_000 * DAY_MS
HOUR_MS = 3_600_000
STEP = 12 / 255


def rate(ages_days: list[int], half_life: float, tenure: float) -> float:
    """Events a day, each weighed by its age, over the weight of all days there were."""
    weight = sum(math.exp2(-age / half_life) for age in ages_days)
    return weight / (half_life / math.log(2) * (1 - math.exp2(-tenure / half_life)))


def test_contrasts_of_a_user_by_hand() -> None:
    behaviour = new_behaviour(START_MS)
    views = KINDS.index("views")
    for day in range(20):
        for number in range(4):
            count(behaviour, START_MS + day * DAY_MS + number * 60_000, (views,) if number == 0 else ())
    now = START_MS + 22 * DAY_MS
    seen = dict(zip(CONTRAST_NAMES, contrasts(features_of([behaviour], [now]))[0], strict=True))
    ages = [22 - day for day in range(20)]
    sessions = {half_life: rate(ages, half_life, 22) for half_life in (4, 10, 25)}
    last = (now - behaviour.last) / DAY_MS
    logs = {half_life: math.log(value + 0.03) for half_life, value in sessions.items()}
    assert seen["days_away"] == pytest.approx(math.log1p(last), abs=STEP)
    assert seen["visits_missed"] == pytest.approx(math.log1p(last * sessions[25]), abs=STEP)
    assert seen["tenure"] == pytest.approx(math.log1p(22), abs=STEP)
    assert seen["sessions"] == pytest.approx(logs[25], abs=STEP)
    assert seen["sessions_0"] == pytest.approx(logs[4] - logs[10], abs=2 * STEP)
    events = math.log(4 * sessions[25] + 0.03)
    assert seen["events_a_visit"] == pytest.approx(events - logs[25], abs=2 * STEP)
    assert seen["views_a_visit"] == pytest.approx(0, abs=2 * STEP)
    assert seen["purchases"] == pytest.approx(math.log(0.03), abs=STEP)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=30), st.lists(st.integers(1, 900), max_size=30))
def test_what_comes_after_a_prediction_does_not_change_its_features(
    before: list[int], after: list[int]
) -> None:
    behaviour = new_behaviour(START_MS)
    for hours in sorted(before):
        count(behaviour, START_MS + hours * HOUR_MS, ())
    now = START_MS + max(before) * HOUR_MS + 1
    noted = features_of([behaviour], [now])[0].tobytes()
    predictions.note(behaviour, now, noted)
    for hours in after:
        count(behaviour, now + hours * HOUR_MS, (3, 7))
        predictions.bought(behaviour, now + hours * HOUR_MS)
    outcomes = [*predictions.known(behaviour, now + 40 * DAY_MS)]
    assert {outcome.target.name for outcome in outcomes} <= {"churn", "conversion"}
    assert all(outcome.features == noted and outcome.made_at == now for outcome in outcomes)


def test_a_prediction_is_never_of_a_time_before_its_newest_event() -> None:
    behaviour = new_behaviour(START_MS)
    count(behaviour, START_MS + 9 * DAY_MS, ())
    early, at_event = features_of([behaviour, behaviour], [START_MS, behaviour.last])
    assert (early == at_event).all()
    predictions.note(behaviour, START_MS, early.tobytes())
    assert behaviour.snapshots[0].at == behaviour.last


def test_what_is_no_number_is_a_byte_all_the_same() -> None:
    assert packed(np.array([[math.nan, math.inf, -math.inf, 8.1, -9.0]])).tolist() == [[0, 255, 0, 255, 0]]


def test_bytes_kept_one_by_one_are_the_same_rows() -> None:
    kept = np.arange(2 * KEPT, dtype=np.uint8).reshape(2, KEPT)
    assert (rows_of([row.tobytes() for row in kept]) == kept).all()
