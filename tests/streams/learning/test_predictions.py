"""Outcomes against a plain look at the days on which a user was there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.behaviour import Behaviour, Rsvp
from loopin_streams.behaviour.counts import DAY_MS, count, new_behaviour
from loopin_streams.learning import predictions

START_MS = 20_000 * DAY_MS
HOUR_MS = 3_600_000
FEATURES = b"-"


def seen_on(days: list[int]) -> Behaviour:
    behaviour = new_behaviour(START_MS)
    behaviour.known = True
    for day in days:
        count(behaviour, START_MS + day * DAY_MS + 1000, ())
    return behaviour


@given(st.sets(st.integers(0, 90), min_size=1), st.integers(8, 40))
def test_who_has_left_was_not_seen_from_the_15th_to_the_30th_day_after(days: set[int], made: int) -> None:
    known_by = sorted(day for day in days if day <= made + 31) or [0]
    behaviour = seen_on(known_by)
    at = START_MS + made * DAY_MS + 1
    gone = not any(made + 15 <= day <= made + 30 for day in known_by)
    assert predictions.has_left(behaviour, at) == gone


def test_outcomes_are_told_once_when_their_time_has_come() -> None:
    behaviour = seen_on([0, 1, 8])
    at = START_MS + 9 * DAY_MS
    predictions.note(behaviour, at, FEATURES)
    predictions.bought(behaviour, at + DAY_MS)
    assert not [*predictions.known(behaviour, START_MS + 23 * DAY_MS)]
    (bought,) = predictions.known(behaviour, START_MS + 24 * DAY_MS)
    assert (bought.target.name, bought.happened, bought.made_at) == ("conversion", True, at)
    assert not [*predictions.known(behaviour, START_MS + 39 * DAY_MS)]
    (left,) = predictions.known(behaviour, START_MS + 40 * DAY_MS)
    assert (left.target.name, left.happened, left.known_at) == ("churn", True, START_MS + 40 * DAY_MS)
    assert not behaviour.snapshots


@pytest.mark.parametrize(("after_days", "happened"), [(0, False), (1, True), (14, True), (15, False)])
def test_a_ticket_counts_in_the_14_days_after(after_days: int, happened: bool) -> None:
    behaviour = seen_on([0, 1, 8])
    at = START_MS + 9 * DAY_MS
    predictions.note(behaviour, at, FEATURES)
    predictions.bought(behaviour, at + after_days * DAY_MS)
    outcome = next(predictions.known(behaviour, at + 20 * DAY_MS))
    assert outcome.happened == happened


def test_of_new_users_no_churn_is_learned() -> None:
    behaviour = seen_on([0, 1, 2])
    predictions.note(behaviour, START_MS + 3 * DAY_MS, FEATURES)
    outcomes = [*predictions.known(behaviour, START_MS + 60 * DAY_MS)]
    assert [outcome.target.name for outcome in outcomes] == ["conversion"]


def test_only_of_users_with_an_account_who_came_a_few_times_and_lately() -> None:
    now = START_MS + 9 * DAY_MS
    assert predictions.is_predicted(seen_on([0, 1, 8]), now)
    assert not predictions.is_predicted(seen_on([0, 8]), now)
    assert not predictions.is_predicted(seen_on([0, 1, 8]), START_MS + 39 * DAY_MS)
    visitor = seen_on([0, 1, 8])
    visitor.known = False
    assert not predictions.is_predicted(visitor, now)


def test_a_prediction_is_noted_each_week_at_the_users_own_moment() -> None:
    behaviour = seen_on([0, 1, 8])
    phase = START_MS % predictions.WEEK_MS + 3 * DAY_MS
    assert not [*predictions.pass_time(behaviour, START_MS + 17 * DAY_MS, phase)]
    assert [(one.at - START_MS) // DAY_MS for one in behaviour.snapshots] == [10, 17]
    assert not [*predictions.pass_time(behaviour, START_MS + 38 * DAY_MS, phase)][2:]
    # None after a month without a visit.
    assert [(one.at - START_MS) // DAY_MS for one in behaviour.snapshots] == [10, 17, 24, 31, 38]
    told = [*predictions.pass_time(behaviour, START_MS + 200 * DAY_MS, phase)]
    assert not behaviour.snapshots
    assert not [*predictions.pass_time(behaviour, START_MS + 300 * DAY_MS, phase)]
    assert {one.target.name for one in told} == {"churn", "conversion"}


@given(st.lists(st.integers(0, 60 * 24), min_size=1, max_size=40), st.integers(0, 7 * 24 * 60 - 1), st.data())
def test_when_time_is_told_to_pass_makes_no_difference(
    hours: list[int], phase: int, data: st.DataObject
) -> None:
    told: list[list[predictions.Outcome]] = []
    asked = data.draw(st.lists(st.integers(0, 100 * 24), max_size=20))
    for extra in ([], asked):
        behaviour = new_behaviour(START_MS + min(hours) * HOUR_MS)
        behaviour.known = True
        outcomes: list[predictions.Outcome] = []
        moments = sorted([(hour, True) for hour in hours] + [(hour, False) for hour in extra])
        for hour, happens in moments:
            at = START_MS + hour * HOUR_MS
            if not happens:
                outcomes += predictions.pass_time(behaviour, at, phase * 60_000)
            else:
                if at >= behaviour.due:
                    outcomes += predictions.pass_time(behaviour, at, phase * 60_000)
                count(behaviour, at, ())
        outcomes += predictions.pass_time(behaviour, START_MS + 200 * DAY_MS, phase * 60_000)
        told.append(sorted(outcomes, key=lambda one: (one.made_at, one.target.name)))
    assert told[0] == told[1]


def test_participants_who_came_and_who_did_not_are_known_at_the_same_time() -> None:
    behaviour = seen_on([0])
    for name in ("came", "missed", "left"):
        predictions.joined(behaviour, Rsvp(name, START_MS, FEATURES, 0.7))
    predictions.attended(behaviour, "came", START_MS + 3 * DAY_MS)
    predictions.attended(behaviour, "never joined", START_MS + 3 * DAY_MS)
    predictions.left(behaviour, "left")
    assert not [*predictions.known(behaviour, START_MS + 25 * DAY_MS)]
    outcomes = [*predictions.known(behaviour, START_MS + 25 * DAY_MS + 1)]
    assert {(one.subject, one.happened, one.known_at) for one in outcomes} == {
        ("came", True, START_MS + 25 * DAY_MS),
        ("missed", False, START_MS + 25 * DAY_MS),
    }
    assert not behaviour.rsvps


def test_joined_again_is_joined_once_and_few_are_kept() -> None:
    behaviour = seen_on([0])
    for number in range(80):
        predictions.joined(behaviour, Rsvp(f"event-{number % 40}", START_MS + number, FEATURES, 0.7))
    assert [rsvp.event_id for rsvp in behaviour.rsvps] == [f"event-{number}" for number in range(8, 40)]
