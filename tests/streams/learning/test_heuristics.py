"""Heuristics against their formulas, of counts that are faded by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.behaviour import KINDS, Behaviour
from loopin_streams.behaviour.counts import DAY_MS, count, new_behaviour
from loopin_streams.learning.features import Rows, contrasts, features_of
from loopin_streams.learning.heuristics import (
    PRIOR_DAYS,
    PRIOR_JOINS,
    USUAL_ATTENDANCE,
    USUAL_PURCHASES,
    attendance,
    churn,
    conversion,
)

START_MS = 20_000 * DAY_MS
HALF_LIFE = 25
JOINS, PURCHASES, ATTENDED = (KINDS.index(kind) for kind in ("joins", "purchases", "attended"))

Deed = tuple[int, int | None]
"""Day after the first one, and what was done then; None is a visit."""


def lived(deeds: Sequence[Deed]) -> Behaviour:
    behaviour = new_behaviour(START_MS)
    for number, (day, deed) in enumerate(sorted(deeds, key=lambda done: done[0])):
        count(behaviour, START_MS + day * DAY_MS + number, () if deed is None else (deed,))
    return behaviour


def rows(deeds: Sequence[Deed], day: float) -> Rows:
    return contrasts(features_of([lived(deeds)], [round(START_MS + day * DAY_MS)]))


def left_of(deeds: Sequence[Deed], deed: int, day: int) -> float:
    """What is left of a count, each of it weighed by its age."""
    return sum(math.exp2(-(day - at) / HALF_LIFE) for at, done in deeds if done == deed)


def share(deeds: Sequence[Deed], day: int) -> float:
    joins, came = left_of(deeds, JOINS, day), left_of(deeds, ATTENDED, day)
    return (min(came, joins) + PRIOR_JOINS * USUAL_ATTENDANCE) / (joins + PRIOR_JOINS)


def bought(deeds: Sequence[Deed], day: int) -> float:
    """Days are weighed as counts are: those of a user's whole stay, and those of the usual rate."""
    stayed = max(day, 0.5)
    weighed = HALF_LIFE / math.log(2) * (1 - math.exp2(-stayed / HALF_LIFE))
    rate = (left_of(deeds, PURCHASES, day) + PRIOR_DAYS * USUAL_PURCHASES) / (weighed + PRIOR_DAYS)
    return 1 - math.exp(-14 * rate)


DEEDS = st.lists(
    st.tuples(st.integers(0, 90), st.sampled_from([JOINS, ATTENDED, PURCHASES, None])), max_size=25
).map(lambda deeds: [(0, None), *deeds])


@given(DEEDS, st.integers(0, 20))
def test_formulas_are_of_what_is_left_of_the_counts(deeds: list[Deed], after: int) -> None:
    now = max(day for day, _ in deeds) + after
    # Steps of a byte are of 5 % of a number.
    [came], [buys] = attendance(rows(deeds, now)), conversion(rows(deeds, now))
    assert came == pytest.approx(share(deeds, now), abs=0.03)
    assert buys == pytest.approx(bought(deeds, now), abs=0.03)


def test_each_of_a_newcomers_joins_counts_once() -> None:
    chances = [attendance(rows([(0, None)] + [(0, JOINS)] * earlier, 0))[0] for earlier in range(5)]
    assert chances == pytest.approx([3.5 / (5 + earlier) for earlier in range(5)], abs=0.01)
    [after_two_days] = attendance(rows([(0, JOINS)], 2))
    assert after_two_days == pytest.approx(3.5 / 6, abs=0.01)


def test_a_newcomers_ticket_is_no_habit() -> None:
    [one] = conversion(rows([(0, None), (1, PURCHASES)], 2))
    assert 0.3 < one < 0.5
    # Who buys each second day for long does have one.
    [often] = conversion(rows([(day, PURCHASES) for day in range(0, 60, 2)], 60))
    assert often > 0.95
    [never] = conversion(rows([(day, None) for day in range(60)], 60))
    assert 0 < never < 0.1


def test_a_newcomers_visits_are_no_pace_to_fall_behind() -> None:
    """The days away are part of the time that the pace is of, so that it falls with them."""
    visits = [(day, None) for day in range(3)]
    [after_a_day], [after_a_week] = churn(rows(visits, 3)), churn(rows(visits, 9))
    assert after_a_day < 0.1
    assert after_a_week < 0.4
