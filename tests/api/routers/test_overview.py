from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from loopin_schemas.metrics import CATALOGUE, by_name
from loopin_sinks.insights.stored import replace
from loopin_sinks.metric_history.stored import NewValue, keep
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.store import Store
from loopin_sinks.tasks.generate_insights import insights
from tests.api.alerts_stored import store_alerts
from tests.sinks.alerts.recorded import some_alert

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Enrich, Put

PATH = "/api/analytics/overview"
NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


async def answer(client: httpx.AsyncClient, headers: dict[str, str], query: str = "days=7") -> dict[str, Any]:
    response = await client.get(f"{PATH}?{query}", headers=headers)
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


async def test_numbers_come_in_the_documents_units(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    at = NOW - timedelta(hours=2)
    await put(
        [
            enrich("$pageview", "user-1", at),
            enrich(
                "ticket_purchased", "user-1", at + timedelta(minutes=12), {"amount": 500.1, "currency": "INR"}
            ),
            enrich("payment_refunded", "user-1", at + timedelta(minutes=17), {"amount": 100.0}),
            enrich("ticket_purchased", "user-1", at, {"amount": 9.999, "currency": "eur"}),
            enrich("event_created", "user-2", at),
            enrich(
                "$pageview",
                "user-3",
                at - timedelta(days=2),
                received_at=round(NOW.timestamp() * 1000) - 1500,
            ),
            enrich("$pageview", "user-4", at - timedelta(days=40)),
            enrich("$pageview", "user-5", at, project="other"),
        ]
    )
    assert await answer(client, bearer("read")) == {
        "total_events": 1,
        "total_users": 4,
        "total_revenue": 400.1,
        "active_users_today": 2,
        "conversion_rate": 33.33,
        "avg_session_length": 5.67,
        "top_insights": [],
        "alerts": [],
        "tracked_events": 6,
        "currency": "INR",
        "other_revenue": {"EUR": 10.0},
        "period_start": "2026-01-09T00:00:00.000Z",
        "period_end": "2026-01-15T10:30:00.000Z",
        "tz": "UTC",
        "freshness_s": 1.5,
        "basis": "persons",
    }


async def test_a_project_sees_only_itself(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    await put([enrich("click", "user-1", NOW - timedelta(hours=1))])
    assert (await answer(client, bearer("read", project="shop")))["tracked_events"] == 1
    assert (await answer(client, bearer("read", project="rival")))["tracked_events"] == 0


async def test_days_begin_in_the_zone_asked_for(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    await put([enrich("click", "user-1", datetime(2026, 1, 14, 19, 0, tzinfo=UTC))])
    assert (await answer(client, bearer("read"), "days=1"))["tracked_events"] == 0
    local = await answer(client, bearer("read"), "days=1&tz=Asia/Kolkata")
    assert (local["tracked_events"], local["active_users_today"]) == (1, 1)
    assert (local["tz"], local["period_start"]) == ("Asia/Kolkata", "2026-01-14T18:30:00.000Z")


@pytest.mark.parametrize(
    ("query", "counted", "today", "start", "end"),
    [
        ("from=-2d", 2, 1, "2026-01-13T10:30:00.000Z", "2026-01-15T10:30:00.000Z"),
        ("from=2026-01-13&to=2026-01-14", 1, 1, "2026-01-13T00:00:00.000Z", "2026-01-15T00:00:00.000Z"),
        ("from=-10d&to=-2d", 1, 0, "2026-01-05T10:30:00.000Z", "2026-01-13T10:30:00.000Z"),
        ("to=-3d", 1, 0, "2025-12-13T10:30:00.000Z", "2026-01-12T10:30:00.000Z"),
        ("", 2, 1, "2026-01-09T00:00:00.000Z", "2026-01-15T10:30:00.000Z"),
    ],
)
async def test_the_period_may_be_given_by_its_ends(
    client: httpx.AsyncClient,
    bearer: Bearer,
    put: Put,
    enrich: Enrich,
    query: str,
    counted: int,
    today: int,
    start: str,
    end: str,
) -> None:
    times = (
        datetime(2026, 1, 6, tzinfo=UTC),
        datetime(2026, 1, 14, 12, tzinfo=UTC),
        NOW - timedelta(hours=1),
    )
    await put([enrich("click", f"user-{number}", at) for number, at in enumerate(times)])
    data = await answer(client, bearer("read"), query)
    assert (data["tracked_events"], data["active_users_today"]) == (counted, today)
    assert (data["period_start"], data["period_end"]) == (start, end)


async def test_freshness_is_an_age_whatever_the_period(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    await put([enrich("click", "user-1", NOW - timedelta(days=2))])
    assert (await answer(client, bearer("read"), "from=-5d&to=-1d"))["freshness_s"] == 2 * 86_400.0


@pytest.mark.parametrize(
    ("query", "field"),
    [("from=-1d&days=3", "days"), ("from=soon", "from"), ("day=3", "day"), ("Days=3", "Days")],
)
async def test_filters_that_make_no_sense_are_named(
    client: httpx.AsyncClient, bearer: Bearer, refused: Callable[..., dict[str, Any]], query: str, field: str
) -> None:
    response = await client.get(f"{PATH}?{query}", headers=bearer("read"))
    assert refused(response, 422, "VALIDATION_ERROR")["details"][0]["field"] == field


async def test_money_that_cannot_be_is_left_out(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    sold = [
        {"amount": 1.7e308},
        {"amount": 1.7e308},
        {"amount": -1e12},
        {"amount": True},
        {"amount": "nan", "currency": "EUR"},
        {"amount": 20.5, "currency": " inr "},
        {"amount": 2, "currency": " EUR"},
        {"amount": 3, "currency": 5},
        {"amount": 4, "currency": "Z" * 5000},
        {"amount": 5, "currency": "€"},
        {"amount": 999_999_999_999, "currency": "USD"},
    ]
    at = NOW - timedelta(hours=1)
    await put([enrich("ticket_purchased", "user-1", at, properties) for properties in sold])
    data = await answer(client, bearer("read"))
    assert data["total_revenue"] == 20.5
    assert data["other_revenue"] == {"EUR": 2.0, "USD": 999_999_999_999.0, "other": 12.0}


@pytest.mark.parametrize(
    "query", ["days=0", "days=-1", "days=3651", "days=1.5", "days=x", "days=", "days=99999999999999999999"]
)
async def test_days_have_limits(
    client: httpx.AsyncClient, bearer: Bearer, refused: Callable[..., dict[str, Any]], query: str
) -> None:
    response = await client.get(f"{PATH}?{query}", headers=bearer("read"))
    assert refused(response, 422, "VALIDATION_ERROR")["details"][0]["field"] == "days"


@pytest.mark.parametrize("query", ["days=1", "days=3650"])
async def test_days_at_their_limits_are_answered(
    client: httpx.AsyncClient, bearer: Bearer, query: str
) -> None:
    assert (await answer(client, bearer("read"), query))["freshness_s"] is None


async def test_an_unknown_zone_is_named(
    client: httpx.AsyncClient, bearer: Bearer, refused: Callable[..., dict[str, Any]]
) -> None:
    response = await client.get(f"{PATH}?tz=Mars/Olympus", headers=bearer("read"))
    assert refused(response, 422, "VALIDATION_ERROR")["details"][0]["field"] == "tz"


async def test_insights_are_those_of_the_periods_end(
    client: httpx.AsyncClient, bearer: Bearer, store: Store
) -> None:
    dau = by_name("dau")
    assert dau is not None
    values = [
        NewValue(dau, "day", NOW.replace(hour=0, minute=0) - timedelta(days=days), level, NOW)
        for days, level in ((1, 100.0), *((days, 200.0) for days in range(2, 20)))
    ]
    await keep(store, scope(), values)
    assert await replace(store, "shop", await insights(store, scope(), CATALOGUE), NOW) == 1

    found = await answer(client, bearer("read"))
    assert found["top_insights"] == [
        {
            "type": "metric_change",
            "title": "DAU was unusually low on Wednesday 14 January (-50%)",
            "priority": "critical",
            "confidence": 0.99,
        }
    ]
    assert (await answer(client, bearer("read"), "from=2026-01-01&to=2026-01-05"))["top_insights"] == []
    assert (await answer(client, bearer("read", project="other")))["top_insights"] == []


async def test_alerts_are_those_of_now_as_the_description_says(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, described: dict[str, Any]
) -> None:
    await store_alerts(store, [some_alert(severity="critical")])
    earlier = await answer(client, bearer("read"), "from=2025-01-01&to=2025-01-05")
    assert [alert["severity"] for alert in earlier["alerts"]] == ["critical"]
    said = " ".join(described["paths"][PATH]["get"]["description"].split())
    assert "Whatever the period, `alerts` are those that fire now" in said


def scope() -> Scope:
    return Scope(project="shop", zone=UTC, now=NOW)
