"""What is told, how often, and what is kept of users; whatever the input is."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopin_schemas.codec import decode, encode
from loopin_schemas.model import SessionModel
from loopin_schemas.profile import Profile
from loopin_schemas.watch import Watch
from loopin_streams.anomalies.cap import MOST
from loopin_streams.anomalies.detector import Detector
from loopin_streams.anomalies.features import FEATURES, kept_rows, numbers_of, packed
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
    follower.see([Happened(n * 5 * SECOND) for n in range(6)])
    follower.detector.score([(KEY, follower.profile)], T)
    assert follower.detector.found == []
    follower.see([Happened(MINUTE + n * 8 * SECOND, "$exception") for n in range(120)])
    follower.detector.score([(KEY, follower.profile)], T)
    (found,) = follower.detector.found
    assert (found.kind, found.detector, found.since) == ("odd_session", "session_tails 7", T)
    assert found.score > found.threshold
    features = {feature.name: feature for feature in found.features}
    assert features["errors"].value == 120
    assert features["errors"].usual == 0
    assert sum(feature.weight for feature in found.features) <= 1.001
    assert (found.raw_partition, found.raw_offset) == (3, 125)


def test_what_a_rule_told_of_a_session_the_model_does_not_tell_again() -> None:
    follower = Follower(Detector(Known(ordinary())))
    follower.see([Happened(n * 300, "$exception") for n in range(400)])
    follower.detector.score([(KEY, follower.profile)], T)
    assert [one.kind for one in follower.detector.found] == ["burst"]


def test_the_model_is_asked_once_a_minute_or_when_a_session_has_doubled() -> None:
    asked: list[int] = []

    class Counting(Known):
        def sessions(self, project: str) -> SessionModel | None:
            asked.append(1)
            return ordinary()

    follower = Follower(Detector(Counting()))
    for n in range(64):
        follower.see([Happened(n * 100)])
        follower.detector.score([(KEY, follower.profile)], T)
    assert len(asked) == 5
    follower.see([Happened(MINUTE)])
    for _ in range(3):
        follower.detector.score([(KEY, follower.profile)], T)
    assert len(asked) == 6


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
    follower.detector.score([(KEY, follower.profile)], T + 2 * DAY)
    assert follower.detector.found == []


def test_of_many_who_fall_silent_at_once_all_are_told_in_time() -> None:
    profiles = []
    detector = Detector(Known())
    for number in range(MOST + 15):
        follower = Follower(detector, f"demo:user-{number}".encode())
        profile = follower.profile
        behaviour = profile.behaviour = new_behaviour(T)
        behaviour.known = True
        for day in range(30):
            follower.see([Happened(day * DAY)])
            count(behaviour, T + day * DAY, ())
        profiles.append((f"demo:user-{number}".encode(), profile))
    detector.found.clear()
    for day in range(30, 40):
        detector.sweep(profiles, T + day * DAY)
    told = [one.distinct_id for one in detector.found if one.kind == "sudden_inactivity"]
    assert sorted(told) == sorted({key.decode().partition(":")[2] for key, _ in profiles})
    assert detector.withheld["sudden_inactivity"] == 15


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
            st.sampled_from(["payment_failed", "$pageview", "ticket_purchased", "\ud800", ""]),
            st.dictionaries(named, values, max_size=5),
        ),
        max_size=30,
    )
)
def test_nothing_that_events_say_stops_the_stream(drawn: list[tuple[int, str, dict[str, Any]]]) -> None:
    follower = Follower(Detector(Known(ordinary())))
    for after, name, properties in drawn:
        follower.see([Happened(after, name, properties)])
        follower.detector.score([(KEY, follower.profile)], T)
    follower.detector.sweep([(KEY, follower.profile)], T + 2**42)
    for anomaly in follower.detector.found:
        assert encode(anomaly)
    watch = follower.profile.watch
    if watch is not None:
        assert decode(encode(watch), Watch) == watch
        assert msgspec.msgpack.encode(watch)
        assert len(packed([numbers_of(watch)])[0]) == len(FEATURES)


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
