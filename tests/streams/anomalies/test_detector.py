"""What is told, how often, and what is kept of users; whatever the input is."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any
from zlib import crc32

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopin_schemas.codec import decode, encode
from loopin_schemas.model import SessionModel
from loopin_schemas.profile import Profile
from loopin_schemas.watch import Watch
from loopin_streams.anomalies.cap import MOST, Cap
from loopin_streams.anomalies.detector import Detector
from loopin_streams.anomalies.features import FEATURES, kept_rows, numbers_of, packed, snapshot
from loopin_streams.anomalies.following import SEATS
from loopin_streams.anomalies.tails import fitted
from loopin_streams.behaviour.counts import count, new_behaviour
from loopin_streams.state.keyed_store import MemoryStore
from loopin_streams.state.profiles import Profiles
from tests.streams.anomalies.following import (
    DAY,
    HOUR,
    KEY,
    MINUTE,
    SECOND,
    Follower,
    Happened,
    Known,
    T,
    at_place,
    on_device,
)


def failures(number: int, after: int = 0) -> list[Happened]:
    return [Happened(after + n * MINUTE, "payment_failed") for n in range(number)]


def ordinary() -> SessionModel:
    rng = random.Random(1)
    numbers = [
        [rng.randint(1, 12), 5, 2, 3, 4, 2, rng.randint(0, 5), 2, 1, 0, 0, 0, 0, 1, 1, 1] for _ in range(800)
    ]
    return fitted("demo", 7, kept_rows([row.tobytes() for row in packed(numbers)]), 0, 800)


def test_a_kind_is_told_of_a_user_once_a_day() -> None:
    follower = Follower()
    assert len(follower.see(failures(40))) == 1
    assert follower.see(failures(40, 5 * HOUR)) == []
    assert len(follower.see(failures(40, DAY))) == 1
    # Another kind, and another user, are told all the same.
    assert [one.kind for one in follower.see([Happened(DAY + HOUR + n * 500) for n in range(40)])] == [
        "burst"
    ]
    other = Follower(follower.detector, b"demo:bo")
    assert len(other.see(failures(40))) == 1


def test_of_a_project_no_more_is_told_in_a_minute_than_the_cap_and_the_rest_is_counted() -> None:
    detector = Detector(Known())
    for number in range(MOST + 25):
        Follower(detector, f"demo:user-{number}".encode()).see(failures(5))
    Follower(detector, b"other:asha").see(failures(5))
    # All of them in the same minute of arrival.
    assert [one.project for one in detector.found].count("demo") == MOST
    assert [one.project for one in detector.found].count("other") == 1
    assert detector.withheld == {"payment_failure_streak": 25}
    Follower(detector, b"demo:later").see(failures(5, HOUR))
    assert detector.found[-1].distinct_id == "later"


def test_the_cap_outlives_a_restart() -> None:
    detector, again = Detector(Known()), Detector(Known())
    for number in range(MOST):
        Follower(detector, f"demo:user-{number}".encode()).see(failures(5))
    told = detector.cap.changes()
    assert told is not None
    assert detector.cap.changes() is None
    again.cap.restore(told)
    Follower(again, b"demo:more").see(failures(5))
    assert (again.found, again.withheld) == ([], {"payment_failure_streak": 1})
    again.cap.restore(b"not what it was")
    assert again.cap.allows("demo", T)


def test_an_odd_session_is_told_with_what_made_it_odd() -> None:
    follower = Follower(Detector(Known(ordinary())))
    assert follower.see([Happened(n * 5 * SECOND) for n in range(6)]) == []
    (found,) = follower.see([Happened(MINUTE + n * 8 * SECOND, "$exception") for n in range(120)])
    assert (found.kind, found.detector, found.since) == ("odd_session", "session_tails 7", T)
    assert found.score > found.threshold
    errors = found.raw_offset - 5
    assert 1 <= errors < 120
    assert (found.at, found.event_name) == (T + MINUTE + (errors - 1) * 8 * SECOND, "$exception")
    features = {feature.name: feature for feature in found.features}
    assert features["errors"].value == errors
    assert features["errors"].usual == 0
    assert sum(feature.weight for feature in found.features) <= 1.001
    assert found.raw_partition == 3


@pytest.mark.parametrize(
    ("name", "kind"), [("payment_failed", "payment_failure_streak"), ("$exception", "odd_session")]
)
def test_what_a_rule_told_of_a_session_the_model_does_not_tell_again(name: str, kind: str) -> None:
    follower = Follower(Detector(Known(ordinary())))
    found = follower.see([Happened(n * 5 * SECOND, name) for n in range(100)])
    assert [one.kind for one in found] == [kind]


def test_the_model_is_asked_at_the_third_event_at_each_doubling_and_once_in_each_later_minute() -> None:
    asked: list[int] = []

    class Counting(Known):
        def sessions(self, project: str) -> SessionModel | None:
            asked.append(follower.offset)
            return ordinary()

    follower = Follower(Detector(Counting()))
    for n in range(64):
        follower.see([Happened(n * 100)])
    assert asked == [3, 6, 12, 24, 48]
    for n in range(10):
        follower.see([Happened(MINUTE + n)])
    follower.see([Happened(2 * MINUTE)])
    assert asked[5:] == [65, 75]


def test_all_sessions_of_a_project_are_asked_about_at_once() -> None:
    asked: list[str] = []

    class Counting(Known):
        def sessions(self, project: str) -> SessionModel | None:
            asked.append(project)
            return ordinary()

    Follower(Detector(Counting())).see([Happened(n * MINUTE) for n in range(20)])
    assert asked == ["demo"]


def plain_numbers(events: Sequence[Happened], hours: Sequence[int]) -> list[float]:
    """Of one session, by its events, the most in a minute left out; ``hours`` are those of all sessions."""

    def number(*names: str) -> int:
        return sum(event.name in names for event in events)

    minutes = (max(event.after for event in events) - events[0].after) / MINUTE
    kinds = len({event.name for event in events})
    at = hours[-1] // 2
    near = sum({0: 1.0, 1: 0.5, 11: 0.5}.get((hour // 2 - at) % 12, 0.0) for hour in hours)
    rarity = (2 * len(hours) / 12 + 1) / (near + 1) if len(hours) >= 10 else 1.0
    return [
        *(len(events), minutes, len(events) / max(1.0, minutes), kinds, len(events) / kinds),
        *(number("$pageview"), number("event_viewed"), number("content_liked"), number("ticket_purchased")),
        *(number("payment_failed"), number("$exception"), number("event_left")),
        *(1, len({event.properties["$device_type"] for event in events}), rarity),
    ]


def test_the_numbers_of_a_session_are_those_of_its_events() -> None:
    rng = random.Random(4)
    names = [
        "$pageview",
        "event_viewed",
        "content_liked",
        "ticket_purchased",
        "$exception",
        "event_left",
        "x",
    ]
    follower, hours, begins = Follower(), [], 0
    snapshots, plain = [], []
    for _ in range(25):
        begins += rng.choice((1, 3, 5, 24)) * HOUR
        hours.append((T + begins) // HOUR % 24)
        events: list[Happened] = []
        for after in sorted(rng.sample(range(20 * MINUTE), 12)):
            properties = on_device(rng.randint(1, 2), **at_place(1, 2))
            # The session begins with its first event.
            events.append(Happened(begins + (after if events else 0), rng.choice(names), properties))
        follower.see(events)
        watch = follower.profile.watch
        assert watch is not None
        assert watch.session is not None
        snapshots.append(snapshot(watch, watch.session))
        plain.append(plain_numbers(events, hours))
    found = np.delete(numbers_of(snapshots), [feature.name for feature in FEATURES].index("peak"), axis=1)
    assert found == pytest.approx(np.array(plain))
    assert found[:, -1].max() > 1.3


def test_a_silence_is_told_once_and_again_only_after_the_user_came_back() -> None:
    follower = Follower()
    profile = follower.profile
    profile.behaviour = new_behaviour(T)
    for day in range(30):
        follower.see([Happened(day * DAY)])
        count(profile.behaviour, T + day * DAY, ())
    profile.behaviour.known = True
    told = []
    for day in range(30, 70):
        follower.detector.sweep([(KEY, profile)], T + day * DAY)
        told += [(day, one.kind) for one in follower.detector.found]
        follower.detector.found.clear()
    assert told == [(34, "sudden_inactivity")]
    assert profile.watch is not None
    assert (profile.watch.session, profile.watch.place, profile.watch.seats) == (None, None, ())


@pytest.mark.parametrize("swept", [False, True])
def test_what_is_imported_of_long_ago_is_not_looked_at(swept: bool) -> None:
    follower = Follower(Detector(Known(ordinary())))
    follower.see([Happened(n * MINUTE) for n in range(3)])
    if swept:
        follower.detector.sweep([(KEY, follower.profile)], T + 2 * DAY)
    before = encode(follower.profile.watch)
    follower.see([Happened(n * 100 - 400 * DAY) for n in range(200)])
    assert encode(follower.profile.watch) == before
    assert follower.detector.found == []


def there_for_a_month(detector: Detector, number: int) -> list[tuple[bytes, Profile]]:
    """Users who have come each day."""
    profiles = []
    names = (f"demo:user-{number}".encode() for number in range(1000))
    # Those whose turn of the day comes before the time at which they fall silent.
    keys = [key for key in names if crc32(key) % 1440 * MINUTE < T % DAY][:number]
    for key in keys:
        follower = Follower(detector, key)
        profile = follower.profile
        behaviour = profile.behaviour = new_behaviour(T)
        behaviour.known = True
        for day in range(30):
            follower.see([Happened(day * DAY)])
            count(behaviour, T + day * DAY, ())
        profiles.append((key, profile))
    detector.found.clear()
    return profiles


def test_of_many_who_fall_silent_at_once_all_are_told_in_time() -> None:
    detector = Detector(Known())
    profiles = there_for_a_month(detector, MOST + 15)
    for day in range(30, 40):
        detector.sweep(profiles, T + day * DAY)
    told = [one.distinct_id for one in detector.found if one.kind == "sudden_inactivity"]
    assert sorted(told) == sorted(key.decode().partition(":")[2] for key, _ in profiles)
    assert detector.withheld["sudden_inactivity"] == 15


def test_where_many_fall_silent_what_goes_on_in_that_minute_is_told() -> None:
    detector = Detector(Known())
    day = 34
    detector.sweep(there_for_a_month(detector, MOST + 15), T + day * DAY)
    assert [one.kind for one in detector.found] == ["sudden_inactivity"] * MOST
    payer = Follower(detector, b"demo:payer")
    paying = [Happened(day * DAY + n * SECOND, "payment_failed") for n in range(4)]
    assert [one.kind for one in payer.see(paying)] == ["payment_failure_streak"]


def test_silences_do_not_decide_how_many_others_are_told() -> None:
    cap = Cap()
    assert [cap.allows_silence("demo", T) for _ in range(MOST + 1)] == [True] * MOST + [False]
    assert [cap.allows("demo", T) for _ in range(MOST + 1)] == [True] * MOST + [False]
    again = Cap()
    again.restore(cap.changes() or b"")
    assert not again.allows_silence("demo", T)
    assert again.allows_silence("demo", T + MINUTE)
    assert not again.allows("demo", T)
    # One that was written before silences were counted apart.
    again.restore(encode({"minute": T // MINUTE, "by_project": {"demo": MOST}, "version": 1}))
    assert not again.allows("demo", T)
    assert again.allows_silence("demo", T)


def test_a_clock_that_is_ahead_hides_nothing() -> None:
    plain, ahead = Follower(), Follower()
    raised = plain.see([Happened(0), *failures(5)])
    assert [one.kind for one in raised] == ["payment_failure_streak"]
    assert ahead.see([Happened(0, ahead=20 * HOUR), *failures(5)]) == raised


def test_finished_sessions_are_examples_and_say_whether_something_was_raised() -> None:
    detector = Detector(Known())
    for number in range(200):
        follower = Follower(detector, f"demo:user-{number}".encode())
        follower.see([Happened(0), Happened(10), Happened(20), Happened(2 * HOUR)])
        odd = Follower(detector, f"demo:odd-{number}".encode())
        odd.see([*failures(5), Happened(2 * HOUR)])
    examples = detector.examples
    assert 60 <= len(examples) <= 140
    assert all(one.outcome == one.distinct_id.startswith("odd") for one in examples)
    assert all((one.target, len(one.features)) == ("session", len(FEATURES)) for one in examples)


values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers())
)
named = st.sampled_from(
    ["$geoip_latitude", "$geoip_longitude", "$geoip_accuracy_radius", "$device_id", "$os", "os", "$browser"]
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-(2**40), 2**42) | st.integers(0, HOUR),
            st.sampled_from(["payment_failed", "$pageview", "ticket_purchased", "\U0010ffff", ""]),
            st.dictionaries(named, values, max_size=5),
        ),
        max_size=30,
    )
)
def test_nothing_that_events_say_stops_the_stream(drawn: list[tuple[int, str, dict[str, Any]]]) -> None:
    follower = Follower(Detector(Known(ordinary())))
    for after, name, properties in drawn:
        follower.see([Happened(after, name, properties)])
    follower.detector.sweep([(KEY, follower.profile)], T + 2**42)
    for anomaly in follower.detector.found:
        assert encode(anomaly)
    watch = follower.profile.watch
    if watch is not None:
        assert decode(encode(watch), Watch) == watch
        assert msgspec.msgpack.encode(watch)
        if watch.session is not None:
            assert packed(numbers_of([snapshot(watch, watch.session)])).shape == (1, len(FEATURES))


def wild(number: int) -> Iterator[Happened]:
    rng = random.Random(number)
    after = 0
    for n in range(number):
        after += rng.choice((50, SECOND, MINUTE, HOUR, 30 * HOUR))
        place = at_place(rng.uniform(-90, 90), rng.uniform(-180, 180))
        yield Happened(after, f"event {n}", on_device(n, **place))


def test_what_is_kept_of_a_user_is_bounded() -> None:
    follower = Follower()
    follower.see(wild(3000))
    watch = follower.profile.watch
    assert watch is not None
    assert len(watch.seats) <= SEATS
    assert len(encode(watch)) < 1000
    quiet = Follower()
    quiet.see([Happened(n * MINUTE, properties=on_device(1, **at_place(1, 2))) for n in range(30)])
    quiet.detector.sweep([(KEY, quiet.profile)], T + 3 * DAY)
    assert len(encode(quiet.profile.watch)) < 100


def test_a_profile_keeps_its_watch() -> None:
    follower = Follower()
    follower.see(wild(50))
    profiles = Profiles(MemoryStore())
    (message,) = profiles.save([(KEY, follower.profile)])
    assert profiles.load([KEY]) == [follower.profile]
    assert message[1] is not None
    assert decode(message[1], Profile) == follower.profile
