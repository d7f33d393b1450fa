"""Every kind of record that there is satisfies the schema; the schema refuses what is none."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, get_args

import pytest
from jsonschema import ValidationError

from loopin_schemas.alert import AlertEvent
from loopin_schemas.alert_rule import Acknowledgement, AlertRule, Silence, Threshold
from loopin_schemas.codec import encode
from tests.streams.alerts.contract import check
from tests.streams.alerts.world import World, configure, ratio
from tests.streams.plain_state import MINUTE

METRIC = "payment_failure_rate"


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    """All that can happen to an alert."""
    world = World()
    rule = AlertRule(
        project="shop",
        name=METRIC,
        metric=METRIC,
        condition=Threshold(warning=0.1, critical=0.2),
        at_least=20,
        for_s=60,
        remind_s=60,
        escalate_s=120,
        labels={"owner": "money"},
    )
    configure(world.configuration, rule.id, rule)

    def minutes(number: int, part: int) -> None:
        for _ in range(number):
            world.happens(ratio(METRIC, 100, part))
            world.second()

    minutes(5, 15)
    silence = Silence(project="shop", starts_at=world.at, ends_at=world.at + 2 * MINUTE)
    configure(world.configuration, "s1", silence)
    minutes(4, 15)
    fired = next(alert["id"] for alert in world.merge.alerts if alert["event"] == "fired")
    configure(world.configuration, fired, Acknowledgement(project="shop", sequence=99, at=world.at))
    minutes(2, 15)
    minutes(2, 40)
    minutes(3, 0)
    return world.merge.alerts


def test_everything_happens_once_at_least(records: list[dict[str, Any]]) -> None:
    assert {record["event"] for record in records} == set(get_args(AlertEvent))


def test_records_are_by_the_schema(records: list[dict[str, Any]]) -> None:
    for record in records:
        check(f"shop:{METRIC}".encode(), encode(record))


def test_the_records_of_an_alert_are_numbered_and_in_order(records: list[dict[str, Any]]) -> None:
    assert records[0]["sequence"] == 1
    assert len({record["id"] for record in records}) == 1
    assert all(after["sequence"] == before["sequence"] + 1 for before, after in pairwise(records))
    assert all(after["at"] >= before["at"] for before, after in pairwise(records))


@pytest.mark.parametrize(
    "broken",
    [
        *({"event": "exploded"}, {"severity": "info"}, {"state": "open"}, {"sequence": "1"}, {"value": "1"}),
        *({"window": {"grain": "minute"}}, {"windows": [1]}, {"dimensions": {"a": 1}}, {"at": None}),
    ],
)
def test_the_schema_refuses_what_is_none(records: list[dict[str, Any]], broken: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        check(b"shop:payment_failure_rate", encode(records[0] | broken))
