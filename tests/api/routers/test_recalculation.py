"""Kept values over HTTP: computed anew on request, and told once their events are gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.queries import recalculation
from loopin_api.settings import ApiSettings
from loopin_schemas.metrics import CATALOGUE
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store, StoreError
from loopin_sinks.tasks import runner as running
from loopin_sinks.tasks.calculate_requested import CALCULATE_REQUESTED
from loopin_sinks.tasks.runner import TaskRunner
from loopin_sinks.tasks.runs import Run, find_run, store_run
from loopin_sinks.tasks.task import Context
from tests.api.config_in_memory import Log
from tests.migrated import migrated_store
from tests.sinks.metric_history.history import TOPIC_ID, event, run

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/api/analytics/metrics"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + 30 * DAY
"""In times to come, so that the engine does not remove by itself what is kept for 30 days."""
NOW = TODAY + 15 * HOUR
EDGE = TODAY - 29 * DAY
"""From here on all events are there."""

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("recalculation"), migrated) as store:
        yield store


@pytest_asyncio.fixture(loop_scope="module")
async def store(opened: Store) -> Store:
    for table in ("events", "metric_values", "metric_changes", "metric_looks", "task_runs"):
        await opened.command(f"TRUNCATE TABLE {table}")
    return opened


@pytest_asyncio.fixture(loop_scope="module")
async def tasks(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TaskRunner]:
    """The process that leads, which makes what is asked for."""
    monkeypatch.setattr(running, "SETTLE_S", 0.0)
    monkeypatch.setattr(running, "POLL_S", 0.01)
    monkeypatch.setattr(recalculation, "WAIT_S", 300.0)
    log, stop = Log(), asyncio.Event()
    runner = TaskRunner(
        store,
        log,
        scope=lambda project, now: Scope(project=project, zone=UTC, now=now),
        zone=UTC,
        leads=lambda: True,
        tasks=[CALCULATE_REQUESTED],
        clock=lambda: NOW,
    )
    loop = asyncio.create_task(runner.run(stop))
    yield runner
    stop.set()
    await loop


@pytest_asyncio.fixture(loop_scope="module")
async def client(settings: ApiSettings, store: Store, broker: Broker) -> AsyncIterator[httpx.AsyncClient]:
    app: FastAPI = create_app(settings, store, broker, clock=lambda: NOW)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


async def put(store: Store, *at: datetime) -> None:
    """A page view at each time, by as many users as the time is there; kept for 30 days."""
    found = [event(moment, user=f"u{number}") for number, moment in enumerate(at)]
    rows = to_arrow(found, 0, range(len(found)), TOPIC_ID, lambda _: 30, 0)
    for month, part in by_month(rows):
        await store.insert("events", part, token=f"{uuid4()}:{month}")


async def calculate(client: httpx.AsyncClient, headers: dict[str, str], **body: Any) -> httpx.Response:
    given = {"from": (TODAY - 3 * DAY).isoformat(), "to": "now", **body}
    return await client.post(f"{PATH}/calculate", json=given, headers=headers)


async def get(client: httpx.AsyncClient, headers: dict[str, str], query: str) -> Any:
    response = await client.get(f"{PATH}/{query}", headers=headers)
    assert response.status_code == 200, response.text
    return response.json()["data"]


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def test_what_changed_is_told(
    store: Store, client: httpx.AsyncClient, bearer: Bearer, tasks: TaskRunner
) -> None:
    await put(store, TODAY - 2 * DAY + 2 * HOUR, TODAY - DAY)
    headers = bearer("write")
    found = (await calculate(client, headers, names=["page_views", "dau", "page_views"])).json()["data"]
    # Two days since there are events, their hours, and those of today.
    assert (found["calculated"], found["changed"], found["skipped"]) == (2 * 2 + 48 + 15, 67, [])
    await put(store, TODAY - 2 * DAY + 2 * HOUR)
    found = (await calculate(client, headers, names=["page_views", "dau"])).json()["data"]

    def change(grain: str, start: datetime, length: timedelta) -> dict[str, Any]:
        window = {"grain": grain, "start": iso(start), "end": iso(start + length)}
        return {"name": "page_views", "window": window, "before": 1.0, "after": 2.0}

    start = TODAY - 2 * DAY
    assert found["changes"] == [change("hour", start + 2 * HOUR, HOUR), change("day", start, DAY)]
    assert (found["changed"], found["state"]) == (2, "done")
    told = await client.get(f"{PATH}/calculations/{found['id']}", headers=bearer("read"))
    assert told.json()["data"] == found
    again = (await calculate(client, headers)).json()["data"]
    assert {each["name"] for each in again["changes"]}.isdisjoint({"page_views", "dau"})
    assert again["changed"] > len(again["changes"]) - 1
    assert (await calculate(client, headers)).json()["data"]["changed"] == 0


async def test_it_is_a_run_that_can_be_seen_and_cancelled(
    store: Store,
    client: httpx.AsyncClient,
    bearer: Bearer,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await put(store, TODAY - DAY)
    monkeypatch.setattr(recalculation, "WAIT_S", 0.0)
    answer = await calculate(client, bearer("write"), names=["page_views"])
    assert answer.status_code == 202
    found = answer.json()["data"]
    assert (found["state"], found["changes"]) == ("requested", [])
    headers = bearer("admin", sub="ann")
    [run] = (await client.get("/api/analytics/task-runs", headers=headers)).json()["data"]
    assert (run["id"], run["task"], run["by"]) == (found["id"], "calculate_requested", "user-1")
    cancel = f"/api/analytics/task-runs/{run['id']}/cancel"
    assert (await client.post(cancel, headers=headers)).json()["data"]["state"] == "cancelling"
    assert (await client.post(cancel, headers=headers)).status_code == 200, "asked for already"
    ended = replace(await find(store, run["id"]), state="cancelled", ended_at=NOW)
    await store_run(store, ended)
    refused(await client.post(cancel, headers=headers), 409, "RUN_HAS_ENDED")
    path = f"{PATH}/calculations/{run['id']}"
    assert (await client.get(path, headers=bearer("read"))).json()["data"]["state"] == "cancelled"
    refused(await client.get(path, headers=bearer("read", project="other")), 404, "UNKNOWN_RUN")
    refused(await client.get(f"{PATH}/calculations/none", headers=bearer("read")), 404, "UNKNOWN_RUN")
    other = Run("f" * 32, "calculate_metrics", "calculate_metrics", "ann", NOW)
    await store_run(store, other)
    refused(await client.get(f"{PATH}/calculations/{other.id}", headers=bearer("read")), 404, "UNKNOWN_RUN")
    refused(await client.post(cancel, headers=bearer("write")), 403, "INSUFFICIENT_SCOPE")


async def find(store: Store, id: str) -> Run:
    found = await find_run(store, id)
    assert found is not None
    return found


async def test_a_run_that_fails_is_told(
    store: Store, client: httpx.AsyncClient, bearer: Bearer, refused: Refused, tasks: TaskRunner
) -> None:
    async def broken(context: Context) -> int:
        raise StoreError("query_failed", "The query needs more memory than it may use.")

    tasks._tasks = [replace(CALCULATE_REQUESTED, run=broken)]
    body = refused(await calculate(client, bearer("write")), 503, "NOT_CALCULATED")
    assert body["error"] == "The query needs more memory than it may use."


async def test_so_many_values_and_no_more_are_computed_at_once(
    store: Store, client: httpx.AsyncClient, bearer: Bearer, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, TODAY - 25 * DAY, NOW - HOUR)
    since = (TODAY - 20 * DAY).isoformat()
    monkeypatch.setattr(recalculation, "WAIT_S", 0.0)
    body = refused(await calculate(client, bearer("write"), **{"from": since}), 422, "TOO_MUCH_TO_CALCULATE")
    hourly = sum("hour" in metric.grains for metric in CATALOGUE)
    number = hourly * (20 * 24 + 15) + len(CATALOGUE) * (20 + weeks(TODAY - 20 * DAY, TODAY))
    number += len(CATALOGUE) * months(TODAY - 20 * DAY, TODAY)
    assert body["error"].startswith(f"That is {number:,} values (periods times metrics), and one request may")
    days = int(body["error"].split("ask for ")[2].split(" ")[0])
    less = (TODAY - days * DAY + DAY).isoformat()
    assert (await calculate(client, bearer("write"), **{"from": less})).status_code == 202
    assert (await calculate(client, bearer("write"), **{"from": since, "names": ["dau"]})).status_code == 202


def weeks(start: datetime, end: datetime) -> int:
    mondays = [
        start + day * DAY for day in range((end - start).days + 1) if (start + day * DAY).weekday() == 0
    ]
    return max(0, len(mondays) - 1)


def months(start: datetime, end: datetime) -> int:
    firsts = [start + day * DAY for day in range((end - start).days + 1) if (start + day * DAY).day == 1]
    return max(0, len(firsts) - 1)


async def test_more_than_is_kept_is_refused_with_what_is(
    store: Store, client: httpx.AsyncClient, bearer: Bearer, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, EDGE - 5 * HOUR, EDGE + HOUR, NOW - DAY)
    headers = bearer("write")
    before = (EDGE - HOUR).isoformat()
    body = refused(await calculate(client, headers, **{"from": before}), 422, "VALIDATION_ERROR")
    reason = f"Events are there from {iso(EDGE)} on; give a from that is not before."
    assert body["details"] == [{"field": "from", "reason": reason}]
    body = refused(await calculate(client, headers, names=["mau"]), 422, "VALIDATION_ERROR")
    reason = f"All events that mau depends on are there from {iso(EDGE + 29 * DAY)} on; give a from"
    assert body["details"][0]["reason"].startswith(reason)
    body = refused(await calculate(client, headers, names=["total_users"]), 422, "VALIDATION_ERROR")
    assert "are not there any more" in body["details"][0]["reason"]
    monkeypatch.setattr(recalculation, "MAX_VALUES", 10**6)
    monkeypatch.setattr(recalculation, "WAIT_S", 0.0)
    found = (await calculate(client, headers, **{"from": EDGE.isoformat()})).json()["data"]
    skipped = {each["name"]: each["covered_from"] for each in found["skipped"]}
    assert skipped["mau"] == iso(EDGE + 29 * DAY)
    assert skipped["wau"] == iso(EDGE + 6 * DAY)
    assert skipped["total_users"] is None
    assert "page_views" not in skipped


async def test_what_cannot_be_asked(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, tasks: TaskRunner
) -> None:
    headers = bearer("write")
    refused(await calculate(client, headers, names=["nothing"]), 404, "UNKNOWN_METRIC")
    refused(await calculate(client, headers, names=[]), 422, "VALIDATION_ERROR")
    refused(await calculate(client, headers, **{"from": "now"}), 422, "VALIDATION_ERROR")
    refused(await calculate(client, bearer("read")), 403, "INSUFFICIENT_SCOPE")


async def test_where_there_is_nothing_to_compute_the_answer_says_why(
    store: Store, client: httpx.AsyncClient, bearer: Bearer, tasks: TaskRunner
) -> None:
    async def nothing(**body: Any) -> Any:
        response = await calculate(client, bearer("write"), **body)
        found = response.json()["data"]
        assert (response.status_code, found["calculated"], found["total"]) == (200, 0, 0)
        return found["nothing"]

    assert await nothing() == "There are no events yet, so there is nothing to compute."
    await put(store, TODAY - DAY + HOUR)
    first = iso(TODAY - DAY)
    assert await nothing(to=(TODAY - DAY).isoformat()) == (
        f"Events begin at {first} or later, so before it there is nothing to compute."
    )
    minutes = {"from": (NOW - HOUR / 2).isoformat(), "to": NOW.isoformat()}
    assert (await nothing(**minutes)).startswith("No hour, day, week or month that is over lies within this")
    computed = (await calculate(client, bearer("write"), names=["dau"])).json()["data"]
    assert computed["calculated"] > 0
    assert computed["nothing"] is None


async def test_history_outlives_the_events(store: Store, client: httpx.AsyncClient, bearer: Bearer) -> None:
    await put(store, *(TODAY - day * DAY + HOUR for day in range(1, 46) for _ in range(day)))
    await run(store, TODAY - 15 * DAY + HOUR, names=["page_views", "dau", "payment_failure_rate"])
    await run(store, NOW, names=["page_views", "dau", "payment_failure_rate"])
    calculated = iso(TODAY - 15 * DAY + HOUR)
    headers = bearer("read")
    asked = f"from={iso(TODAY - 40 * DAY)}&to={iso(TODAY)}&grain=day"
    whole = await get(client, headers, f"page_views?{asked}")
    assert (whole["value"], whole["data_source"]) == (
        sum(range(1, 41)),
        f"$pageview; kept values before {iso(EDGE)}",
    )
    await store.command(
        "DELETE FROM events WHERE timestamp < {at:DateTime64(3, 'UTC')}", {"at": NOW - 30 * DAY}
    )
    found = await get(client, headers, f"page_views?{asked}")
    assert [point["value"] for point in found["points"]] == list(range(40, 0, -1))
    assert found["value"] == sum(range(1, 41))
    assert found["data_source"] == f"$pageview; kept values before {iso(EDGE)}"
    assert found["calculated_at"] == calculated
    # When the first run was made, the 45th day was not whole any more.
    assert [point["previous"] for point in found["points"][-6:]] == [None, None, 44, 43, 42, 41]
    users = await get(client, headers, f"dau?{asked}")
    assert [point["value"] for point in users["points"]] == list(range(40, 0, -1))
    assert users["value"] == 1, "its value is that of the last day"
    rate = await get(client, headers, f"payment_failure_rate?{asked}")
    assert (rate["value"], {point["value"] for point in rate["points"]}) == (None, {None})
    hours = await get(
        client, headers, f"page_views?from={iso(TODAY - 35 * DAY)}&to={iso(TODAY - 34 * DAY)}&grain=hour"
    )
    assert [point["value"] for point in hours["points"]] == [0, 35, *[0] * 22]


async def test_what_is_kept_is_told_only_of_what_it_is(
    store: Store, client: httpx.AsyncClient, bearer: Bearer
) -> None:
    """Not of cut periods, of parts, or of another zone's days; and not while the events are there."""
    await put(store, *(TODAY - day * DAY + HOUR for day in (1, 35, 36) for _ in range(day)))
    await run(store, TODAY - 30 * DAY, names=["page_views"])
    await run(store, NOW, names=["page_views"])
    headers = bearer("read")
    two_days = f"from={iso(TODAY - 36 * DAY)}&to={iso(TODAY - 34 * DAY)}&grain=day"
    await store.command(
        "DELETE FROM events WHERE timestamp < {at:DateTime64(3, 'UTC')}", {"at": NOW - 30 * DAY}
    )

    async def values(query: str) -> list[Any]:
        return [point["value"] for point in (await get(client, headers, f"page_views?{query}"))["points"]]

    assert await values(two_days) == [36, 35]
    assert await values(f"from={iso(TODAY - 36 * DAY)}&to={iso(TODAY - 35 * DAY + 2 * HOUR)}&grain=day") == [
        36,
        None,
    ]
    assert await values(f"from={iso(TODAY - 36 * DAY + HOUR)}&to={iso(TODAY - 34 * DAY)}&grain=day") == [
        None,
        35,
    ]
    for other in ("tz=Europe/London", "tz=Asia/Kolkata", "country=IN", "bots=true"):
        assert set(await values(f"{two_days}&{other}")) == {None}, other
    await put(store, TODAY - DAY + 2 * HOUR)
    assert await values(f"from={iso(TODAY - DAY)}&to={iso(TODAY)}&grain=day") == [2], "its events tell it"
