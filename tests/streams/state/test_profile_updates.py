"""A user's profile after any events, against a computation over all of them at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loopin_schemas.codec import encode
from loopin_schemas.profile import Profile
from loopin_streams.state.profile_updates import absorb_money, absorb_time, new_profile
from loopin_streams.state.sessions import follow
from tests.streams import plain_state
from tests.streams.plain_state import DAY, HOUR, MINUTE, Happened

T = 20_000 * DAY
SECOND = 1000


def absorbed(times: Sequence[int], money: Sequence[tuple[str, int]] = ()) -> Profile:
    profile = new_profile(times[0])
    for at in times:
        follow(profile, at)
        absorb_time(profile, at)
    for code, millionths in money:
        absorb_money(profile, code, millionths)
    return profile


def plainly(profile: Profile) -> plain_state.Profile:
    """As a reader of the topic finds it."""
    return plain_state.profile_in(json.loads(encode(profile)))


def happened(at: int, **properties: Any) -> Happened:
    return Happened("demo", "u1", "ticket_purchased", at, at, properties)


steps = st.sampled_from([0, 1, 29 * MINUTE, 30 * MINUTE, 30 * MINUTE + 1, HOUR, 23 * HOUR, DAY, 127 * DAY])
near = st.builds(
    lambda step, sign, more: T + sign * step + more, steps, st.sampled_from([1, -1]), st.integers(0, 5)
)
walks = st.lists(st.tuples(steps, st.sampled_from([1, 1, 1, -1])), min_size=1, max_size=40).map(
    lambda moves: [T + sum(sign * step for step, sign in moves[: at + 1]) for at in range(len(moves))]
)
times = (
    walks | st.lists(near, min_size=1, max_size=30) | st.lists(st.integers(0, 2 * T), min_size=1, max_size=9)
)


@given(times)
@example([T, T - 128 * DAY, T + 1])
@example([T - 127 * DAY, T, T + DAY])
def test_any_times_in_any_order(at: list[int]) -> None:
    [expected] = plain_state.profiles(map(happened, at)).values()
    assert plainly(absorbed(at)) == expected


@given(times, st.randoms())
def test_only_the_session_depends_on_the_order(at: list[int], random: Any) -> None:
    shuffled = list(at)
    random.shuffle(shuffled)
    one, other = plainly(absorbed(at)), plainly(absorbed(shuffled))
    assert one._replace(session=(0, 0, 0), sessions=0) == other._replace(session=(0, 0, 0), sessions=0)


def sessions(*times: int) -> tuple[tuple[int, int, int], int]:
    found = plainly(absorbed([T + at for at in times]))
    started, last, events = found.session
    return (started - T, last - T, events), found.sessions


def test_a_first_event_is_a_session() -> None:
    assert sessions(0) == ((0, 0, 1), 1)


def test_a_pause_of_half_an_hour_does_not_end_a_session_but_a_longer_one_does() -> None:
    assert sessions(0, 30 * MINUTE) == ((0, 30 * MINUTE, 2), 1)
    later = 30 * MINUTE + 1
    assert sessions(0, later) == ((later, later, 1), 2)


def test_a_late_event_joins_the_session_that_it_lies_in_or_near() -> None:
    assert sessions(0, 20 * MINUTE, 10 * MINUTE) == ((0, 20 * MINUTE, 3), 1)
    assert sessions(0, -30 * MINUTE) == ((-30 * MINUTE, 0, 2), 1)


def test_a_late_event_of_an_earlier_session_changes_nothing_of_this_one() -> None:
    assert sessions(0, -30 * MINUTE - 1) == ((0, 0, 1), 1)
    assert sessions(0, HOUR, 0) == ((HOUR, HOUR, 1), 2)


def test_no_session_is_longer_than_a_day() -> None:
    steady = [at * 30 * MINUTE for at in range(50)]
    assert steady[48] == 24 * HOUR
    assert sessions(*steady[:49]) == ((0, 24 * HOUR, 49), 1)
    assert sessions(*steady) == ((steady[49], steady[49], 1), 2)


@pytest.mark.parametrize(("days_later", "known"), [(0, {0}), (1, {0, 1}), (127, {0, 127}), (128, {128})])
def test_days_of_activity_are_remembered_for_128_days(days_later: int, known: set[int]) -> None:
    for order in (1, -1):
        found = plainly(absorbed([T, T + days_later * DAY][::order]))
        assert found.active_days == {20_000 + day for day in known}


codes = st.sampled_from(["", "INR", "EUR", "other"])


@given(st.lists(st.tuples(codes, st.integers(-(10**18), 10**18)), max_size=30))
@example([("INR", 10**18)] * 6 + [("INR", -(10**18))] * 6)
def test_revenue_adds_up_by_currency_and_saturates(money: list[tuple[str, int]]) -> None:
    expected: dict[str, int] = {}
    for code, millionths in money:
        expected[code] = max(-(2**62), min(2**62, expected.get(code, 0) + millionths))
    assert plainly(absorbed([T], money)).revenue == expected


def test_no_two_profiles_share_what_was_added() -> None:
    first, second = absorbed([T], [("INR", 1)]), absorbed([T])
    absorb_money(first, "EUR", 2)
    assert (second.revenue, new_profile(T).revenue) == ({}, {})
