"""The metrics over HTTP are the numbers of the plain computation, beside those of an earlier time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_schemas.metrics import CATALOGUE
from loopin_sinks.store import Store
from tests.metrics import plain
from tests.metrics.stored import settings_of, store_persons
from tests.metrics.worlds import NOW, world

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

WORLD = world(2)
METRICS = "/api/analytics/metrics"


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker) -> FastAPI:
    """With the world's zone, currency, rates and people."""
    return create_app(settings_of(WORLD, settings), store, broker, clock=lambda: NOW)


async def _fill(store: Store, put: Put) -> None:
    await put(WORLD.events)
    await store_persons(store, WORLD)


def near(value: float | None) -> Any:
    return None if value is None else pytest.approx(value, rel=1e-9)


def midnight(days: int) -> datetime:
    return WORLD.midnight(WORLD.day(NOW) - timedelta(days=days))


async def _get(client: httpx.AsyncClient, headers: dict[str, str], path: str) -> Any:
    response = await client.get(path, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def test_the_business_is_every_metric_now_and_before(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put
) -> None:
    await _fill(store, put)
    found = await _get(client, bearer("read"), "/api/analytics/business?days=10")
    assert [len(found[kind]) for kind in ("kpi", "kri", "kr")] == [43, 16, 7]
    told = {each["name"]: each for kind in ("kpi", "kri", "kr") for each in found[kind]}
    # Ten days so far, against the ten before up to the same time of day.
    before = midnight(19), NOW - timedelta(days=10)
    for metric in CATALOGUE:
        value = plain.calculate(metric.name, WORLD, midnight(9), NOW)
        previous = plain.calculate(metric.name, WORLD, *before)
        one = told[metric.name]
        assert (one["value"], one["previous_value"]) == (near(value), near(previous)), metric.name
        change = (value - previous) / abs(previous) * 100 if value is not None and previous else None
        assert one["change_percentage"] == near(change), metric.name
    assert (found["currency"], found["tz"], found["basis"]) == ("USD", "America/New_York", "persons")


async def test_a_metric_over_time(client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put) -> None:
    await _fill(store, put)
    found = await _get(client, bearer("read"), f"{METRICS}/revenue?days=14&by=country&city=Mumbai")
    assert (found["grain"], len(found["points"]), found["currency"]) == ("day", 14, "USD")
    for number, point in enumerate(found["points"]):
        start, end = midnight(13 - number), min(midnight(12 - number), NOW)
        earlier = midnight(27 - number), min(midnight(26 - number), NOW - timedelta(days=14))
        assert datetime.fromisoformat(point["at"]) == start
        assert point["value"] == near(plain.calculate_where("revenue", WORLD, start, end, "city", "Mumbai"))
        assert point["previous"] == near(plain.calculate_where("revenue", WORLD, *earlier, "city", "Mumbai"))
    whole = plain.calculate_where("revenue", WORLD, midnight(13), NOW, "city", "Mumbai")
    assert found["value"] == near(whole)
    assert found["breakdown"] == [{"value_of": "IN", "value": near(whole)}]


async def test_the_same_time_a_year_ago(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    hour, a_year_ago = timedelta(hours=1), NOW.replace(year=2025)
    await put(
        [
            *(enrich("$pageview", f"user-{n}", NOW - hour - timedelta(days=n)) for n in range(4)),
            *(enrich("$pageview", f"user-{n}", a_year_ago - hour - timedelta(days=n)) for n in range(3)),
            enrich("$pageview", "too late", a_year_ago + timedelta(minutes=1)),
        ]
    )
    by_day = await _get(client, bearer("read"), f"{METRICS}/page_views?days=5&compare=year")
    assert (by_day["value"], by_day["previous_value"]) == (4, 3)
    assert by_day["change_percentage"] == near(100 / 3)
    assert [point["previous"] for point in by_day["points"]] == [0, 0, 1, 1, 1]
    # By weeks, 52 of them: the weeks begin on Mondays then, too.
    by_week = await _get(client, bearer("read"), f"{METRICS}/page_views?days=14&grain=week&compare=year")
    assert sum(point["previous"] for point in by_week["points"]) == 4


async def test_what_is_still_to_come_has_no_value(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    await put([enrich("$pageview", "user", NOW - timedelta(days=days, hours=1)) for days in range(3)])

    async def told(name: str, first: int, last: int) -> tuple[list[float | None], float | None]:
        days = [(NOW + timedelta(days=each)).date() for each in (first, last)]
        query = f"grain=day&from={days[0]}&to={days[1]}"
        found = await _get(client, bearer("read"), f"{METRICS}/{name}?{query}")
        return [point["value"] for point in found["points"]], found["value"]

    assert await told("dau", -1, 2) == ([1, 1, None, None], 1)
    assert await told("page_views", -1, 2) == ([1, 1, None, None], 2)
    for name in ("dau", "total_users", "churn_rate", "page_views", "mau_growth"):
        assert await told(name, 3, 4) == ([None, None], None)


async def test_grains_that_suit(client: httpx.AsyncClient, bearer: Bearer) -> None:
    async def grain(query: str, name: str = "sessions") -> Any:
        return (await _get(client, bearer("read"), f"{METRICS}/{name}?{query}"))["grain"]

    assert await grain("from=-24h") == "hour"
    assert await grain("from=-24h", "dau") == "day"
    assert await grain("days=30") == "day"
    assert await grain("days=365") == "week"
    assert await grain("days=1500") == "month"
    assert await grain("days=20&grain=hour") == "hour"
    assert await grain("days=60&grain=hour") == "day", "1,440 hours are too many"
    assert await grain("days=1500&grain=day") == "week"


async def test_thresholds_and_targets(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    names = ["payment_succeeded"] * 85 + ["payment_failed"] * 15
    await put([enrich(name, f"payer-{n}", NOW - timedelta(hours=2)) for n, name in enumerate(names)])
    failures = await _get(client, bearer("read"), f"{METRICS}/payment_failure_rate?days=1")
    assert (failures["value"], failures["status"], failures["progress"]) == (0.15, "warning", None)
    success = await _get(client, bearer("read"), f"{METRICS}/ticket_purchase_success?days=1")
    assert (success["value"], success["status"]) == (0.85, "warning")
    assert success["progress"] == near(0.85 / 0.95)
    refunds = await _get(client, bearer("read"), f"{METRICS}/refund_rate?days=1")
    assert (refunds["value"], refunds["status"]) == (None, "ok")


async def test_bots_are_counted_where_asked_for(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    at = NOW - timedelta(hours=2)
    await put([enrich("$pageview", "user-1", at), enrich("$pageview", "crawler", at, {"$is_bot": True})])
    assert (await _get(client, bearer("read"), f"{METRICS}/page_views?days=1"))["value"] == 1
    assert (await _get(client, bearer("read"), f"{METRICS}/page_views?days=1&bots=true"))["value"] == 2


async def test_what_cannot_be_asked(
    client: httpx.AsyncClient,
    bearer: Bearer,
    refused: Callable[[httpx.Response, int, str], dict[str, Any]],
) -> None:
    async def get(path: str, *scopes: Any) -> httpx.Response:
        return await client.get(path, headers=bearer(*(scopes or ("read",))))

    refused(await get(f"{METRICS}/dua"), 404, "UNKNOWN_METRIC")
    body = refused(await get(f"{METRICS}/dau?community=c-1"), 422, "VALIDATION_ERROR")
    assert body["details"][0]["field"] == "community"
    assert "country" in body["details"][0]["reason"]
    refused(await get(f"{METRICS}/attendance_rate?by=country"), 422, "VALIDATION_ERROR")
    refused(await get(f"{METRICS}/dau?by=shoe_size"), 422, "VALIDATION_ERROR")
    refused(await get(f"{METRICS}/dau?grain=minute"), 422, "VALIDATION_ERROR")
    refused(await get(f"{METRICS}/dau?county=IN"), 422, "VALIDATION_ERROR")
    refused(await get("/api/analytics/business?from=now"), 422, "VALIDATION_ERROR")
    refused(await get("/api/analytics/business", "ingest"), 403, "INSUFFICIENT_SCOPE")
    refused(await client.get("/api/analytics/metric-definitions"), 401, "UNAUTHENTICATED")


async def test_the_catalogue(client: httpx.AsyncClient, bearer: Bearer) -> None:
    found = await _get(client, bearer("read"), "/api/analytics/metric-definitions")
    assert [each["name"] for each in found] == [metric.name for metric in CATALOGUE]
    failure = next(each for each in found if each["name"] == "payment_failure_rate")
    assert failure["data_source"] == "payment_failed, payment_succeeded"
    assert (failure["warning_threshold"], failure["critical_threshold"]) == (0.1, 0.2)


async def test_days_follow_the_asked_zone(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    """20:00 UTC is 01:30 of the next day in Kolkata."""
    await put([enrich("$pageview", "user-1", datetime(2026, 3, 29, 20, tzinfo=UTC))])
    found = await _get(client, bearer("read"), f"{METRICS}/dau?from=2026-03-29&to=2026-03-30&tz=Asia/Kolkata")
    assert [point["value"] for point in found["points"]] == [0, 1]
    assert found["points"][1]["at"] == "2026-03-29T18:30:00.000Z"
