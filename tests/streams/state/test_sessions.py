"""Sessions by event time, against a plain computation over all of a user's events at once."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from loopin_schemas.habits import PastSessions
from loopin_schemas.profile import Profile
from loopin_streams.state.keyed_store import MemoryStore
from loopin_streams.state.profile_updates import new_profile
from loopin_streams.state.profiles import Profiles
from loopin_streams.state.sessions import EARLIER_KEPT, follow, session_id

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
TIMEOUT = 30 * MINUTE
T = 20_000 * DAY


def streamed(times: Sequence[int], timeout: int = TIMEOUT) -> list[int]:
    """When the session of each event began, by the stream, in the order of arrival."""
    profile = new_profile(T + times[0])
    return [follow(profile, T + at, timeout) - T for at in times]


def at_once(times: Sequence[int], timeout: int = TIMEOUT) -> list[int]:
    """When the session of each event began, by all events sorted: the textbook's gaps, cut after a day."""
    begun: dict[int, int] = {}
    start = last = min(times)
    for at in sorted(times):
        if at - last > timeout or at - start > DAY:
            start = at
        last = at
        begun[at] = start
    return [begun[at] for at in times]


def grouped(begun: Sequence[int]) -> list[int]:
    """The same groups under numbers of their own."""
    numbers: dict[int, int] = {}
    return [numbers.setdefault(of, len(numbers)) for of in begun]


gaps = st.lists(
    st.sampled_from([0, 1, MINUTE, 29 * MINUTE, TIMEOUT, TIMEOUT + 1, HOUR, DAY, 100 * DAY]), max_size=80
)


@given(gaps, st.sampled_from([MINUTE, TIMEOUT, 5 * HOUR]))
def test_in_order_they_are_those_of_a_computation_over_all_events(pauses: list[int], timeout: int) -> None:
    times = [sum(pauses[:at]) for at in range(len(pauses) + 1)]
    assert streamed(times, timeout) == at_once(times, timeout)


LATE = 5 * MINUTE


@given(
    st.lists(st.integers(0, TIMEOUT - LATE) | st.integers(TIMEOUT + 1, DAY), max_size=60),
    st.lists(st.integers(0, LATE), min_size=61, max_size=61),
)
def test_out_of_order_within_bounds_they_are_still(pauses: list[int], delays: list[int]) -> None:
    """No pause between the timeout less the greatest delay and the timeout, and no session near a day."""
    times = [sum(pauses[:at]) for at in range(len(pauses) + 1)]
    starts = at_once(times)
    assume(all(at - start < DAY - LATE for at, start in zip(times, starts, strict=True)))
    arrived = sorted(range(len(times)), key=lambda n: times[n] + delays[n])
    assert grouped(streamed([times[n] for n in arrived])) == grouped([starts[n] for n in arrived])


@given(st.lists(st.integers(-3 * DAY, 3 * DAY), min_size=1, max_size=60), st.integers(0, 60))
def test_the_same_log_gives_the_same_sessions_wherever_it_is_read_on_from(
    times: list[int], stop: int
) -> None:
    """A restart reads the profile back from its record."""
    profile = new_profile(T + times[0])
    begun = [follow(profile, T + at) - T for at in times[:stop]]
    saved, restored = Profiles(MemoryStore()), Profiles(MemoryStore())
    restored.restore(_Kept(key, value) for key, value in saved.save([(b"k", profile)]))
    [read] = restored.load([b"k"])
    assert read == profile
    assert begun + [follow(read, T + at) - T for at in times[stop:]] == streamed(times)


@given(st.lists(st.integers(-3 * DAY, 3 * DAY), min_size=1, max_size=99, unique=True))
def test_what_a_profile_remembers_is_bounded_and_true(times: list[int]) -> None:
    profile = new_profile(T + times[0])
    groups: dict[int, list[int]] = {}
    for at in times:
        groups.setdefault(follow(profile, T + at), []).append(T + at)
        remembered = (*profile.earlier, profile.session)
        assert len(profile.earlier) <= EARLIER_KEPT
        assert all(each.last - each.started <= DAY for each in remembered)
        for each in remembered:
            of = groups[each.started + each.after]
            assert (each.started, each.last, each.events) == (min(of), max(of), len(of))
        assert max(remembered, key=lambda each: each.last).last == profile.session.last


@given(gaps)
def test_those_that_are_over_are_added_up(pauses: list[int]) -> None:
    times = [sum(pauses[:at]) for at in range(len(pauses) + 1)]
    profile = new_profile(T)
    sessions: dict[int, list[int]] = {}
    for at, begun in zip(times, at_once(times), strict=True):
        follow(profile, T + at)
        sessions.setdefault(begun, []).append(at)
    remembered = 1 + len(profile.earlier)
    over = [sessions[begun] for begun in sorted(sessions)][:-remembered]
    expected = PastSessions(len(over), sum(of[-1] - of[0] for of in over), sum(map(len, over)))
    assert (profile.past or PastSessions(0, 0, 0)) == expected


def test_a_late_event_finds_its_session_among_the_last_three() -> None:
    times = [0, HOUR, 2 * HOUR]
    for late, begun in ((MINUTE, 0), (HOUR + 1, HOUR), (2 * HOUR + 1, 2 * HOUR), (-TIMEOUT, 0)):
        assert streamed([*times, late])[-1] == begun
    forgotten = [*times, 3 * HOUR]
    assert streamed([*forgotten, MINUTE])[-1] == MINUTE
    assert streamed([*forgotten, HOUR + MINUTE])[-1] == HOUR


def test_late_events_of_an_old_session_are_one() -> None:
    """A client that was offline sends yesterday's events today, and goes on with today's."""
    yesterday = [-DAY + at * MINUTE for at in range(5)]
    arrivals = [0, *yesterday[:3], MINUTE, *yesterday[3:], 2 * MINUTE]
    assert streamed(arrivals) == [0, -DAY, -DAY, -DAY, 0, -DAY, -DAY, 0]


def test_an_event_between_two_sessions_goes_to_the_later_and_they_stay_two() -> None:
    apart = [0, 50 * MINUTE]
    assert streamed([*apart, 25 * MINUTE, -6 * MINUTE, 51 * MINUTE]) == [
        *(0, 50 * MINUTE),
        *(50 * MINUTE, 0, 50 * MINUTE),
    ]


def test_an_event_before_its_sessions_first_one_does_not_change_how_it_is_known() -> None:
    assert streamed([0, -10 * MINUTE, -20 * MINUTE, 5 * MINUTE]) == [0, 0, 0, 0]


def test_a_session_ends_after_a_day() -> None:
    steady = [at * TIMEOUT for at in range(50)]
    assert streamed(steady) == [0] * 49 + [49 * TIMEOUT]


@pytest.mark.parametrize("begun", [0, T, 2**48 - 1])
def test_an_id_is_a_uuid_of_user_and_time(begun: int) -> None:
    made = session_id(b"demo:u1", begun)
    assert UUID(made).version == 8
    assert str(UUID(made)) == made
    assert int(made.replace("-", "")[:12], 16) == begun
    assert made == session_id(b"demo:u1", begun)
    assert len({made, session_id(b"demo:u2", begun), session_id(b"other:u1", begun)}) == 3


class _Kept:
    """A record of the topic ``profiles``."""

    def __init__(self, key: bytes | None, value: bytes | None) -> None:
        self.key, self.value = key, value
        self.offset = self.timestamp = 0


def test_a_profile_of_an_earlier_release_is_read() -> None:
    old = (
        b'{"first_seen":5,"last_seen":7,"events":2,"session":[5,7,2],"active_day":0,"active_days":"AQ==",'
        b'"sessions":1}'
    )
    profiles = Profiles(MemoryStore())
    profiles.restore([_Kept(b"k", old)])
    profiles.check()
    [read] = profiles.load([b"k"])
    assert isinstance(read, Profile)
    assert follow(read, 6) == 5
