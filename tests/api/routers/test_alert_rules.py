"""Rules of alerts over HTTP: the built-in ones, those in their place, and one's own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_schemas.alert_rule import MAX_RULES, AlertRule, Threshold
from loopin_schemas.alert_rules import BUILT_IN
from loopin_sinks.store import Store
from loopin_streams.alerts.rules import Rules
from tests.api.config_in_memory import Log

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
PATH = "/api/analytics/alert-rules"
OWN: dict[str, Any] = {
    "name": "tickets_absent",
    "metric": "events",
    "by": "event",
    "condition": {"type": "absence", "windows": 30},
    "at_least": 60,
}
RATE = "payment_failure_rate"


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def app(settings: ApiSettings, untouched_store: Store, broker: Broker, log: Log) -> FastAPI:
    return create_app(settings, untouched_store, broker, config=log, writer=log, clock=lambda: NOW)


def data_of(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()["data"]


def assert_says_what_to_do(reason: str, metric: str = "") -> None:
    assert reason[0].isupper() or reason.startswith(f"{metric} "), reason
    assert reason.endswith(".")
    assert not re.search("`|Object|Expected|Input|String|List|Invalid|validation", reason), reason


async def test_the_built_in_rules_are_listed(client: httpx.AsyncClient, bearer: Bearer) -> None:
    listed = data_of(await client.get(PATH, headers=bearer("read")))
    assert [rule["name"] for rule in listed] == sorted(each.rule.name for each in BUILT_IN)
    assert {(rule["built_in"], rule["replaces_built_in"], rule["changed_by"]) for rule in listed} == {
        (True, False, None)
    }
    [rate] = [rule for rule in listed if rule["name"] == RATE]
    assert rate["condition"] == {
        "type": "threshold",
        "direction": "above",
        "warning": 0.1,
        "critical": 0.2,
        "hysteresis": 0.1,
        "chance": 0.01,
    }
    assert (rate["judged_by"], rate["spans"], rate["labels"]) == ("stream", [15, 60], {"owner": "finance"})
    assert data_of(await client.get(f"{PATH}/{RATE}", headers=bearer("read"))) == rate


async def test_a_rule_of_ones_own_is_in_force(client: httpx.AsyncClient, bearer: Bearer, log: Log) -> None:
    headers = bearer("read", "write", sub="asha")
    made = data_of(await client.post(PATH, json=OWN, headers=headers), 201)
    assert (made["built_in"], made["changed_by"], made["judged_by"]) == (False, "asha", "stream")
    assert made["condition"] == {"type": "absence", "windows": 30, "least": 1, "severity": "critical"}
    # What the stream's workers make of the same records.
    rules = Rules(lambda: log.configuration)
    found = rules.find("shop", OWN["name"])
    assert found is not None
    assert (found.version, found.rule.by, found.rule.at_least) == (made["version"], "event", 60)
    assert rules.find("rival", OWN["name"]) is None
    assert OWN["name"] not in (await client.get(PATH, headers=bearer("read", project="rival"))).text
    put = {**OWN, "by": "", "enabled": False}
    changed = data_of(await client.put(f"{PATH}/{OWN['name']}", json=put, headers=headers))
    assert (changed["by"], changed["enabled"], changed["at_least"]) == ("", False, 60)
    assert changed["version"] != made["version"]
    assert rules.find("shop", OWN["name"]) is None
    gone = data_of(await client.delete(f"{PATH}/{OWN['name']}", headers=headers))
    assert gone == changed
    assert not log.configuration.of(AlertRule)


async def test_a_built_in_rule_is_changed_in_a_copy_and_comes_back(
    client: httpx.AsyncClient, bearer: Bearer, log: Log, refused: Refused
) -> None:
    headers = bearer("read", "write")
    before = data_of(await client.get(f"{PATH}/{RATE}", headers=headers))
    limits = {"condition": {"type": "threshold", "warning": 0.15, "critical": 0.3}}
    copy = data_of(await client.patch(f"{PATH}/{RATE}", json=limits, headers=headers))
    assert (copy["built_in"], copy["replaces_built_in"]) == (False, True)
    kept = ("spans", "at_least", "description", "labels", "metric", "grain", "quiet_s")
    assert {name: copy[name] for name in kept} == {name: before[name] for name in kept}
    rules = Rules(lambda: log.configuration)
    found = rules.find("shop", RATE)
    assert found is not None
    assert found.rule.condition == Threshold(warning=0.15, critical=0.3)
    off = data_of(await client.patch(f"{PATH}/{RATE}", json={"enabled": False}, headers=headers))
    assert off["condition"] == copy["condition"]
    assert rules.find("shop", RATE) is None
    data_of(await client.delete(f"{PATH}/{RATE}", headers=headers))
    assert data_of(await client.get(f"{PATH}/{RATE}", headers=headers)) == before
    assert rules.find("shop", RATE) is not None
    refused(await client.delete(f"{PATH}/{RATE}", headers=headers), 409, "BUILT_IN_RULE")
    put = data_of(await client.put(f"{PATH}/{RATE}", json={**OWN, "name": RATE}, headers=headers))
    assert (put["replaces_built_in"], put["metric"]) == (True, "events")


async def test_nobody_changes_what_they_have_not_seen(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused
) -> None:
    headers, path = bearer("read", "write"), f"{PATH}/{OWN['name']}"
    seen = data_of(await client.post(PATH, json=OWN, headers=headers), 201)["version"]
    newer = data_of(
        await client.patch(path, params={"version": seen}, json={"at_least": 5}, headers=headers)
    )["version"]
    for response in (
        await client.patch(path, params={"version": seen}, json={"at_least": 6}, headers=headers),
        await client.put(path, params={"version": seen}, json=OWN, headers=headers),
        await client.delete(path, params={"version": seen}, headers=headers),
        await client.patch(f"{PATH}/{RATE}", params={"version": seen}, json={}, headers=headers),
    ):
        refused(response, 409, "CHANGED_MEANWHILE")
    assert data_of(await client.get(path, headers=headers))["at_least"] == 5
    built_in = data_of(await client.get(f"{PATH}/{RATE}", headers=headers))["version"]
    data_of(await client.patch(f"{PATH}/{RATE}", params={"version": built_in}, json={}, headers=headers))
    data_of(await client.delete(path, params={"version": newer}, headers=headers))


async def test_names_are_taken_once(client: httpx.AsyncClient, bearer: Bearer, refused: Refused) -> None:
    headers = bearer("read", "write")
    data_of(await client.post(PATH, json=OWN, headers=headers), 201)
    refused(await client.post(PATH, json=OWN, headers=headers), 409, "NAME_TAKEN")
    refused(await client.post(PATH, json={**OWN, "name": RATE}, headers=headers), 409, "NAME_TAKEN")
    for response in (
        await client.get(f"{PATH}/nothing", headers=headers),
        await client.put(f"{PATH}/nothing", json={**OWN, "name": "nothing"}, headers=headers),
        await client.patch(f"{PATH}/nothing", json={}, headers=headers),
        await client.delete(f"{PATH}/nothing", headers=headers),
        await client.delete(f"{PATH}/{OWN['name']}", headers=bearer("write", project="rival")),
    ):
        refused(response, 404, "UNKNOWN_RULE")
    renamed = await client.put(f"{PATH}/{OWN['name']}", json={**OWN, "name": "other"}, headers=headers)
    assert refused(renamed, 422, "VALIDATION_ERROR")["details"][0]["field"] == "name"


async def test_a_project_may_have_so_many(
    client: httpx.AsyncClient, bearer: Bearer, log: Log, refused: Refused
) -> None:
    for number in range(MAX_RULES):
        rule = AlertRule(
            project="shop", name=f"mine_{number}", metric="events", condition=Threshold(warning=1.0)
        )
        await log.put(rule.id, rule, replaces=None, by="asha")
    refused(await client.post(PATH, json=OWN, headers=bearer("write")), 409, "TOO_MANY_RULES")
    refused(await client.patch(f"{PATH}/{RATE}", json={}, headers=bearer("write")), 409, "TOO_MANY_RULES")
    data_of(await client.patch(f"{PATH}/mine_0", json={"at_least": 1}, headers=bearer("write")))
    data_of(await client.post(PATH, json=OWN, headers=bearer("write", project="rival")), 201)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Tickets"}, "name"),
        ({"metric": "sales_of_moon"}, "metric"),
        ({"by": "mood"}, "by"),
        ({"metric": RATE, "by": "content_type"}, "by"),
        ({"metric": "dau", "by": "event_id"}, "by"),
        ({"metric": "invalid_ratio", "by": ""}, "by"),
        ({"metric": "invalid_ratio", "by": "country"}, "by"),
        ({"metric": "mau", "by": "", "grain": "minute"}, "grain"),
        ({"metric": "dau", "by": "", "grain": "minute"}, "grain"),
        ({"metric": "churn_rate", "by": "", "grain": "minute"}, "grain"),
        ({"condition": {"type": "threshold", "warning": 1}, "metric": "mau", "by": "", "grain": "day",
          "spans": [2]}, "spans"),
        ({"spans": [5]}, "spans"),
        ({"spans": [61], "condition": {"type": "threshold", "warning": 1}}, "spans[0]"),
        ({"grain": "hour", "spans": [7], "condition": {"type": "threshold", "warning": 1}}, "spans"),
        ({"condition": {"type": "threshold"}}, "condition"),
        ({"condition": {"type": "threshold", "warning": 2, "critical": 1}}, "condition"),
        ({"condition": {"type": "guess"}}, "condition.type"),
        ({"condition": {"type": "absence", "windows": 0}}, "condition.windows"),
        ({"condition": {"type": "absence", "window": 5}}, "condition"),
        ({"condition": {"type": "change", "against": "week", "warning": 0.5}}, "condition"),
        ({"at_least": -1}, "at_least"),
        ({"for_s": 604_801}, "for_s"),
        ({"labels": {"a": "x" * 201}}, "labels.a"),
        ({"colour": "red"}, "colour"),
    ],
    ids=lambda given: json.dumps(given)[:60],
)  # fmt: skip
async def test_what_makes_no_rule_is_named(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, log: Log, change: dict[str, Any], field: str
) -> None:
    response = await client.post(PATH, json={**OWN, **change}, headers=bearer("write"))
    [detail] = refused(response, 422, "VALIDATION_ERROR")["details"]
    assert detail["field"] == field
    assert_says_what_to_do(detail["reason"], {**OWN, **change}["metric"])
    assert not log.configuration.of(AlertRule)


@pytest.mark.parametrize(
    "rule",
    [
        {"metric": "sentiment", "by": "country", "condition": {"type": "threshold", "direction": "below",
                                                              "warning": -0.2}},
        {"metric": "invalid_ratio", "by": "reason", "spans": [1, 60],
         "condition": {"type": "threshold", "warning": 0.2}},
        {"metric": RATE, "by": "country", "spans": [15],
         "condition": {"type": "threshold", "warning": 0.2}},
        {"metric": "mau", "by": "country", "grain": "day", "condition": {"type": "change", "warning": 0.5}},
        {"metric": "revenue", "by": "", "grain": "hour", "condition": {"type": "anomaly"}},
        {"metric": RATE, "by": "city", "spans": [5, 60], "longer": [{"grain": "hour", "windows": 6}],
         "condition": {"type": "threshold", "warning": 0.2}},
        {"metric": "slow_response_p95", "spans": [15], "condition": {"type": "threshold", "warning": 1500}},
        {"metric": "active_users", "by": "city", "spans": [5],
         "condition": {"type": "threshold", "direction": "below", "warning": 3}},
    ],
    ids=lambda rule: f"{rule['metric']} {rule.get('by')}",
)  # fmt: skip
async def test_what_makes_one(client: httpx.AsyncClient, bearer: Bearer, rule: dict[str, Any]) -> None:
    made = data_of(await client.post(PATH, json={"name": "mine", **rule}, headers=bearer("write")), 201)
    stored = rule["metric"] in ("mau", "slow_response_p95") or rule.get("by") == "city"
    assert made["judged_by"] == ("store" if stored else "stream")


async def test_a_metric_of_ones_own_can_be_judged(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused
) -> None:
    headers = bearer("read", "write")
    gifts = {"type": "count", "of": {"events": ["gift"]}}
    metric = {"name": "gifts", "description": "Gifts.", "definition": gifts}
    data_of(await client.post("/api/analytics/metric-definitions", json=metric, headers=headers), 201)
    rule = {"name": "few_gifts", "metric": "gifts", "grain": "hour",
            "condition": {"type": "threshold", "direction": "below", "warning": 10}}  # fmt: skip
    assert data_of(await client.post(PATH, json=rule, headers=headers), 201)["judged_by"] == "store"
    rival = bearer("write", project="rival")
    refused(await client.post(PATH, json=rule, headers=rival), 422, "VALIDATION_ERROR")
    path = "/api/analytics/metric-definitions/gifts"
    data_of(await client.patch(f"{PATH}/few_gifts", json={"enabled": False}, headers=headers))
    told = refused(await client.delete(path, headers=headers), 409, "METRIC_IS_JUDGED")
    assert told["error"].endswith(": few_gifts.")
    data_of(await client.delete(f"{PATH}/few_gifts", headers=headers))
    data_of(await client.delete(path, headers=headers))


async def test_who_may(client: httpx.AsyncClient, bearer: Bearer, log: Log, refused: Refused) -> None:
    reader, path = bearer("read"), f"{PATH}/{RATE}"
    for response in (
        await client.post(PATH, json=OWN, headers=reader),
        await client.put(path, json=OWN, headers=reader),
        await client.patch(path, json={}, headers=reader),
        await client.delete(path, headers=reader),
        await client.get(PATH, headers=bearer("ingest")),
    ):
        refused(response, 403, "INSUFFICIENT_SCOPE")
    log.down = True
    refused(await client.post(PATH, json=OWN, headers=bearer("write")), 503, "NOT_CONFIGURED")


@pytest.mark.parametrize("rule", [each.rule for each in BUILT_IN], ids=lambda rule: rule.name)
async def test_each_built_in_rule_can_be_switched_off_and_on(
    client: httpx.AsyncClient, bearer: Bearer, rule: AlertRule
) -> None:
    path, headers = f"{PATH}/{rule.name}", bearer("read", "write")
    off = data_of(await client.patch(path, json={"enabled": False}, headers=headers))
    assert (off["enabled"], off["replaces_built_in"], off["metric"]) == (False, True, rule.metric)
    on = data_of(await client.delete(path, headers=headers))
    assert on["name"] == rule.name
    assert data_of(await client.get(path, headers=headers))["built_in"]


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        ("countries_of_one_user", {"by": ""}, "by"),
        ("sink_lag", {"by": "country"}, "condition"),
        ("churn_rate", {"longer": [{"grain": "day", "windows": 2}]}, "longer"),
        ("payment_failure_rate", {"spans": [60, 15]}, "spans"),
        ("payment_failure_rate", {"labels": {"k" * 65: "v"}}, "labels"),
    ],
)
async def test_a_built_in_rule_cannot_become_one_that_nobody_judges(
    client: httpx.AsyncClient, bearer: Bearer, name: str, changes: dict[str, Any], field: str
) -> None:
    answer = await client.patch(f"{PATH}/{name}", json=changes, headers=bearer("write"))
    assert answer.status_code == 422
    assert answer.json()["details"][0]["field"].startswith(field)


async def test_what_has_no_history_is_not_tried_over_it(client: httpx.AsyncClient, bearer: Bearer) -> None:
    answer = await client.post(f"{PATH}/freshness/backtest", json={"from": "-1d"}, headers=bearer("read"))
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (422, "metric")
