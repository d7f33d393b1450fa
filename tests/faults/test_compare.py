"""Every kind of difference is seen, and nothing else is one."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.faults.compare import (
    compare_events,
    compare_persons,
    compare_profiles,
    compare_windows,
    profile_of,
)
from tests.faults.oracle import (
    Expected,
    Measures,
    Place,
    StoredEvent,
    UserProfile,
    WindowKey,
    derived_session,
)
from tests.faults.persons import Asked, Member, Merge, Persons, Told

ROW = StoredEvent("p", "a", "click", "u", 5, 6, "s", '{"n": 1}', 440_400, "positive")
WINDOW = WindowKey("p", "events", "", "", "minute", 0)
PROFILE = UserProfile(1, 5, 2, (1, 5, 2), 1, {}, frozenset({0}))
MERGE = Merge(Told("p", "identify", "merged", "", "u", "a", "u"), frozenset({"a"}), frozenset({"u"}))


def persons(**changes: Any) -> Persons:
    """One merge and all that follows of it, but for the changes."""
    found: dict[str, Any] = {
        "requests": {((0, 1), Asked("p", "identify", "u", "a")): 1},
        "decisions": {0: (MERGE,)},
        "members": {("p", "u"): Member(frozenset({"u", "a"}), frozenset({"u"}))},
        "names": {("p", "a"): "u"},
        "merges": {MERGE: 1},
        "events": {("p", "u"): 1},
        "properties": {("p", "u"): {"plan": '"gold"'}},
    }
    return Persons(**found | changes)


def judged(
    *stored: tuple[Place, StoredEvent], enriched: tuple[Place, ...] = ((0, 0),), dead: tuple[Place, ...] = ()
) -> tuple[int, int]:
    """Lost and double, where the one event must be stored and enriched once."""
    found = compare_events(Expected(events={(0, 0): ROW}), stored, enriched, dead)
    assert bool(found.notes) is not found.none
    return found.lost, found.double


def test_what_is_as_it_must_be_is_no_difference() -> None:
    assert judged(((0, 0), ROW)) == (0, 0)


def test_a_missing_row_is_lost() -> None:
    assert judged() == (1, 0)


def test_a_second_row_is_double() -> None:
    assert judged(((0, 0), ROW), ((0, 0), ROW)) == (0, 1)


def test_a_row_of_a_repeated_event_is_double() -> None:
    assert judged(((0, 0), ROW), ((0, 9), ROW)) == (0, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(ROW._replace(timestamp_ms=6), id="time"),
        pytest.param(ROW._replace(received_ms=7), id="arrival"),
        pytest.param(ROW._replace(session_id=""), id="session"),
        pytest.param(ROW._replace(properties="{}"), id="properties"),
        pytest.param(ROW._replace(sentiment=None), id="sentiment"),
        pytest.param(ROW._replace(label="neutral"), id="label"),
    ],
)
def test_a_row_with_a_wrong_field_is_both(wrong: StoredEvent) -> None:
    assert judged(((0, 0), wrong)) == (1, 1)


def test_an_event_enriched_twice_is_double_though_stored_once() -> None:
    assert judged(((0, 0), ROW), enriched=((0, 0), (0, 0))) == (0, 1)


def test_a_dead_letter_of_a_good_event_is_double() -> None:
    assert judged(((0, 0), ROW), dead=((0, 0),)) == (0, 1)


def test_a_missing_dead_letter_is_lost() -> None:
    assert compare_events(Expected(dead={(0, 1)}), [], [], []).lost == 1


def test_an_event_without_a_uuid_may_have_any() -> None:
    wanted = Expected(events={(0, 0): ROW._replace(uuid=None)})

    assert compare_events(wanted, [((0, 0), ROW)], [(0, 0)], []).none


@pytest.mark.parametrize(
    ("found", "fits"),
    [
        pytest.param("01a0a4e2-840e-84e2-aa82-fef9d4ad0708", True, id="its time"),
        pytest.param("01a0a4e2-840f-84e2-aa82-fef9d4ad0708", False, id="another time"),
        pytest.param("01a0a4e2840e", False, id="no id"),
        pytest.param("", False, id="none"),
    ],
)
def test_a_session_of_the_stream_s_begins_with_its_time(found: str, fits: bool) -> None:
    wanted = Expected(events={(0, 0): ROW._replace(session_id=derived_session(0x01A0A4E2840E))})

    judged = compare_events(wanted, [((0, 0), ROW._replace(session_id=found))], [(0, 0)], [])

    assert judged.none is fits


def test_windows_differ_where_they_are_wrong_missing_or_too_many() -> None:
    right = {WINDOW: Measures(2)}

    assert compare_windows(right, right).none
    assert compare_windows(right, {WINDOW: Measures(3)}).wrong_windows == 1
    assert compare_windows(right, {}).wrong_windows == 1
    assert compare_windows({}, right).wrong_windows == 1


def test_profiles_differ_where_they_are_wrong_missing_or_too_many() -> None:
    user = ("p", "u")
    right = {user: PROFILE}
    wrong = UserProfile(1, 5, 3, (1, 5, 2), 1, {}, frozenset())

    assert compare_profiles(right, {user: (PROFILE,)}).none
    assert compare_profiles(right, {user: (wrong,)}).wrong_profiles == 1
    assert compare_profiles(right, {}).wrong_profiles == 1
    assert compare_profiles({}, {user: (PROFILE,)}).wrong_profiles == 1


def test_a_user_with_profiles_in_two_partitions_is_wrong() -> None:
    assert compare_profiles({("p", "u"): PROFILE}, {("p", "u"): (PROFILE, PROFILE)}).wrong_profiles == 1


def test_a_window_that_must_be_closed_is_wrong_while_it_is_open() -> None:
    closed = {WINDOW: Measures(2, closed=True)}

    assert compare_windows(closed, closed).none
    assert compare_windows(closed, {WINDOW: Measures(2)}).wrong_windows == 1
    assert compare_windows({WINDOW: Measures(2)}, closed).none


def test_users_are_counted_as_a_window_says() -> None:
    wanted, by_persons = {WINDOW: Measures(3)}, {WINDOW: 2}

    assert compare_windows(wanted, {WINDOW: Measures(3)}, by_persons).none
    assert compare_windows(wanted, {WINDOW: Measures(2, basis="persons")}, by_persons).none
    assert compare_windows(wanted, {WINDOW: Measures(3, basis="persons")}).none, "nothing to be joined"
    assert compare_windows(wanted, {WINDOW: Measures(3, basis="persons")}, by_persons).wrong_windows == 1
    assert compare_windows(wanted, {WINDOW: Measures(2)}, by_persons).wrong_windows == 1
    assert compare_windows(wanted, {}, by_persons).wrong_windows == 1


def test_persons_that_are_as_they_must_be_are_no_difference() -> None:
    assert compare_persons(persons(), persons()).none


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"requests": {}}, id="no request"),
        pytest.param({"requests": {((0, 1), Asked("p", "identify", "u", "a")): 2}}, id="two requests"),
        pytest.param({"disordered": 1}, id="requests out of order"),
        pytest.param({"decisions": {}}, id="no decision"),
        pytest.param({"decisions": {0: (MERGE, MERGE)}}, id="decided twice"),
        pytest.param({"members": {("p", "u"): Member(frozenset({"u"}), frozenset())}}, id="ids"),
        pytest.param({"members": {}}, id="no person"),
        pytest.param({"names": {("p", "a"): "b"}}, id="another person"),
        pytest.param({"merges": {MERGE._replace(kept=frozenset()): 1}}, id="journal"),
        pytest.param({"merges": {MERGE: 2}}, id="stored under two ids"),
        pytest.param({"events": {("p", "u"): 2}}, id="events"),
        pytest.param({"properties": {("p", "u"): {"plan": '"free"'}}}, id="property"),
    ],
)
def test_what_differs_of_persons_is_wrong(wrong: dict[str, Any]) -> None:
    found = compare_persons(persons(), persons(**wrong))

    # A merge under another entry is one that lacks and one that is too many.
    assert found.wrong_persons >= 1
    assert found.notes
    assert not found.none


def test_a_published_profile_is_read() -> None:
    days = base64.b64encode(bytes([0b101])).decode()
    value = {
        "first_seen": 1, "last_seen": 9, "events": 3, "session": [2, 9, 2],
        "sessions": 2, "active_day": 100, "active_days": days,
    }  # fmt: skip

    found = profile_of(value)

    assert found == UserProfile(1, 9, 3, (2, 9, 2), 2, {}, frozenset({100, 98}))
