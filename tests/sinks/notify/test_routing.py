"""Who is told of what."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from loopin_schemas.alert import AlertEvent
from loopin_sinks.notify.channels_file import Route
from loopin_sinks.notify.routing import channels_for
from tests.sinks.notify.told import alert


def told(route: dict[str, Any], **changes: Any) -> bool:
    return channels_for(alert(**changes), [Route(channel="ops", **route)]) == ("ops",)


def test_by_default_all_but_what_is_nobodys_concern_yet() -> None:
    events = {event for event in get_args(AlertEvent) if told({}, event=event)}
    assert events == {"fired", "worse", "unsilenced", "reminded", "escalated", "resolved"}


@pytest.mark.parametrize(
    ("route", "right", "wrong"),
    [
        ({"severities": ["critical"]}, {"severity": "critical"}, {"severity": "warning"}),
        ({"projects": ["shop"]}, {"project": "shop"}, {"project": "shop2"}),
        ({"rules": ["payment_*"]}, {"rule": "payment_failures"}, {"rule": "no_payment_failures"}),
        ({"metrics": ["a", "b"]}, {"metric": "b"}, {"metric": "ab"}),
        ({"events": ["resolved"]}, {"event": "resolved"}, {"event": "fired"}),
        ({"dimensions": {"country": ["IN", "LK"]}}, {"dimensions": {"country": "LK"}}, {"dimensions": {}}),
        (
            {"dimensions": {"country": ["IN"], "city": ["Pune"]}},
            {"dimensions": {"country": "IN", "city": "Pune"}},
            {"dimensions": {"country": "IN", "city": "Goa"}},
        ),
        ({"labels": {"team": ["money"]}}, {"labels": {"team": "money"}}, {"labels": {"team": "growth"}}),
        ({"enabled": True}, {}, {"silenced": True}),
    ],
)
def test_each_condition_counts(route: dict[str, Any], right: dict[str, Any], wrong: dict[str, Any]) -> None:
    assert told(route, **right)
    assert not told(route, **wrong)


def test_all_conditions_must_hold() -> None:
    route = {"severities": ["critical"], "metrics": ["m"]}
    assert told(route, severity="critical", metric="m")
    assert not told(route, severity="critical")
    assert not told(route, metric="m")


def test_a_route_that_is_switched_off_leads_nowhere() -> None:
    assert not told({"enabled": False})


def test_what_never_fired_is_not_told_as_over() -> None:
    assert not told({}, event="resolved", state="resolved", fired_at=None)


def test_of_a_silence_that_ends_nobody_hears_while_somebody_looks_after_it() -> None:
    assert told({}, event="unsilenced", state="firing")
    assert not told({}, event="unsilenced", state="acknowledged")


def test_a_channel_with_several_routes_is_told_once() -> None:
    routes = [Route(channel="b"), Route(channel="a"), Route(channel="b", severities=("warning",))]
    assert channels_for(alert(), routes) == ("b", "a")
