"""What is learned of users whose events come late, ahead of time, or from an import beside live traffic."""

from __future__ import annotations

from math import exp

import pytest

from loopin_schemas.behaviour import KINDS, Rsvp
from loopin_schemas.example import Example
from loopin_streams.behaviour.counts import DAY_MS
from loopin_streams.behaviour.rates import faded
from loopin_streams.learning.foresight import phase_of
from tests.streams.learning.did import Did, passed
from tests.streams.one_partition import OnePartition

START_MS = 1_767_225_600_000
HOUR_MS = 3_600_000
NOW_MS = START_MS + 400 * DAY_MS


def of(target: str, found: OnePartition) -> list[Example]:
    return [example for example in found.examples if example.target == target]


def rsvps(found: OnePartition) -> tuple[Rsvp, ...]:
    behaviour = found.profiles[b"demo:u"].behaviour
    assert behaviour is not None
    return behaviour.rsvps


@pytest.mark.parametrize("live", [0, 1, 2])
@pytest.mark.parametrize("hours", [2, 36])
def test_who_came_every_day_has_not_left_while_the_history_is_imported(hours: int, live: int) -> None:
    """120 days of ten users in order of time, and live traffic of others meanwhile and after it."""
    users = [f"old-{number}" for number in range(10)]
    days = [(day, user) for day in range(120) for user in users]
    log: list[Did] = []
    for number, (day, user) in enumerate(days):
        came = NOW_MS + number * hours * HOUR_MS // len(days)
        at = NOW_MS + (day - 120) * DAY_MS + 12 * HOUR_MS
        log.append(Did(user, "content_liked", at, {"object_id": "x"}, came - at))
        log += [
            Did(f"live-{number % 20}", "content_liked", came - 5, {"object_id": "x"}, 5) for _ in range(live)
        ]
    until = NOW_MS + hours * HOUR_MS
    log += [
        Did(f"live-{minute % 20}", "content_liked", until + minute * 60_000, {"object_id": "x"})
        for minute in range(0, 2 * 24 * 60, 2)
    ]
    found = passed(log, batch=50)
    told = [example for example in of("churn", found) if example.distinct_id.startswith("old")]
    # Thirteen weeks of each have had 30 days more.
    assert len(told) >= 11 * len(users)
    assert not any(example.outcome for example in told)
    assert not [one for one in found.anomalies if one.distinct_id.startswith("old")]


def test_ids_of_platform_events_may_be_numbers() -> None:
    joined = [Did("u", "event_joined", START_MS + n * HOUR_MS, {"event_id": 100 + n}) for n in range(3)]
    assert [rsvp.event_id for rsvp in rsvps(passed(joined))] == ["100", "101", "102"]
    came = [Did("u", "event_attended", START_MS + DAY_MS, {"event_id": 101})]
    later = [Did("u", "$pageview", START_MS + 40 * DAY_MS, {})]
    examples = of("attendance", passed(joined + came + later))
    assert [(example.subject, example.outcome) for example in examples] == [
        ("100", False),
        ("101", True),
        ("102", False),
    ]


def test_where_it_is_known_when_an_event_begins_its_participants_are_waited_for() -> None:
    begins = START_MS + 60 * DAY_MS
    log = [
        Did("u", "event_joined", START_MS, {"event_id": "late", "starts_at": begins}),
        Did("u", "event_joined", START_MS + 1, {"event_id": "soon", "starts_at": "not a time"}),
        Did("u", "event_joined", START_MS + 2, {"event_id": "never", "starts_at": "9999-12-31T00:00:00Z"}),
        Did("u", "content_liked", START_MS + 40 * DAY_MS, {"object_id": "x"}),
    ]
    assert [rsvp.event_id for rsvp in rsvps(passed(log))] == ["late"]
    log += [
        Did("u", "event_attended", begins + HOUR_MS, {"event_id": "late"}),
        Did("u", "$pageview", begins + 2 * DAY_MS, {}),
    ]
    examples = of("attendance", passed(log))
    assert {example.subject: example.outcome for example in examples} == {
        "soon": False,
        "never": False,
        "late": True,
    }


def test_of_a_join_that_came_after_later_events_nothing_is_learned() -> None:
    before = [Did("u", "event_viewed", START_MS + day * DAY_MS, {"event_id": "x"}) for day in range(5)]
    at = START_MS + 5 * DAY_MS
    bought = [
        Did("u", "ticket_purchased", at + n * HOUR_MS, {"event_id": "e", "amount": 5}) for n in (1, 2, 3)
    ]
    joined = [Did("u", "event_joined", at, {"event_id": "e"}, 4 * HOUR_MS)]
    later = [Did("u", "$pageview", at + 40 * DAY_MS, {})]
    assert [rsvp.event_id for rsvp in rsvps(passed(before + bought + joined))] == ["e"]
    assert not of("attendance", passed(before + bought + joined + later))
    assert len(of("attendance", passed(before + joined + later))) == 1


def test_a_clock_that_runs_ahead_ends_no_horizon() -> None:
    # A user whose predictions are noted late enough in a day for something to come before on their last one.
    user = next(name for name in "uvwxyz" if phase_of(f"demo:{name}".encode()) % DAY_MS > 8 * HOUR_MS)
    log = [Did(user, "event_joined", START_MS + day * DAY_MS, {"event_id": f"x{day}"}) for day in range(25)]
    behaviour = passed(log).profiles[f"demo:{user}".encode()].behaviour
    assert behaviour is not None
    made = behaviour.snapshots[-1].at
    last_day = (made // DAY_MS + 14) * DAY_MS
    log += [
        # By its own clock the last day is over.
        Did(user, "$pageview", last_day + 25 * HOUR_MS, {}, -22 * HOUR_MS),
        Did(user, "ticket_purchased", made + 14 * DAY_MS - HOUR_MS, {"event_id": "x", "amount": 5}),
        Did(user, "$pageview", made + 70 * DAY_MS, {}),
    ]
    examples = of("conversion", passed(log))
    assert [example.outcome for example in examples if example.made_at == made] == [True]


def test_of_who_has_left_nothing_changes_any_more() -> None:
    log = [Did("gone", "event_joined", START_MS + day * DAY_MS, {"event_id": "x"}) for day in range(10)]
    log += [Did("live", "$pageview", START_MS + day * DAY_MS, {}) for day in range(10, 90)]
    before = passed(log).profiles[b"demo:gone"]
    log += [Did("live", "$pageview", START_MS + day * DAY_MS, {}) for day in range(90, 200)]
    later = passed(log)
    assert later.profiles[b"demo:gone"] == before
    # Who comes again is predicted of as ever.
    log += [
        Did("gone", "content_liked", START_MS + day * DAY_MS, {"object_id": "x"}) for day in range(200, 280)
    ]
    again = of("churn", passed(log))
    told = [example.made_at for example in again if example.distinct_id == "gone"]
    assert max(told) > START_MS + 230 * DAY_MS
    assert not [at for at in told if START_MS + 45 * DAY_MS < at < START_MS + 200 * DAY_MS]


def test_scores_of_an_import_are_of_when_it_comes() -> None:
    """As if the events had come when they happened, and the time had passed since."""
    log = [Did("u", "event_joined", START_MS + day * DAY_MS, {"event_id": "x"}) for day in range(20)]
    later = START_MS + 39 * DAY_MS
    imported = passed([did._replace(after=later - did.at) for did in log]).profiles[b"demo:u"]
    assert imported.behaviour is not None
    assert imported.scores["churn"].at == later
    # The heuristic's formula, of 20 days away and the visits that the user's pace lets expect in them.
    _, rates, _, _ = faded([imported.behaviour], [later])
    missed = 20 * rates[0, KINDS.index("sessions"), -1]
    assert imported.scores["churn"].chance == pytest.approx(1 - exp(-(20 / 30 + missed / 20)), abs=0.02)
    long_ago = passed([did._replace(after=later + 60 * DAY_MS - did.at) for did in log]).profiles[b"demo:u"]
    assert long_ago.scores == {}
