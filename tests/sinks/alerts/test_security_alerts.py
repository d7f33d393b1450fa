"""Each security rule on the real broker and store: who is told of, who is not, and what every alert names."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from loopin_schemas.alert_rule import AlertRule, Threshold
from loopin_schemas.alert_rules.security import DIMENSION_OF, SECURITY
from loopin_schemas.event import EnrichedEvent
from loopin_sinks.alerts.watcher import AlertWatcher
from loopin_streams.alerts import rules
from loopin_streams.alerts.lifecycle import Rule
from loopin_streams.alerts.rules import BUILT_IN_VERSION
from loopin_streams.kafka.config_writer import config_writer
from tests.sinks.alerts.planted import DAY, HOUR, MINUTE, NOW, event, store_events, times
from tests.sinks.alerts.watched import Installation

pytestmark = [pytest.mark.usefixtures("collected"), pytest.mark.scenario]

MUMBAI: dict[str, Any] = {"$geoip_latitude": 19.1, "$geoip_longitude": 72.9, "$geoip_accuracy_radius": 20}
PUNE: dict[str, Any] = {"$geoip_latitude": 18.5, "$geoip_longitude": 73.9, "$geoip_accuracy_radius": 20}
LONDON: dict[str, Any] = {"$geoip_latitude": 51.5, "$geoip_longitude": -0.1, "$geoip_accuracy_radius": 50}

TOLD = {
    "login_failures_of_one_user": ("guessed", 10.0),
    "login_failures_of_one_address": ("10.0.1.0", 10.0),
    "countries_of_one_user": ("everywhere", 3.0),
    "travel_speed_of_one_user": ("teleported", pytest.approx(42_736, rel=0.01)),
    "refused_requests_of_one_user": ("misused", 50.0),
    "exports_of_one_user": ("hoarder", 20.0),
    "exports_against_median": ("spy", 12.0),
}
"""Whom each rule tells of, and the value: just enough. Beside each there is somebody with just too little."""


def happened() -> Iterator[EnrichedEvent]:
    def many(number: int, name: str, who: str, minutes: int, **more: Any) -> Iterator[EnrichedEvent]:
        return (event(name, who, at, **more) for at in times(number, NOW - minutes * MINUTE, NOW))

    yield from many(10, "login_failed", "x1", 3, username_hash="guessed")
    yield from many(9, "login_failed", "x2", 3, username_hash="mistyped")
    for at in range(10):
        yield event("login_failed", f"y{at}", NOW - MINUTE, **{"$ip": "10.0.1.0"})
    for at in range(9):
        yield event("login_failed", f"z{at}", NOW - MINUTE, **{"$ip": "10.0.2.0"})
    for country in ("IN", "DE", "US"):
        yield event("$pageview", "everywhere", NOW - MINUTE, country=country)
    for country in ("IN", "DE"):
        yield event("$pageview", "at the border", NOW - MINUTE, country=country)
    yield event("$pageview", "teleported", NOW - 40 * MINUTE, **MUMBAI)
    yield event("$pageview", "teleported", NOW - 30 * MINUTE, **LONDON)
    yield event("$pageview", "drove", NOW - 55 * MINUTE, **MUMBAI)
    yield event("$pageview", "drove", NOW - MINUTE, **PUNE)
    yield event("$pageview", "flew", NOW - 10 * HOUR, **MUMBAI)
    yield event("$pageview", "flew", NOW - MINUTE, **LONDON)
    yield from many(50, "api_request", "misused", 13, status=403, route="/a", duration_ms=1)
    yield from many(49, "api_request", "forgetful", 13, status=401, route="/a", duration_ms=1)
    yield from many(20, "data_exported", "hoarder", 50)
    yield from many(19, "api_request", "clerk", 50, status=200, route="/Export/all", duration_ms=1)
    yield from many(12, "data_exported", "spy", 50)
    yield from many(12, "data_exported", "analyst", 50)
    for day in (1, 2, 3):
        yield event("data_exported", "spy", NOW - day * DAY)
        for _ in range(2):
            yield event("data_exported", "analyst", NOW - day * DAY)


@pytest.fixture
def all_of_security(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    found = {name: Rule(each.rule, BUILT_IN_VERSION) for each in SECURITY for name in [each.rule.name]}
    monkeypatch.setattr(rules, "_BUILT_IN", found)
    monkeypatch.setattr(rules, "_SWITCHED_ON", tuple(found.values()))
    return installation


async def look(watcher: AlertWatcher) -> None:
    await watcher.look(asyncio.Event(), everything=True)


async def test_whoever_does_enough_is_told_of_and_nobody_else(all_of_security: Installation) -> None:
    installation = all_of_security
    await store_events(installation.store, happened())
    async with installation.config() as config:
        watcher = installation.watcher(config)
        for minutes in (0, 1, 2, 70, 71, 72):
            installation.at = NOW + minutes * MINUTE
            await look(watcher)
        await watcher._let_go()
    told: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for alert in installation.alerts():
        told[alert["rule"]].append(alert)
    assert told.keys() == DIMENSION_OF.keys()
    for rule, (who, value) in TOLD.items():
        fired, resolved = told[rule]
        assert (fired["event"], resolved["event"]) == ("fired", "resolved")
        assert fired["dimensions"] == {DIMENSION_OF[rule]: who}
        assert fired["value"] == value
        assert (fired["metric"], fired["rule_version"]) == (rule, BUILT_IN_VERSION)
        start, end = fired["window"]["start"], fired["window"]["end"]
        about = f"{rule}/{DIMENSION_OF[rule]}/{who}/minute"
        assert fired["windows"] == [f"{about}/{at}" for at in range(start, end, MINUTE)]
        assert start < NOW - 2 * MINUTE < end <= NOW + MINUTE
        assert who in fired["message"]
        assert ("km/h" in fired["message"]) is (rule == "travel_speed_of_one_user")
        assert fired["threshold"] <= fired["value"]
        assert fired["labels"] == {"owner": "security"}


async def test_nobody_answers_an_export_spike(all_of_security: Installation) -> None:
    installation = all_of_security
    await store_events(installation.store, happened())
    name = "exports_of_one_user"
    own = AlertRule(
        project="shop",
        name=name,
        metric=name,
        by="user",
        spans=(60,),
        condition=Threshold(warning=20),
        remind_s=60,
        escalate_s=120,
    )
    await config_writer(installation.settings).put(own.id, own, replaces=None, by="ira")
    async with installation.config() as config:
        for seconds in (0, 30, 60, 90, 120, 150, 180):
            installation.at = NOW + seconds * 1000
            # Each is another process, that knows what was told by what is on the topics.
            watcher = installation.watcher(config)
            await look(watcher)
            await watcher._let_go()
    mine = [each for each in installation.alerts() if each["rule"] == name]
    assert [each["event"] for each in mine] == ["fired", "reminded", "escalated", "reminded"]
    assert [each.get("escalated", False) for each in mine] == [False, False, True, True]
    assert [(each["at"] - NOW) // 1000 for each in mine] == [0, 60, 120, 180]
    assert [each["sequence"] for each in mine] == [1, 2, 3, 4]
    assert len({each["id"] for each in mine}) == 1
