"""Metrics of a project's own: defined over HTTP, computed from its events, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_schemas.metrics.custom import MAX_CUSTOM
from loopin_sinks.store import Store
from tests.api.config_in_memory import Log
from tests.api.routers.test_alert_rules import assert_says_what_to_do

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
PATH = "/api/analytics/metric-definitions"
GOLD = {
    "name": "gold_share",
    "description": "Of the tickets bought, those of the gold plan.",
    "unit": "ratio",
    "target_value": 0.5,
    "definition": {
        "type": "ratio",
        "part": {
            "type": "count",
            "of": {"events": ["ticket_purchased"], "where": [{"property": "plan", "value": "gold"}]},
        },
        "whole": {"type": "count", "of": {"events": ["ticket_purchased"]}},
    },
}


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker, log: Log) -> FastAPI:
    money = {"currency": "INR", "exchange_rates": {"EUR": {date(2025, 1, 1): 80.0, date(2026, 1, 15): 100.0}}}
    settings = settings.model_copy(update=money)
    return create_app(settings, store, broker, config=log, writer=log, clock=lambda: NOW)


async def define(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    definition: dict[str, Any],
    name: str = "mine",
    unit: str = "count",
) -> None:
    body = {"name": name, "description": "One of ours.", "definition": definition, "unit": unit}
    response = await client.post(PATH, json=body, headers=headers)
    assert response.status_code == 201, response.text


async def value(client: httpx.AsyncClient, headers: dict[str, str], query: str = "mine?days=7") -> Any:
    response = await client.get(f"/api/analytics/metrics/{query}", headers=headers)
    assert response.status_code == 200, response.text
    return response.json()["data"]["value"]


async def test_a_metric_of_ones_own_is_as_one_of_the_catalogue(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    at = NOW - timedelta(hours=1)
    plans = ["gold", "gold", "silver", None]
    await put([enrich("ticket_purchased", "u", at, {"plan": plan} if plan else {}) for plan in plans])
    response = await client.post(PATH, json=GOLD, headers=bearer("write"))
    assert response.status_code == 201
    defined = response.json()["data"]
    assert (defined["kind"], defined["data_source"]) == ("custom", "ticket_purchased")
    found = (
        await client.get("/api/analytics/metrics/gold_share?days=2&grain=day", headers=bearer("read"))
    ).json()["data"]
    assert (found["value"], found["progress"], found["unit"]) == (0.5, 1.0, "ratio")
    assert [point["value"] for point in found["points"]] == [None, 0.5]
    listed = (await client.get(PATH, headers=bearer("read"))).json()["data"]
    assert listed[-1] == defined
    business = (await client.get("/api/analytics/business?days=2", headers=bearer("read"))).json()["data"]
    assert [(each["name"], each["value"]) for each in business["custom"]] == [("gold_share", 0.5)]


def _gifts(*tests: dict[str, Any]) -> dict[str, Any]:
    return {"events": ["gift"], **({"where": list(tests)} if tests else {})}


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ({"type": "count", "of": _gifts()}, 6),
        ({"type": "count", "of": {"events": ["gift", "never"]}}, 6),
        ({"type": "users", "of": _gifts()}, 3),
        ({"type": "sum", "of": _gifts(), "property": "worth"}, 10 + 20 + 30 + 40.5),
        ({"type": "mean", "of": _gifts(), "property": "worth"}, (10 + 20 + 30 + 40.5) / 4),
        ({"type": "percentile", "of": _gifts(), "property": "worth", "level": 0.5}, 30),
        ({"type": "count", "of": _gifts({"property": "colour", "value": "red"})}, 2),
        ({"type": "count", "of": _gifts({"property": "colour", "operator": "ne", "value": "red"})}, 1),
        ({"type": "count", "of": _gifts({"property": "worth", "operator": "ge", "value": 20})}, 3),
        ({"type": "count", "of": _gifts({"property": "worth", "operator": "lt", "value": 20})}, 1),
        ({"type": "count", "of": _gifts({"property": "wrapped", "value": True})}, 1),
        ({"type": "count", "of": _gifts({"property": "wrapped", "operator": "ne", "value": True})}, 1),
        (
            {"type": "count", "of": _gifts(
                {"property": "colour", "value": "red"}, {"property": "worth", "operator": "gt", "value": 10}
            )},
            1,
        ),
        (
            {
                "type": "ratio",
                "part": {"type": "sum", "of": _gifts(), "property": "worth"},
                "whole": {"type": "users", "of": _gifts()},
            },
            100.5 / 3,
        ),
        ({"type": "count", "of": _gifts({"property": "it's \\ \" {x:String}", "value": "' OR 1 --"})}, 0),
    ],
    ids=lambda given: json.dumps(given)[:60],
)  # fmt: skip
async def test_definitions(
    client: httpx.AsyncClient,
    bearer: Bearer,
    put: Put,
    enrich: Enrich,
    definition: dict[str, Any],
    expected: float,
) -> None:
    gifts: list[tuple[str, dict[str, Any]]] = [
        ("ann", {"worth": 10, "colour": "red", "wrapped": True}),
        ("ann", {"worth": 20, "colour": "red", "wrapped": False}),
        ("bob", {"worth": 30, "colour": "blue", "wrapped": "true"}),
        ("bob", {"worth": "40.5"}),
        ("cat", {"worth": "a lot"}),
        ("cat", {"worth": None, "colour": ["red"]}),
    ]
    at = NOW - timedelta(hours=1)
    await put([enrich("gift", user, at, properties) for user, properties in gifts])
    await define(client, bearer("write"), definition)
    assert await value(client, bearer("read")) == pytest.approx(expected)


async def test_money_is_converted_and_what_has_no_rate_is_left_out(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    given: list[tuple[int, Any, str | None]] = [
        (1, 500, "INR"),
        (2, "250.5", None),
        (3, 2, " eur "),
        (24, 3, "EUR"),
        (4, 1_000_000, "GBP"),
        (5, 2e12, "INR"),
    ]
    await put(
        [
            enrich("gift", f"user-{hours}", NOW - timedelta(hours=hours),
                   {"worth": worth, **({"currency": currency} if currency else {})})
            for hours, worth, currency in given
        ]
    )  # fmt: skip
    total = {"type": "sum", "of": _gifts(), "property": "worth"}
    each = {"type": "ratio", "part": total, "whole": {"type": "users", "of": _gifts()}}
    expected = 500 + 250.5 + 2 * 100 + 3 * 80
    for name, definition, worth in (("donations", total, expected), ("a_head", each, expected / len(given))):
        await define(client, bearer("write"), definition, name, "money")
        assert await value(client, bearer("read"), f"{name}?days=7") == pytest.approx(worth)
    await define(client, bearer("write"), total, "points", "count")
    assert await value(client, bearer("read"), "points?days=7") == pytest.approx(2_000_001_000_755.5)


async def test_a_project_has_its_own_only(client: httpx.AsyncClient, bearer: Bearer) -> None:
    await define(client, bearer("write"), {"type": "count", "of": _gifts()})
    rival = bearer("read", "write", project="rival")
    assert (await client.get("/api/analytics/metrics/mine", headers=rival)).status_code == 404
    assert (await client.delete(f"{PATH}/mine", headers=rival)).status_code == 404
    assert "mine" not in (await client.get(PATH, headers=rival)).text
    await define(client, rival, {"type": "users", "of": _gifts()})


async def test_names_are_taken_once_and_free_again(
    client: httpx.AsyncClient, bearer: Bearer, refused: Callable[[httpx.Response, int, str], dict[str, Any]]
) -> None:
    headers = bearer("read", "write")
    await define(client, headers, {"type": "count", "of": _gifts()})
    again = await client.post(PATH, json={**GOLD, "name": "mine"}, headers=headers)
    refused(again, 409, "NAME_TAKEN")
    refused(await client.post(PATH, json={**GOLD, "name": "dau"}, headers=headers), 409, "NAME_TAKEN")
    assert (await client.delete(f"{PATH}/mine", headers=headers)).json()["data"]["name"] == "mine"
    refused(await client.get("/api/analytics/metrics/mine", headers=headers), 404, "UNKNOWN_METRIC")
    refused(await client.delete(f"{PATH}/mine", headers=headers), 404, "UNKNOWN_METRIC")
    refused(await client.delete(f"{PATH}/dau", headers=headers), 409, "METRIC_OF_THE_CATALOGUE")
    await define(client, headers, {"type": "users", "of": _gifts()})


async def test_a_project_may_have_so_many(
    client: httpx.AsyncClient, bearer: Bearer, refused: Callable[[httpx.Response, int, str], dict[str, Any]]
) -> None:
    for number in range(MAX_CUSTOM):
        await define(client, bearer("write"), {"type": "count", "of": _gifts()}, f"mine_{number}")
    refused(await client.post(PATH, json=GOLD, headers=bearer("write")), 409, "TOO_MANY_METRICS")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Gold Share"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"description": ""}, "description"),
        ({"unit": "bananas"}, "unit"),
        ({"warning_threshold": "a lot"}, "warning_threshold"),
        ({"warning_threshold": 5, "critical_threshold": 6, "better": "higher"}, "critical_threshold"),
        ({"warning_threshold": 5, "critical_threshold": 4, "better": "lower"}, "critical_threshold"),
        ({"colour": "red"}, "colour"),
        ({"definition": {}}, "definition"),
        ({"definition": {"type": "sql", "text": "SELECT 1"}}, "definition.type"),
        ({"definition": {"type": "count"}}, "definition"),
        ({"definition": {"type": "count", "of": {"events": []}}}, "definition.of.events"),
        ({"definition": {"type": "count", "of": {"events": ["x"] * 21}}}, "definition.of.events"),
        ({"definition": {"type": "count", "of": {"events": [""]}}}, "definition.of.events[0]"),
        ({"definition": {"type": "count", "of": {"events": ["x"], "wher": []}}}, "definition.of"),
        ({"definition": {"type": "percentile", "of": _gifts(), "property": "worth", "level": 95}},
         "definition.level"),
        ({"definition": {"type": "count", "of": _gifts({"property": "a", "operator": "gt", "value": "b"})}},
         "definition.of.where[0]"),
        ({"definition": {"type": "count", "of": _gifts({"property": "a", "operator": "like", "value": "b"})}},
         "definition.of.where[0].operator"),
        ({"definition": {"type": "count", "of": _gifts({"property": "a", "value": ["b"]})}},
         "definition.of.where[0].value"),
        ({"definition": {"type": "ratio", "part": {"type": "mean", "of": _gifts(), "property": "x"},
                         "whole": {"type": "count", "of": _gifts()}}}, "definition.part.type"),
    ],
    ids=lambda given: json.dumps(given)[:70],
)  # fmt: skip
async def test_what_makes_no_metric_is_named(
    client: httpx.AsyncClient,
    bearer: Bearer,
    refused: Callable[[httpx.Response, int, str], dict[str, Any]],
    change: dict[str, Any],
    field: str,
) -> None:
    response = await client.post(PATH, json={**GOLD, **change}, headers=bearer("write"))
    detail = refused(response, 422, "VALIDATION_ERROR")["details"][0]
    assert detail["field"] == field
    assert "pattern" not in detail["reason"], "a person need not know them"
    assert_says_what_to_do(detail["reason"])


async def test_who_may(
    client: httpx.AsyncClient,
    bearer: Bearer,
    log: Log,
    refused: Callable[[httpx.Response, int, str], dict[str, Any]],
) -> None:
    refused(await client.post(PATH, json=GOLD, headers=bearer("read")), 403, "INSUFFICIENT_SCOPE")
    refused(await client.delete(f"{PATH}/mine", headers=bearer("read")), 403, "INSUFFICIENT_SCOPE")
    refused(await client.post(PATH, json=GOLD), 401, "UNAUTHENTICATED")
    log.down = True
    response = await client.post(PATH, json=GOLD, headers=bearer("write"))
    refused(response, 503, "NOT_CONFIGURED")
    assert response.headers["retry-after"]
