"""Predictions in the worker's state: a simulated world through the enrichment, against a plain look at it."""

from __future__ import annotations

from collections import defaultdict

import pytest

from loopin_producers.simulator.devices import CRAWLERS, SCRAPER
from loopin_schemas.example import Example
from loopin_schemas.habits import MOST_ACTIONS, WHOLE, action_name
from loopin_streams.behaviour.counts import DAY_MS, count, new_behaviour
from loopin_streams.behaviour.deeds import deeds
from loopin_streams.learning.features import features_of
from loopin_text.sentiment import score, texts_of
from tests.producers.simulator.worlds import Event, live_through, parameters
from tests.streams.behaviour.plain_habits import Did, plain_habits
from tests.streams.one_partition import OnePartition, Sent

SYSTEM = {"api_request", "system_metric", "error_logged"}
DAYS = 75
BATCH = 700


@pytest.fixture(scope="module")
def sent() -> tuple[list[Event], list[Sent]]:
    world = live_through(parameters(users=120, days=DAYS, seed=31))
    people = [
        (body, event)
        for body, event in zip(world.bodies, world.events, strict=True)
        if not event["distinct_id"].startswith("bot")
    ]
    records = [
        Sent(at, event["timestamp"] + 20, f"demo:{event['distinct_id']}".encode(), body)
        for at, (body, event) in enumerate(people)
    ]
    return [event for _, event in people], records


@pytest.fixture(scope="module")
def passed(sent: tuple[list[Event], list[Sent]]) -> OnePartition:
    found = OnePartition()
    found.run(sent[1], batch=BATCH)
    return found


def predictions(passed: OnePartition) -> list[Example]:
    return [example for example in passed.examples if example.target != "session"]


def by_user(events: list[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event["event"] not in SYSTEM:
            found[event["distinct_id"]].append(event)
    return found


def came_true(example: Example, events: list[Event]) -> bool:
    made = example.made_at
    if example.target == "churn":
        first = made // DAY_MS
        return not any(first + 15 <= event["timestamp"] // DAY_MS <= first + 30 for event in events)
    if example.target == "conversion":
        bought = [event["timestamp"] for event in events if event["event"] == "ticket_purchased"]
        return any(made < at <= made + 14 * DAY_MS for at in bought)
    return any(
        event["event"] == "event_attended"
        and event["properties"]["event_id"] == example.subject
        and made < event["timestamp"] <= made + 25 * DAY_MS
        for event in events
    )


def test_outcomes_are_what_came(sent: tuple[list[Event], list[Sent]], passed: OnePartition) -> None:
    events = by_user(sent[0])
    judged: dict[str, list[bool]] = defaultdict(list)
    for example in predictions(passed):
        assert example.outcome == came_true(example, events[example.distinct_id]), example
        judged[example.target].append(example.outcome)
    for target, least in (("churn", 100), ("conversion", 200), ("attendance", 20)):
        assert len(judged[target]) >= least, target
        assert 0 < sum(judged[target]) < len(judged[target]), target


def test_features_are_those_of_the_moment(sent: tuple[list[Event], list[Sent]], passed: OnePartition) -> None:
    events = by_user(sent[0])
    for example in predictions(passed)[::7]:
        behaviour = None
        for event in events[example.distinct_id]:
            at = event["timestamp"]
            if at > example.made_at or (example.subject and at == example.made_at):
                break
            behaviour = behaviour or new_behaviour(at)
            text = texts_of(event["properties"])
            felt = event["properties"].get("$sentiment")
            sentiment = felt if felt is not None else (None if text is None else score(text))
            count(behaviour, at, deeds(event["event"], event["properties"], sentiment))
        assert behaviour is not None
        assert features_of([behaviour], [example.made_at])[0].tobytes() == example.features, example


def test_a_worker_that_begins_again_changes_nothing(
    sent: tuple[list[Event], list[Sent]], passed: OnePartition
) -> None:
    again = OnePartition()
    again.run(sent[1], batch=BATCH, again=9)
    assert again.examples == passed.examples
    assert again.profiles == passed.profiles


def test_habits_are_those_of_all_events(sent: tuple[list[Event], list[Sent]], passed: OnePartition) -> None:
    kinds = 0
    for user, events in by_user(sent[0]).items():
        habits = passed.profiles[f"demo:{user}".encode()].habits
        if any(one["properties"].get("$raw_user_agent") in (*CRAWLERS, SCRAPER) for one in events):
            assert habits is None
            continue
        assert habits is not None
        exact = plain_habits([Did(one["event"], one["timestamp"], one["properties"]) for one in events])
        counted = {action_name(key): count / WHOLE for key, count in habits.actions.items()}
        if len(exact.actions) <= MOST_ACTIONS:
            for name, sum_ in exact.actions.items():
                assert sum_ - 0.25 < counted.get(name, 0.0) <= sum_, (user, name)
        for name, sum_ in exact.event_types.items():
            kinds += 1
            assert sum_ - 0.25 < habits.event_types.get(name, 0) / WHOLE <= sum_, (user, name)
        bought = {} if habits.spending is None else habits.spending.bought
        assert {code: (of.number, of.total) for code, of in bought.items()} == {
            code: (len(prices), sum(round(price * 1_000_000) for price in prices))
            for code, prices in exact.bought.items()
        }
    assert kinds > 100


def test_users_are_scored_and_visitors_are_not(passed: OnePartition) -> None:
    scored = {key for key, profile in passed.profiles.items() if profile.scores}
    assert len(scored) >= 50
    assert all(key.startswith(b"demo:user-") for key in scored)
    for key in scored:
        scores = passed.profiles[key].scores
        assert scores.keys() == {"churn", "conversion"}
        assert all(0 <= one.chance <= 1 and one.version == 0 for one in scores.values())
