"""What people say of an alert, and what happens when nobody says anything."""

from __future__ import annotations

import pytest

from loopin_schemas.alert_rule import Acknowledgement, AlertRule, Silence, Threshold
from tests.streams.alerts.world import World, configure, ratio
from tests.streams.merge.merging import T
from tests.streams.plain_state import HOUR, MINUTE

METRIC = "payment_failure_rate"


def ruled(**changes: object) -> World:
    world = World()
    rule = AlertRule(
        project="shop",
        name=METRIC,
        metric=METRIC,
        condition=Threshold(warning=0.1, critical=0.2),
        at_least=20,
        **changes,  # type: ignore[arg-type]  # fields by name
    )
    configure(world.configuration, rule.id, rule)
    return world


def bad(world: World, part: int = 15) -> None:
    world.happens(ratio(METRIC, 100, part))


def test_it_must_be_true_for_as_long_as_the_rule_says() -> None:
    world = ruled(for_s=180)
    seen = []
    for _ in range(6):
        bad(world)
        seen.append(world.events())
    assert seen == [[("pending", "warning")], [], [], [("fired", "warning")], [], []]
    [last] = {alert["id"] for alert in world.merge.alerts}
    assert last == f"shop:{METRIC}:{T + MINUTE - 1000}"


def test_what_was_not_true_for_long_enough_is_over_without_having_fired() -> None:
    world = ruled(for_s=180)
    bad(world)
    for _ in range(3):
        world.happens(ratio(METRIC, 100, 1))
    pending, over = world.new()
    assert (pending["state"], over["state"]) == ("pending", "resolved")
    assert "fired_at" not in over
    bad(world)
    assert world.events() == [("pending", "warning")]


def test_after_it_has_ended_it_is_quiet_for_a_time_then_fires_if_it_is_still_true() -> None:
    world = ruled(quiet_s=600)
    bad(world)
    for _ in range(3):
        world.happens(ratio(METRIC, 100, 1))
    assert world.events() == [("fired", "warning"), ("resolved", "warning")]
    seen = []
    for _ in range(10):
        bad(world)
        seen += world.events()
    assert seen == [("fired", "warning")]


def test_who_looks_after_it_is_told_and_what_becomes_worse_needs_somebody_again() -> None:
    world = ruled(escalate_s=60, remind_s=60)
    bad(world)
    [fired] = world.new()
    configure(
        world.configuration, fired["id"], Acknowledgement(project="shop", sequence=1, at=world.at), by="ira"
    )
    world.second()
    [told] = world.new()
    assert (told["event"], told["state"], told["acknowledged_by"]) == ("acknowledged", "acknowledged", "ira")
    assert told["message"].endswith("ira looks after it.")
    for _ in range(5):
        bad(world)
        world.second()
    assert world.new() == []
    bad(world, 40)
    world.second()
    worse, *later = world.new()
    assert (worse["event"], worse["state"]) == ("worse", "firing")
    # What was said was said of less.
    assert {each["state"] for each in later} == {"firing"}


def test_an_acknowledgement_of_another_project_counts_for_nothing() -> None:
    world = ruled()
    bad(world)
    [fired] = world.new()
    configure(world.configuration, fired["id"], Acknowledgement(project="other", sequence=1, at=1))
    world.second()
    assert world.new() == []


def test_nobody_answers() -> None:
    world = ruled(remind_s=120, escalate_s=300)
    seen = []
    for minute in range(8):
        bad(world)
        world.second()
        seen += [(event, minute) for event, _ in world.events()]
    assert seen == [("fired", 0), ("reminded", 2), ("reminded", 4), ("escalated", 5), ("reminded", 7)]
    assert world.merge.alerts[-1]["escalated"] is True


@pytest.mark.parametrize(
    ("silence", "silenced"),
    [
        ({}, True),
        ({"rule": METRIC}, True),
        ({"rule": "refund_rate"}, False),
        ({"severity": "critical"}, False),
        ({"severity": "warning"}, True),
        ({"dimensions": {"country": "IN"}}, False),
        ({"project": "other"}, False),
        ({"ends_at": T - 1, "starts_at": T - 2}, False),
    ],
)
def test_a_silence_says_which(silence: dict[str, object], silenced: bool) -> None:
    world = ruled(remind_s=60, escalate_s=60)
    times = {"project": "shop", "starts_at": T - HOUR, "ends_at": T + 10 * HOUR}
    configure(world.configuration, "s1", Silence(**(times | silence)))  # type: ignore[arg-type]  # fields by name
    bad(world)
    [fired] = world.new()
    assert fired.get("silenced", False) is silenced
    for _ in range(3):
        bad(world)
        world.second()
    assert (world.new() == []) is silenced


def test_when_a_silence_ends_what_still_fires_is_told() -> None:
    world = ruled()
    bad(world)
    assert world.events() == [("fired", "warning")]
    configure(world.configuration, "s1", Silence(project="shop", starts_at=T, ends_at=T + 3 * MINUTE))
    world.second()
    assert world.events() == [("silenced", "warning")]
    seen = []
    for minute in range(4):
        bad(world)
        world.second()
        seen += [(event, minute) for event, _ in world.events()]
    assert seen == [("unsilenced", 1)]


def test_what_people_say_is_heard_while_records_come_without_a_pause() -> None:
    world = ruled()
    bad(world)
    [fired] = world.new()
    configure(world.configuration, fired["id"], Acknowledgement(project="shop", sequence=1, at=world.at))
    world.merge.clock.now += 1
    bad(world)
    assert world.events() == [("acknowledged", "warning")]
