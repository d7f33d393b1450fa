"""Counts that fade, against sums over all events, each weighed by its age."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.behaviour import HALF_LIVES, KINDS, Behaviour
from loopin_streams.behaviour.counts import DAY_MS, DAYS_KEPT, NO_SUMS, SHAPE, count, new_behaviour

HOUR_MS = 3_600_000
START_MS = 20_000 * DAY_MS

Log = list[tuple[int, tuple[int, ...]]]


def counted(log: Log) -> Behaviour:
    behaviour = new_behaviour(log[0][0])
    for at, deeds in log:
        count(behaviour, at, deeds)
    return behaviour


def weighed(log: Log, behaviour: Behaviour) -> dict[str, list[float]]:
    """Each count at the beginning of the newest day, its own events whole, by plain arithmetic."""
    found = {kind: [0.0] * len(HALF_LIVES) for kind in KINDS}
    days, last = set(), log[0][0] - DAY_MS
    newest = log[0][0]
    for at, deeds in log:
        kinds = ["events", *(KINDS[place] for place in deeds)]
        late = at // DAY_MS < newest // DAY_MS
        if at // DAY_MS not in days and behaviour.day - at // DAY_MS < DAYS_KEPT:
            days.add(at // DAY_MS)
            kinds.append("days")
        if not late and at - last > HOUR_MS // 2:
            kinds.append("sessions")
        if not late:
            last = max(last, at)
        newest = max(newest, at)
        for kind in kinds:
            for place, half_life in enumerate(HALF_LIVES):
                found[kind][place] += 0.5 ** ((behaviour.day - at // DAY_MS) / half_life)
    return found


def held(behaviour: Behaviour) -> dict[str, list[float]]:
    sums = np.frombuffer(behaviour.sums or NO_SUMS, "<f2").reshape(SHAPE).astype(float)
    return {
        kind: [float(one) + behaviour.today[place] for one in sums[place]] for place, kind in enumerate(KINDS)
    }


moments = st.integers(0, 40 * 24).map(lambda hours: START_MS + hours * HOUR_MS)
steps = st.lists(
    st.tuples(st.integers(0, 70), st.lists(st.integers(3, 11), max_size=2).map(tuple)),
    min_size=1,
    max_size=60,
)


@given(steps)
def test_counts_are_those_of_all_events_by_their_age(steps: list[tuple[int, tuple[int, ...]]]) -> None:
    at, log = START_MS, []
    for hours, deeds in steps:
        at += hours * HOUR_MS
        log.append((at, deeds))
    behaviour = counted(log)
    expected = weighed(log, behaviour)
    for kind, sums in held(behaviour).items():
        # Half floats have 11 bits, and each day rounds once.
        assert sums == pytest.approx(expected[kind], rel=0.03, abs=0.01), kind
    assert behaviour.first == START_MS + steps[0][0] * HOUR_MS
    assert behaviour.last == at


@given(st.lists(moments, min_size=1, max_size=40))
def test_late_events_weigh_what_is_left_of_them(times: list[int]) -> None:
    log: Log = [(at, ()) for at in times]
    behaviour = counted(log)
    expected = weighed(log, behaviour)
    for kind in ("events", "sessions"):
        assert held(behaviour)[kind] == pytest.approx(expected[kind], rel=0.03, abs=0.01), kind
    assert behaviour.first == min(times)
    assert behaviour.last == max(times)
    active = {at // DAY_MS for at in times}
    assert {behaviour.day - n for n in range(DAYS_KEPT) if behaviour.days >> n & 1} == active


def test_a_machine_does_not_break_the_counts() -> None:
    behaviour = new_behaviour(START_MS)
    behaviour.today[0] = 10**9
    count(behaviour, START_MS + DAY_MS, ())
    assert np.isfinite(np.frombuffer(behaviour.sums, "<f2").astype(float)).all()
