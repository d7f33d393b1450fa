"""Each rule against plain code of its own, and the cases in which nothing is to be said."""

from __future__ import annotations

import math
import random
from collections import defaultdict

import pytest

from loopin_schemas.behaviour import KINDS, Behaviour
from loopin_streams.anomalies.rules import RULES
from loopin_streams.anomalies.silence import silence
from loopin_streams.behaviour.counts import count, new_behaviour
from tests.streams.anomalies.following import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Follower,
    Happened,
    T,
    at_place,
    on_device,
)

LONDON, PARIS, SYDNEY = (51.51, -0.13), (48.86, 2.35), (-33.87, 151.21)


def kinds(follower: Follower, events: list[Happened]) -> list[str]:
    return [one.kind for one in follower.see(events)]


def chord_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """The way over the surface by the chord through the Earth."""
    points = []
    for latitude, longitude in (a, b):
        p, q = math.radians(latitude), math.radians(longitude)
        points.append((math.cos(p) * math.cos(q), math.cos(p) * math.sin(q), math.sin(p)))
    return 2 * 6371.0088 * math.asin(min(1.0, math.dist(*points) / 2))


@pytest.mark.parametrize("seed", range(8))
def test_travel_is_impossible_where_plain_geometry_says_so(seed: int) -> None:
    rng = random.Random(seed)
    after, before = 0, None
    raised: list[int] = []
    expected: list[int] = []
    follower = Follower()
    for _ in range(60):
        after += rng.choice((10 * MINUTE, 2 * HOUR, 8 * HOUR, 26 * HOUR))
        place = rng.choice((LONDON, PARIS, SYDNEY, (51.6, -0.2)))
        off = rng.choice((5, 50))
        found = follower.see([Happened(after, properties=at_place(*place, off))])
        raised += [one.at for one in found if one.kind == "impossible_travel"]
        if before is not None:
            was, was_off, was_after = before
            hours = (after - was_after) / HOUR
            if (chord_km(was, place) - off - was_off) / hours >= 1000 and (
                not expected or T + after - expected[-1] >= DAY
            ):
                expected.append(T + after)
        before = place, off, after
    assert raised == expected
    assert expected


def test_places_that_may_be_the_same_are_no_travel() -> None:
    near = [Happened(0, properties=at_place(51.5, -0.1, 300)), Happened(60, properties=at_place(53, -2, 300))]
    assert kinds(Follower(), near) == []


@pytest.mark.parametrize(
    ("gap_ms", "number", "raised"), [(1000, 60, True), (1900, 60, True), (2100, 200, False)]
)
def test_a_burst_is_thirty_events_within_a_minute(gap_ms: int, number: int, raised: bool) -> None:
    events = [Happened(gap_ms * n, "click") for n in range(number)]
    assert kinds(Follower(), events) == (["burst"] if raised else [])


@pytest.mark.parametrize("seed", range(60))
def test_a_burst_is_counted_across_clock_minutes(seed: int) -> None:
    """Around thirty events in somewhat more than a minute, as they fall; some come late."""
    rng = random.Random(seed)
    begins, spread = rng.randrange(MINUTE), rng.choice((40, 60, 70, 90)) * SECOND
    times = sorted(begins + rng.randrange(spread) for _ in range(rng.randrange(27, 38)))
    for place in range(3, len(times), 5):
        times[place - 1], times[place] = times[place], times[place - 1]
    newest = 0
    expected = []
    for number, after in enumerate(times, start=1):
        newest = max(newest, after)
        if sum(newest - MINUTE < time <= newest for time in times[:number]) >= 30:
            expected.append(T + after)
    found = [one.at for one in Follower().see([Happened(after, "click") for after in times])]
    assert found == expected[:1]


def test_what_is_usual_for_a_user_is_no_burst() -> None:
    often = [Happened(minute * MINUTE + n * 4000, "click") for minute in range(40) for n in range(15)]
    follower = Follower()
    assert kinds(follower, often) == []
    more = [Happened(HOUR + n * 1500, "click") for n in range(40)]
    assert kinds(follower, more) == []
    assert kinds(Follower(), more) == ["burst"]


def test_a_burst_tells_what_was_usual() -> None:
    follower = Follower()
    follower.see([Happened(minute * MINUTE, "click") for minute in range(20)])
    (found,) = follower.see([Happened(21 * MINUTE + n * 500, "click") for n in range(40)])
    features = {feature.name: feature.value for feature in found.features}
    assert features["events_in_a_minute"] == 30
    assert 1 <= features["events_in_a_usual_minute"] <= 1.1
    assert (found.raw_partition, found.raw_offset, found.event_name) == (3, 49, "click")


def taking_turns(devices: list[int], places: list[tuple[float, float]], gap: int) -> list[Happened]:
    return [
        Happened(n * gap, properties=on_device(device, **at_place(*places[n % len(places)])))
        for n, device in enumerate(devices)
    ]


def test_an_account_is_shared_where_two_far_devices_take_turns() -> None:
    # So near to each other that nobody has travelled too fast.
    places = [LONDON, (52.5, -1.5)]
    assert kinds(Follower(), taking_turns([1, 2, 1, 2, 1], places, 15 * MINUTE)) == ["account_sharing"]
    assert kinds(Follower(), taking_turns([1, 2, 1, 2], places, 15 * MINUTE)) == []
    # Too slowly: within an hour there are not three returns.
    assert kinds(Follower(), taking_turns([1, 2, 1, 2, 1, 2, 1], places, 35 * MINUTE)) == []


def test_one_person_may_have_two_devices_at_one_place_but_not_three_at_a_time() -> None:
    assert kinds(Follower(), taking_turns([1, 2] * 6, [LONDON], 5 * MINUTE)) == []
    assert kinds(Follower(), taking_turns([1, 2, 3, 1, 2, 3], [LONDON], 5 * MINUTE)) == ["account_sharing"]


def test_events_that_name_no_device_are_of_none() -> None:
    events = [
        Happened(n * MINUTE, properties=on_device(1) if n % 2 else {"$os": "Linux", "browser": 7})
        for n in range(20)
    ]
    assert kinds(Follower(), events) == []


@pytest.mark.parametrize("seed", range(6))
def test_a_streak_is_four_failures_in_a_row(seed: int) -> None:
    rng = random.Random(seed)
    after, row, last, events = 0, 0, -2 * DAY, []
    expected: list[int] = []
    for _ in range(400):
        after += rng.choice((MINUTE, HOUR, 5 * HOUR, 25 * HOUR))
        name = rng.choice(("payment_failed", "payment_failed", "payment_failed", "ticket_purchased", "click"))
        events.append(Happened(after, name))
        if name == "payment_failed":
            row = row + 1 if after - last <= DAY else 1
            last = after
            if row >= 4 and (not expected or T + after - expected[-1] >= DAY):
                expected.append(T + after)
        elif name == "ticket_purchased":
            row = 0
    found = [one.at for one in Follower().see(events) if one.kind == "payment_failure_streak"]
    assert found == expected
    assert expected


def test_a_failure_that_comes_late_does_not_end_a_streak() -> None:
    """Each is within a day of the newest one, and only two of them of the late one."""
    times = [0, 20 * MINUTE, 10 * MINUTE, 20 * MINUTE + DAY]
    late = [Happened(after, "payment_failed") for after in times]
    assert kinds(Follower(), late) == ["payment_failure_streak"]
    beyond = [*late[:3], Happened(times[-1] + 1, "payment_failed")]
    assert kinds(Follower(), beyond) == []


def behaviour_of(days: list[int], known: bool = True) -> Behaviour:
    behaviour = new_behaviour(days[0] * DAY)
    for day in days:
        count(behaviour, day * DAY + 10 * HOUR, ())
    behaviour.known = known
    return behaviour


@pytest.mark.parametrize("seed", range(6))
def test_silence_is_what_chance_does_not_make(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        share = rng.uniform(0.1, 1)
        days = [day for day in range(20_000, 20_000 + rng.randint(5, 90)) if rng.random() < share] or [20_000]
        behaviour = behaviour_of(days)
        last, first, on = days[-1], days[0], set(days)
        for away in range(1, 40):
            # The days of silence that are over, none of which is in part.
            found = silence(behaviour, (last + 1 + away) * DAY)
            paces = []
            for length in (14, 28, 64):
                there = sum(last - back in on for back in range(length))
                paces.append(there / min(length, last - first + 1))
            active = sum(last - back in on for back in range(28))
            chance = (1 - min(*paces, 0.95)) ** away
            expected = active >= 8 and 4 <= away <= 30 and chance <= 1 / 5000
            assert (found is not None) == expected, (days, away)
            if found is not None:
                assert found.score == pytest.approx(chance)


def test_visitors_do_not_fall_silent() -> None:
    assert silence(behaviour_of(list(range(20_000, 20_030)), known=False), 20_045 * DAY) is None
    assert silence(behaviour_of(list(range(20_000, 20_030))), 20_045 * DAY) is not None
    assert KINDS


def test_rules_are_named_once() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names) == 5
    by_name: dict[str, list[str]] = defaultdict(list)
    for rule in RULES:
        by_name[rule.name].append(rule.source)
    assert all(sources[0] for sources in by_name.values())
    assert SECOND
