"""Forecasts over HTTP: kept ones as they are, others made at once; and what cannot be asked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.envelope import iso_ms
from loopin_api.predictions.kinds import KINDS
from loopin_api.settings import ApiSettings
from loopin_schemas.metrics import by_name
from loopin_sinks.forecasts.forecast import forecast
from loopin_sinks.forecasts.history import bounds_of, past
from loopin_sinks.forecasts.made import Made
from loopin_sinks.forecasts.make import make
from loopin_sinks.forecasts.series import Bounds, Series
from loopin_sinks.forecasts.stored import keep_forecast
from loopin_sinks.metric_history.stored import NewValue, keep
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.store import Store
from tests.api.config_in_memory import Log

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]

PATH = "/api/analytics/predictions"
NOW = (datetime.now(UTC) - timedelta(days=1)).replace(hour=10, minute=30, second=0, microsecond=0)
"""Of late: what is older than the store keeps it would be gone."""

TODAY = NOW.replace(hour=0, minute=0)
DAY = timedelta(days=1)
SCOPE = Scope(project="shop", zone=UTC, now=NOW, as_set=True)
VALUES = [200.0 + 30 * (day % 7) + day * day * 37 % 41 for day in range(120)]
"""Of the days before today."""


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker) -> FastAPI:
    log = Log()
    return create_app(settings, store, broker, config=log, writer=log, clock=lambda: NOW)


async def keep_days(store: Store, name: str = "dau") -> None:
    metric = by_name(name)
    assert metric is not None
    first = TODAY - len(VALUES) * DAY
    values = [NewValue(metric, "day", first + n * DAY, value, NOW) for n, value in enumerate(VALUES)]
    await keep(store, SCOPE, values)


async def keep_made(store: Store, now: datetime = NOW, horizon: int = 30) -> Made:
    metric = by_name("dau")
    assert metric is not None
    scope = replace(SCOPE, now=now)
    made = make(scope, await past(store, scope, metric), horizon, bounds_of(metric))
    await keep_forecast(store, scope, metric, made)
    return made


async def get(client: httpx.AsyncClient, bearer: Bearer, **asked: Any) -> Any:
    response = await client.get(PATH, params={"kind": "forecast", **asked}, headers=bearer("read"))
    assert response.status_code == 200, response.text
    return response.json()["data"]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_a_forecast_is_made_of_what_is_kept(
    client: httpx.AsyncClient, bearer: Bearer, store: Store
) -> None:
    await keep_days(store)
    found = await get(client, bearer, metric="dau", horizon=14)
    assert (found["kind"], found["metric"], found["unit"], found["grain"]) == (
        "forecast",
        "dau",
        "users",
        "day",
    )
    assert (found["method"], found["reason"], found["currency"], found["tz"]) == ("model", None, None, "UTC")
    assert found["intervals"] == "conformal"
    first = (TODAY - len(VALUES) * DAY).date()
    expected = forecast(Series(first, np.array(VALUES)), 14, Bounds(0))
    assert [point["value"] for point in found["points"]] == pytest.approx(list(expected.values))
    assert [point["low_80"] for point in found["points"]] == pytest.approx(list(expected.low[0]))
    assert [point["high_95"] for point in found["points"]] == pytest.approx(list(expected.high[1]))
    assert [moment(point["at"]) for point in found["points"]] == [TODAY + n * DAY for n in range(14)]
    assert [point["value"] for point in found["history"]] == VALUES[-90:]
    for point, part in zip(found["history"], found["decomposition"], strict=True):
        assert part["at"] == point["at"]
        assert part["trend"] + part["weekly"] + part["residual"] == pytest.approx(point["value"])
    assert expected.quality is not None
    assert found["backtest"]["mase"] == pytest.approx(expected.quality.mase)
    assert (found["backtest"]["folds"], found["backtest"]["baseline"]) == (12, "seasonal_naive")
    assert {name: found["lineage"][name] for name in ("points", "calculated_at")} == {
        "points": 120,
        "calculated_at": iso_ms(NOW),
    }
    assert (moment(found["lineage"]["from"]), moment(found["lineage"]["to"])) == (TODAY - 120 * DAY, TODAY)


async def test_the_forecast_that_was_kept_today_is_answered_as_it_is(
    client: httpx.AsyncClient, bearer: Bearer, store: Store
) -> None:
    await keep_days(store)
    at_night = TODAY + timedelta(minutes=40)
    made = await keep_made(store, at_night)
    found = await get(client, bearer, metric="dau", horizon=3)
    assert moment(found["made_at"]) == at_night
    assert [point["value"] for point in found["points"]] == [day.value for day in made.points[:3]]
    assert found["horizon"] == 3
    # It is of 30 days, and without holidays.
    assert moment((await get(client, bearer, metric="dau", horizon=31))["made_at"]) == NOW
    assert moment((await get(client, bearer, metric="dau", holidays="DE"))["made_at"]) == NOW


async def test_that_of_yesterday_is_made_anew(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    await keep_days(store)
    await keep_made(store, NOW - DAY)
    found = await get(client, bearer, metric="dau")
    assert (moment(found["made_at"]), moment(found["points"][0]["at"])) == (NOW, TODAY)
    # Where that cannot be, the one of yesterday is better than none.
    monkeypatch.setitem(sys.modules, "loopin_sinks.forecasts.make", None)
    assert moment((await get(client, bearer, metric="dau"))["made_at"]) == NOW - DAY
    response = await client.get(PATH, params={"kind": "forecast", "metric": "wau"}, headers=bearer("read"))
    body = refused(response, 503, "MODELS_MISSING")
    assert "install loopin-analytics[models]" in body["error"]


async def test_without_any_day_nothing_is_expected_and_it_is_said(
    client: httpx.AsyncClient, bearer: Bearer
) -> None:
    found = await get(client, bearer, metric="revenue")
    assert found["points"] == found["history"] == found["decomposition"] == []
    assert found["intervals"] is None
    assert (found["method"], found["reason"]) == ("heuristic", "There is no day with a value yet.")
    assert (found["currency"], found["backtest"], found["lineage"]) == ("INR", None, None)


async def test_days_that_nobody_kept_are_told_by_their_events(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    await put(
        [
            enrich("$pageview", f"user-{n}", TODAY - day * DAY + timedelta(hours=3))
            for day in range(3)
            for n in range(day + 1)
        ]
    )
    found = await get(client, bearer, metric="dau", horizon=2)
    assert [point["value"] for point in found["history"]] == [3, 2]
    assert (found["method"], found["model"], found["intervals"]) == ("heuristic", "mean", "student_t")
    assert [point["value"] for point in found["points"]] == [2.5, 2.5]
    assert found["reason"] == "A model needs 100 days with a value, and there are 2."
    assert found["lineage"]["calculated_at"] is None


async def test_a_projects_holidays_are_those_of_its_country(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, app: FastAPI
) -> None:
    await keep_days(store)
    assert (await get(client, bearer, metric="dau"))["holidays"] is None
    assert (await get(client, bearer, metric="dau", holidays="DE"))["holidays"] == "DE"
    patched = await client.patch(
        "/api/analytics/project", json={"holidays": "IN"}, headers=bearer("admin", "read")
    )
    assert patched.status_code == 200, patched.text
    assert (await get(client, bearer, metric="dau"))["holidays"] == "IN"


async def test_projects_are_apart(client: httpx.AsyncClient, bearer: Bearer, store: Store) -> None:
    await keep_days(store)
    await keep_made(store)
    other = await client.get(
        PATH, params={"kind": "forecast", "metric": "dau"}, headers=bearer("read", project="other")
    )
    assert other.json()["data"]["points"] == []


@pytest.mark.parametrize(
    ("asked", "field", "reason"),
    [
        ({}, "kind", "Give this field, too."),
        ({"kind": "weather"}, "kind", f"There is no such kind; use {' or '.join(k.name for k in KINDS)}."),
        ({"kind": "forecast"}, "metric", "Give this field, too."),
        ({"kind": "forecast", "metric": "dau", "horizon": "0"}, "horizon", "Give 1 or more."),
        ({"kind": "forecast", "metric": "dau", "horizon": "91"}, "horizon", "Give at most 90."),
        (
            {"kind": "forecast", "metric": "dau", "holidays": "XX"},
            "holidays",
            "Nothing is known of the holidays of XX; give another, or leave it out.",
        ),
        (
            {"kind": "forecast", "metric": "dau", "holidays": "germany"},
            "holidays",
            "Give a code of ISO 3166, two capital letters such as IN.",
        ),
    ],
)
async def test_what_cannot_be_asked(
    client: httpx.AsyncClient,
    bearer: Bearer,
    refused: Refused,
    asked: dict[str, str],
    field: str,
    reason: str,
) -> None:
    response = await client.get(PATH, params=asked, headers=bearer("read"))
    assert refused(response, 422, "VALIDATION_ERROR")["details"] == [{"field": field, "reason": reason}]


async def test_a_parameter_that_is_misspelt_is_refused(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused
) -> None:
    asked = {"kind": "forecast", "metric": "dau", "days": "3"}
    response = await client.get(PATH, params=asked, headers=bearer("read"))
    (detail,) = refused(response, 422, "VALIDATION_ERROR")["details"]
    assert detail["field"] == "days"


async def test_a_metric_that_nobody_knows_is_not_found(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused
) -> None:
    asked = {"kind": "forecast", "metric": "happiness"}
    refused(await client.get(PATH, params=asked, headers=bearer("read")), 404, "UNKNOWN_METRIC")


async def test_it_needs_the_scope_read(client: httpx.AsyncClient, bearer: Bearer, refused: Refused) -> None:
    asked = {"kind": "forecast", "metric": "dau"}
    refused(await client.get(PATH, params=asked, headers=bearer("write")), 403, "INSUFFICIENT_SCOPE")
    refused(await client.get(PATH, params=asked), 401, "UNAUTHENTICATED")
