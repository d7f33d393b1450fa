"""Habits, counted event by event, against exact sums over all events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.catalogue import CATALOGUE
from loopin_schemas.catalogue.system import SYSTEM
from loopin_schemas.codec import decode, encode
from loopin_schemas.event import EnrichedEvent
from loopin_schemas.habits import (
    ACTION_KEYS,
    ACTIONS,
    HOURS,
    MOST_ACTIONS,
    MOST_COMMUNITIES,
    ON_CLOCK,
    WHOLE,
    Habits,
    Prices,
    action_name,
)
from loopin_schemas.profile import Profile
from loopin_streams.behaviour.habits import HabitCounter
from loopin_streams.state.profile_updates import new_profile
from tests.streams.behaviour.plain_habits import ERA_MS, Did, plain_habits

HOUR_MS = 3_600_000
START_MS = 735 * ERA_MS
LOST = 0.25
"""Of a count less than a quarter of an event is lost by rounding, of the clock's less than half of one."""

NAMES = ("$pageview", "event_viewed", "event_joined", "community_left", "of my own", "ticket_purchased")
ZONES = (None, "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe", "Nowhere", 5, "")


def counted(log: Sequence[Did], profile: Profile | None = None, zone: str = "UTC") -> Profile:
    profile = new_profile(log[0].at) if profile is None else profile
    count = HabitCounter(lambda project: ZoneInfo(zone)).count
    for one in log:
        event = EnrichedEvent(
            uuid="u",
            project="demo",
            event=one.name,
            distinct_id="u1",
            timestamp=one.at,
            received_at=one.at,
            raw_partition=0,
            raw_offset=0,
        )
        count(profile, event, one.properties)
    return profile


def habits_of(log: Sequence[Did], zone: str = "UTC") -> Habits:
    habits = counted(log, zone=zone).habits
    assert habits is not None
    return habits


def assert_near(counts: Mapping[str, float], exact: Mapping[str, float], lost: float = LOST) -> None:
    for name in counts.keys() | exact.keys():
        assert -1e-9 <= exact.get(name, 0.0) - counts.get(name, 0.0) < lost, name


def named(habits: Habits) -> dict[str, float]:
    return {action_name(key): count / WHOLE for key, count in habits.actions.items()}


def eighths(counts: Mapping[str, int]) -> dict[str, float]:
    return {name: count / WHOLE for name, count in counts.items()}


properties = st.fixed_dictionaries(
    {},
    optional={
        "$timezone": st.sampled_from(ZONES),
        "$geoip_time_zone": st.sampled_from(["Europe/Berlin", ""]),
        "community_id": st.sampled_from(["c-1", 7, ""]),
        "category": st.sampled_from(["music", "food", ""]),
    },
)
# An event that comes up to three eras late still counts to the eighth.
steps = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from([0, 1, 5, 26, 24 * 9, 24 * 28, 24 * 61]),
        st.sampled_from([0, 0, 0, 3, 24 * 30, 24 * 80]),
        properties,
    ),
    min_size=1,
    max_size=50,
)


def log_of(drawn: Sequence[tuple[str, int, int, dict[str, object]]]) -> list[Did]:
    now, log = START_MS + 5 * HOUR_MS, []
    for name, pause, late, given_properties in drawn:
        now += pause * HOUR_MS
        log.append(Did(name, now - late * HOUR_MS + 61_000, given_properties))
    return log


@given(steps, st.sampled_from(["UTC", "Asia/Kathmandu"]))
def test_counts_are_the_exact_sums(drawn: list[tuple[str, int, int, dict[str, object]]], zone: str) -> None:
    log = log_of(drawn)
    habits, exact = habits_of(log, zone), plain_habits(log, zone)
    assert_near(named(habits), exact.actions)
    assert_near(eighths(habits.event_types), exact.event_types)
    assert_near(eighths(habits.communities), exact.communities)
    assert habits.zone == exact.zone
    for place, count in enumerate(habits.clock):
        of = exact.hours[place] if place < HOURS else exact.weekdays[place - HOURS]
        assert -1e-9 <= of - count / ON_CLOCK < 2 * LOST, place


@given(steps, st.integers(0, 50))
def test_it_goes_on_from_what_was_stored(
    drawn: list[tuple[str, int, int, dict[str, object]]], stop: int
) -> None:
    log = log_of(drawn)
    stop = min(max(stop, 1), len(log))
    stored = decode(encode(counted(log[:stop])), Profile)
    assert counted(log[stop:], stored) == counted(log)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=400), st.integers(0, 9))
def test_of_more_names_than_there_is_room_for_the_frequent_ones_are_there(
    names: list[int], seed: int
) -> None:
    dice = Random(seed)
    at, log = START_MS, []
    for number in names:
        at += dice.choice([0, HOUR_MS, 40 * HOUR_MS])
        log.append(Did(f"own-{number}", at, {"community_id": f"c-{number}"}))
    habits, exact = habits_of(log), plain_habits(log)
    for counts, sums, most in (
        (named(habits), exact.actions, MOST_ACTIONS),
        (eighths(habits.communities), exact.communities, MOST_COMMUNITIES),
    ):
        assert len(counts) <= most
        error = sum(sums.values()) / most
        for name, true in sums.items():
            if name in counts:
                assert -LOST <= counts[name] - true <= error + LOST, name
            else:
                assert true <= error + LOST, name


def test_while_there_is_room_no_count_is_anothers() -> None:
    log = [Did(f"own-{n % MOST_ACTIONS}", START_MS + n) for n in range(1_000)]
    assert named(habits_of(log)) == Counter(one.name for one in log)


def test_the_clock_tells_shares_of_however_many_events() -> None:
    dice = Random(4)
    log = [
        Did("click", START_MS + dice.choice([9, 20, 20, 20]) * HOUR_MS + dice.randrange(7) * 24 * HOUR_MS)
        for _ in range(5_000)
    ]
    clock = habits_of(log).clock
    assert 2 <= clock[20] / clock[9] <= 4
    assert sum(map(bool, clock[:HOURS])) == 2
    assert min(clock[HOURS:]) / max(clock[HOURS:]) > 0.6


def test_a_user_of_many_events_takes_no_more_room() -> None:
    dice = Random(2)
    log = [
        Did(
            dice.choice(["$pageview", "event_viewed", f"{dice.random():.60f}"]),
            START_MS + number * 60_000,
            {
                "community_id": f"{dice.random():.80f}",
                "category": f"{dice.random():.90f}",
                "price": dice.random(),
                "currency": dice.choice("ABCDEFGH") * 3,
            },
        )
        for number in range(30_000)
    ]
    profile = counted(log[:3_000])
    before = len(encode(profile.habits))
    assert len(encode(counted(log[3_000:], profile).habits)) <= before + 200
    assert before < 5_000


def test_clocks_are_set_back_within_the_day() -> None:
    fall = datetime(2026, 11, 1, 0, 30, tzinfo=ZoneInfo("America/New_York"))
    at = round(fall.timestamp() * 1000)
    log = [Did("click", at + hours * HOUR_MS) for hours in range(4)]
    hours = [count / ON_CLOCK for count in habits_of(log, "America/New_York").clock[:HOURS]]
    assert hours[:4] == [1, 2, 1, 0]


def test_what_is_paid_and_looked_at() -> None:
    log = [
        Did("ticket_purchased", START_MS, {"amount": 250, "currency": "INR"}),
        Did("ticket_purchased", START_MS + 1, {"amount": "99.5", "currency": "inr"}),
        Did("ticket_purchased", START_MS + 2, {"amount": 0}),
        Did("ticket_purchased", START_MS + 3, {"amount": -5}),
        Did("ticket_purchased", START_MS + 4, {"amount": None}),
        Did("event_viewed", START_MS + 5, {"price": 12, "currency": "EUR"}),
        Did("event_viewed", START_MS + 6, {"price": "free"}),
        Did("event_viewed", START_MS + 7, {}),
        *(
            Did("event_viewed", START_MS + n, {"price": n, "currency": code * 3})
            for n, code in enumerate("ABCD")
        ),
    ]
    spending = habits_of(log).spending
    assert spending is not None
    assert spending.bought == {"INR": Prices(99_500_000, 250_000_000, 2, 349_500_000), "": Prices(0, 0, 1, 0)}
    assert list(spending.viewed) == ["EUR", "AAA", "BBB", "CCC"]
    assert spending.viewed["EUR"] == Prices(12_000_000, 12_000_000, 1, 12_000_000)


def test_who_pays_nothing_has_no_spending() -> None:
    assert habits_of([Did("event_viewed", START_MS), Did("click", START_MS)]).spending is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["payment_failed", "payment_succeeded", "ticket_purchased"]), st.integers(0, 9)
        ),
        min_size=1,
        max_size=30,
    )
)
def test_failed_payments_in_a_row(drawn: list[tuple[str, int]]) -> None:
    log = [Did(name, START_MS + at, {}) for name, at in drawn]
    spending = habits_of(log).spending
    assert spending is not None
    assert spending.failures == plain_habits(log).failures


def test_a_late_failure_is_over_already() -> None:
    log = [
        Did("payment_failed", START_MS),
        Did("payment_succeeded", START_MS + 9),
        Did("payment_failed", START_MS + 4),
    ]
    spending = habits_of(log).spending
    assert spending is not None
    assert spending.failures == 0


@pytest.mark.parametrize("at", [0, START_MS - 600 * 24 * HOUR_MS])
def test_what_happened_long_ago_weighs_nothing(at: int) -> None:
    log = [Did("click", START_MS), Did("click", at, {"category": "music", "community_id": "c"})]
    assert named(habits_of(log)) == {"click": 1}


def test_the_numbers_of_actions_stay_what_they_are() -> None:
    """Profiles keep the numbers: to change one would turn what a user did into something else."""
    assert len(set(ACTIONS)) == len(ACTIONS)
    assert {event.name for event in CATALOGUE} - {event.name for event in SYSTEM} <= set(ACTIONS)
    numbered = {0: "$pageview", 21: "event_viewed", 28: "ticket_purchased", 36: "content_liked"}
    assert {number: ACTIONS[number] for number in numbered} == numbered
    assert (ACTIONS[49], ACTIONS[53]) == ("community_left", "experiment_exposed")


@given(st.sampled_from(ACTIONS) | st.text(max_size=64))
def test_every_name_has_a_key_of_its_own(name: str) -> None:
    assert action_name(ACTION_KEYS[name]) == name


def test_days_are_told_by_the_clock_of_the_newest_zone() -> None:
    noon = round(datetime(2026, 3, 2, 20, 0, tzinfo=UTC).timestamp() * 1000)
    log = [Did("click", noon, {"$timezone": "Asia/Kolkata"}), Did("click", noon)]
    habits = habits_of(log)
    assert habits.clock[1] == 2 * ON_CLOCK
    assert habits.clock[HOURS + 1] == 2 * ON_CLOCK  # Tuesday there, Monday in UTC.
