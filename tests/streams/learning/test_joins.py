"""What a join counts for, against shares of attended joins that are faded by hand; in the evaluation, too."""

from __future__ import annotations

import math
from typing import Any

import pytest

from loopin_streams.behaviour.counts import DAY_MS
from loopin_streams.learning.targets import ATTENDANCE
from tests.evaluate.supervised import Supervised
from tests.streams.learning.did import Did, passed

START_MS = 1_767_225_600_000
HOUR_MS = 3_600_000


def did(day: float, event: str, event_id: str, **more: Any) -> Did:
    return Did("u", event, START_MS + round(day * DAY_MS), {"event_id": event_id, **more})


def chances(log: list[Did]) -> dict[str, float]:
    """By platform event, as the worker keeps them; the evaluation says the same."""
    judge = Supervised(ATTENDANCE)
    for one in log:
        judge.see(
            {
                "timestamp": one.at,
                "distinct_id": one.user,
                "event": one.event,
                "properties": dict(one.properties),
            }
        )
    behaviour = passed(log).profiles[b"demo:u"].behaviour
    assert behaviour is not None
    kept = {rsvp.event_id: rsvp.chance for rsvp in behaviour.rsvps}
    assert {event: judge.chances[event, "u"] for event in kept} == pytest.approx(kept, abs=1e-4)
    return kept


def share(joins: list[float], attended: list[float]) -> float:
    """What is left of each with a half-life of 25 days, by its age; as by five earlier joins with 70 %."""
    joined, came = (sum(math.exp2(-age / 25) for age in ages) for ages in (joins, attended))
    return (min(came, joined) + 3.5) / (joined + 5)


def test_who_asks_first_has_joined_once() -> None:
    log = [
        did(day + hour / 24, event, f"e{day}")
        for day in range(12)
        for hour, event in ((1, "event_join_requested"), (2, "event_joined"), (20, "event_attended"))
    ]
    found = chances([*log, did(12.1, "event_joined", "next")])["next"]
    ages = [float(12 - day) for day in range(12)]
    assert found == pytest.approx(share(ages, ages), abs=0.03)
    assert found > 0.88


def test_joined_again_is_joined_once() -> None:
    log = [did(number / 24, "event_joined", "party") for number in range(10)]
    found = chances([*log, did(0.5, "event_joined", "walk")])
    assert found["party"] == pytest.approx(0.7, abs=0.01)
    assert found["walk"] == pytest.approx(share([0], []), abs=0.03)


@pytest.mark.parametrize(
    ("between", "days", "joins"),
    [([], 1, [1.0]), ([did(0.5, "event_left", "party")], 1, [1.0, 0.0]), ([], 26, [26.0, 0.0])],
)
def test_a_join_counts_again_once_the_earlier_one_is_over(
    between: list[Did], days: int, joins: list[float]
) -> None:
    log = [did(0.1, "event_joined", "party"), *between, did(days + 0.1, "event_joined", "party")]
    found = chances([*log, did(days + 0.2, "event_joined", "walk")])["walk"]
    assert found == pytest.approx(share(joins, []), abs=0.02)


def test_of_an_event_that_is_put_off_the_participants_are_waited_for() -> None:
    log = [
        did(0, "event_joined", "party", starts_at=START_MS + 2 * DAY_MS),
        did(1, "event_joined", "party", starts_at=START_MS + 9 * DAY_MS),
        did(9.1, "event_attended", "party"),
        did(20, "$pageview", ""),
    ]
    [example] = [one for one in passed(log).examples if one.target == "attendance"]
    assert (example.made_at, example.known_at) == (START_MS, START_MS + 10 * DAY_MS)
    assert example.outcome


def put_off(day: float, to: float, came: float | None = None) -> Did:
    """A join that names a start; one that came later than it happened."""
    one = did(day, "event_joined", "party", starts_at=START_MS + round(to * DAY_MS))
    return one if came is None else one._replace(after=round((came - day) * DAY_MS))


@pytest.mark.parametrize(
    "joins",
    [
        [put_off(0, 2), put_off(0.5, 2), put_off(1, 9)],
        [put_off(0, 2), put_off(1, 9), put_off(0.5, 2, came=1.01)],
        [put_off(0, 2), put_off(1, 9), put_off(0.999, 2, came=1.01)],
    ],
)
def test_the_newest_join_says_when_it_begins_in_whatever_order_they_come(joins: list[Did]) -> None:
    log = [*joins, did(9.1, "event_attended", "party"), did(20, "$pageview", "")]
    [example] = [one for one in passed(log).examples if one.target == "attendance"]
    assert (example.made_at, example.known_at) == (START_MS, START_MS + 10 * DAY_MS)
    assert example.outcome


def test_who_came_to_one_date_is_not_known_to_come_to_the_next() -> None:
    log = [
        put_off(0, 1),
        did(1.1, "event_attended", "party"),
        put_off(1.5, 8),
        did(20, "$pageview", ""),
    ]
    found = [one for one in passed(log).examples if one.target == "attendance"]
    assert [(one.made_at - START_MS, one.known_at - START_MS, one.outcome) for one in found] == [
        (0, round(1.5 * DAY_MS), True),
        (round(1.5 * DAY_MS), 9 * DAY_MS, False),
    ]
