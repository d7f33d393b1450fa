"""Rows of users who do not come any more, day by day, as the stream keeps their profiles."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from loopin_schemas.codec import decode
from loopin_schemas.profile import Profile
from loopin_sinks.persons.habit_rows import analysed_at
from loopin_sinks.persons.profile_rows import Known, profiles_to_arrow
from loopin_streams.learning.answers import Answers
from loopin_streams.learning.foresight import Foresight
from tests.sinks.persons.lived import TOPIC_ID
from tests.streams.enrich.drafts import RECEIVED_MS
from tests.streams.enrich.ledger import Ledger, raw
from tests.streams.plain_state import DAY, HOUR, MINUTE, Happened

AWAY = 75
LAST = 30
"""Days after the last event of which the last look is; outcomes of predictions are known 30 days later."""

DAYS_THERE = {"regular": range(21), "seldom": range(0, 21, 10), "visitor": range(20, 21), "system": range(21)}
NAMES = ("$pageview", "message_sent", "content_liked")


def log() -> list[Happened]:
    """Users who are there until the same day, and never again."""
    found = []
    for day in range(21):
        for place, (user, days) in enumerate(DAYS_THERE.items()):
            names = ("$pageview",) * 3 if user == "visitor" else NAMES
            names = ("api_request",) * 3 if user == "system" else names
            at = RECEIVED_MS + day * DAY + place * MINUTE
            more = {"endpoint": "/", "method": "GET", "status_code": 200, "duration_ms": 1}
            found += [
                Happened("demo", user, name, at + number, at + number, more if user == "system" else {})
                for number, name in enumerate(names)
                if day in days
            ]
    return found


def row(profile: Profile) -> dict[str, Any]:
    [found] = profiles_to_arrow([Known("demo", "u", profile, 1)], TOPIC_ID, 0).to_pylist()
    return dict(found)


def lives(*, again: bool) -> tuple[dict[str, list[dict[str, Any]]], dict[str, list[int]]]:
    """Each day's row of each user from the last event on, and on which days their profiles were written.

    ``again``: a successor takes over each day.
    """
    ledger = Ledger()
    absorber, sent = ledger.open(), [raw(offset, one) for offset, one in enumerate(log())]
    ledger.absorb(absorber, sent)
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    written: dict[str, list[int]] = defaultdict(list)
    last = max(one.at for one in log())
    for day in range(AWAY):
        if day:
            before = len(ledger.topics["profiles"])
            for hour in range(24):
                ledger.idle(absorber, last + (day - 1) * DAY + (hour + 1) * HOUR + MINUTE)
            for key, _ in ledger.topics["profiles"][before:]:
                written[(key or b"").decode().removeprefix("demo:")].append(day)
        for key, value in ledger.newest("profiles").items():
            rows[key.decode().removeprefix("demo:")].append(row(decode(value, Profile)))
        if again:
            absorber = ledger.open()
    return rows, written


@pytest.fixture(scope="module")
def lived() -> tuple[dict[str, list[dict[str, Any]]], dict[str, list[int]]]:
    return lives(again=False)


def test_time_alone_neither_turns_back_nor_makes_anybody_more_engaged(
    lived: tuple[dict[str, list[dict[str, Any]]], dict[str, list[int]]],
) -> None:
    for user in DAYS_THERE:
        days = lived[0][user]
        assert len(days) == AWAY
        for before, after in pairwise(days):
            assert before["analysed_at"] <= after["analysed_at"], user
            assert before["engagement_score"] >= after["engagement_score"], user
    trends = [day["engagement_trend"] for day in lived[0]["regular"]]
    assert trends == sorted(trends, reverse=True) == trends
    assert (trends[0], trends[-1]) == ("stable", "decreasing")


def test_who_has_left_stays_as_of_the_last_look(
    lived: tuple[dict[str, list[dict[str, Any]]], dict[str, list[int]]],
) -> None:
    for user in DAYS_THERE:
        first, left = lived[0][user][0], lived[0][user][-1]
        assert first["analysed_at"] == first["last_seen"]
        assert first["engagement_score"] > 0.05, user
        assert left["analysed_at"] == left["last_seen"] + timedelta(days=LAST)
        assert left["engagement_score"] == 0, user
        assert left["score_targets"] == []


def test_who_is_scored_is_looked_at_each_day_and_who_is_not_each_week(
    lived: tuple[dict[str, list[dict[str, Any]]], dict[str, list[int]]],
) -> None:
    for user, most in (("regular", timedelta(days=1)), ("visitor", timedelta(days=7))):
        at = RECEIVED_MS + 20 * DAY
        for day, found in enumerate(lived[0][user][:LAST]):
            now = datetime.fromtimestamp(at / 1000 + day * 86_400, UTC)
            assert now - found["analysed_at"] <= most + timedelta(hours=1), (user, day)


def test_a_profile_is_not_written_for_ever(
    lived: tuple[dict[str, list[dict[str, Any]]], dict[str, list[int]]],
) -> None:
    assert {user for user, days in lived[1].items() if days[-1] > 2 * LAST + 2} == set()
    assert len(lived[1]["visitor"]) <= 7
    assert len(lived[1]["system"]) == 1


def test_successors_find_the_same(
    lived: tuple[dict[str, list[dict[str, Any]]], dict[str, list[int]]],
) -> None:
    assert lives(again=True) == lived


@pytest.mark.parametrize("days", [0, 40])
def test_a_look_by_an_earlier_clock_does_not_turn_back_either(days: int) -> None:
    """An event that came late is scored as of its arrival, which the watermark of the next turn is before.

    And of an import that tells of 40 days ago nothing is predicted any more.
    """
    ledger = Ledger()
    ledger.absorb(ledger.open(), [raw(offset, one) for offset, one in enumerate(log())])
    profile, foresight = decode(ledger.newest("profiles")[b"demo:regular"], Profile), Foresight(Answers())
    came = profile.last_seen + 5 * HOUR
    foresight.score([(b"demo:regular", profile, came)])
    assert profile.scores
    assert analysed_at(profile) == came
    foresight.score([(b"demo:regular", profile, came + days * DAY)])
    assert bool(profile.scores) == (not days)
    foresight.sweep([(b"demo:regular", profile)], came - MINUTE)
    assert analysed_at(profile) == came
