"""Schedules over HTTP: changed as a person asks, refused where they are none, and runs asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_schemas.config import TaskSchedule
from loopin_schemas.project import ProjectSettings
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.store import Store
from loopin_sinks.tasks import runner as running
from loopin_sinks.tasks.catalogue import TASKS
from loopin_sinks.tasks.runner import TaskRunner
from loopin_sinks.tasks.schedules import MAX_ADDED
from tests.api.config_in_memory import Log

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

NOW = datetime.now(UTC).replace(hour=10, minute=30, second=0, microsecond=0) - timedelta(days=2)
"""Of late: runs of long ago are not kept."""

PATH = "/api/analytics/tasks"
RUNS = "/api/analytics/task-runs"
OFTEN = {"name": "often", "task": "calculate_metrics", "every_s": 900, "arguments": {"names": ["revenue"]}}

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker, log: Log) -> FastAPI:
    return create_app(settings, store, broker, config=log, writer=log, clock=lambda: NOW)


@pytest.fixture
def admin(client: httpx.AsyncClient, bearer: Bearer) -> httpx.AsyncClient:
    client.headers.update(bearer("admin", sub="ann"))
    return client


async def schedule(client: httpx.AsyncClient, name: str) -> dict[str, Any]:
    answer = await client.get(PATH)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = {each["name"]: each for each in answer.json()["data"]}[name]
    return found


def at(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def test_they_are_as_the_tasks_come(admin: httpx.AsyncClient) -> None:
    answer = (await admin.get(PATH)).json()["data"]
    assert [each["name"] for each in answer] == [task.name for task in TASKS]
    hourly = answer[0]
    assert (hourly["crontab"], hourly["every_s"], hourly["paused"]) == ("5 * * * *", None, False)
    assert hourly["next_run_at"] == at(NOW + timedelta(minutes=35))
    assert hourly["last_run"] is None


async def test_one_is_changed_paused_resumed_and_again_as_it_comes(
    admin: httpx.AsyncClient, refused: Refused
) -> None:
    path = f"{PATH}/calculate_metrics"
    changed = (await admin.patch(path, json={"crontab": " */10  * * * * "})).json()["data"]
    assert (changed["crontab"], changed["next_run_at"]) == ("*/10 * * * *", at(NOW + timedelta(minutes=10)))
    changed = (await admin.patch(path, json={"every_s": 1200})).json()["data"]
    assert (changed["crontab"], changed["every_s"]) == (None, 1200)
    paused = (await admin.patch(path, json={"paused": True})).json()["data"]
    assert (paused["paused"], paused["every_s"], paused["next_run_at"]) == (True, 1200, None)
    assert await schedule(admin, "calculate_metrics") == paused
    resumed = (await admin.patch(path, json={"paused": False, "arguments": {"names": ["dau"]}})).json()[
        "data"
    ]
    assert (resumed["paused"], resumed["arguments"], resumed["every_s"]) == (False, {"names": ["dau"]}, 1200)
    as_it_comes = (await admin.patch(path, json={"crontab": None, "every_s": None})).json()["data"]
    assert (as_it_comes["crontab"], as_it_comes["arguments"]) == ("5 * * * *", {"names": ["dau"]})
    assert (await admin.delete(path)).json()["data"] == as_it_comes
    assert (await schedule(admin, "calculate_metrics"))["arguments"] == {}
    refused(await admin.delete(path), 409, "SCHEDULE_OF_A_TASK")


async def test_one_is_added_and_taken_away(admin: httpx.AsyncClient, refused: Refused) -> None:
    added = await admin.post(PATH, json=OFTEN)
    assert added.status_code == 201, added.text
    found = added.json()["data"]
    assert (found["own"], found["task"], found["every_s"]) == (True, "calculate_metrics", 900)
    assert await schedule(admin, "often") == found
    refused(await admin.post(PATH, json=OFTEN), 409, "NAME_TAKEN")
    refused(await admin.post(PATH, json={**OFTEN, "name": "calculate_metrics"}), 409, "NAME_TAKEN")
    assert (await admin.delete(f"{PATH}/often")).json()["data"] == found
    refused(await admin.delete(f"{PATH}/often"), 404, "UNKNOWN_SCHEDULE")
    refused(await admin.patch(f"{PATH}/often", json={"paused": True}), 404, "UNKNOWN_SCHEDULE")


async def test_a_schedule_of_one_project_goes_by_its_clocks(admin: httpx.AsyncClient, log: Log) -> None:
    settings = ProjectSettings(project="shop", timezone="Asia/Kolkata")
    await log.put("shop", settings, replaces=None, by="ann")
    nightly = {"task": "calculate_metrics", "crontab": "0 0 * * *"}
    for name, arguments in (("night", {"projects": ["shop"]}), ("nights", {"projects": ["shop", "other"]})):
        answer = await admin.post(PATH, json={**nightly, "name": name, "arguments": arguments})
        assert answer.status_code == 201, answer.text
    one, two = await schedule(admin, "night"), await schedule(admin, "nights")
    midnight = NOW.replace(hour=0, minute=0) + timedelta(days=1)
    assert (one["timezone"], one["next_run_at"]) == ("Asia/Kolkata", at(midnight - timedelta(hours=5.5)))
    assert (two["timezone"], two["next_run_at"]) == ("UTC", at(midnight))


async def test_the_schedule_of_a_task_that_is_gone_is_shown_and_taken_away(
    admin: httpx.AsyncClient, log: Log, refused: Refused
) -> None:
    """Under a name of its own, and under its task's."""
    for name in ("old", "removed"):
        await log.put(name, TaskSchedule(task="removed", every_s=60), replaces=None, by="ann")
    for name, own in (("old", True), ("removed", False)):
        found = await schedule(admin, name)
        assert (found["task"], found["own"], found["next_run_at"]) == ("removed", own, None)
        assert found["error"].startswith("This release has no task removed: take its schedule away")
        refused(await admin.patch(f"{PATH}/{name}", json={"paused": True}), 422, "VALIDATION_ERROR")
        assert (await admin.delete(f"{PATH}/{name}")).json()["data"]["name"] == name
        refused(await admin.delete(f"{PATH}/{name}"), 404, "UNKNOWN_SCHEDULE")


async def test_there_may_be_so_many(admin: httpx.AsyncClient, refused: Refused) -> None:
    for number in range(MAX_ADDED):
        assert (await admin.post(PATH, json={**OFTEN, "name": f"often_{number}"})).status_code == 201
    refused(await admin.post(PATH, json=OFTEN), 409, "TOO_MANY_SCHEDULES")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Often!"}, "name"),
        ({"task": "nothing"}, "task"),
        ({"every_s": 59}, "every_s"),
        ({"every_s": None, "crontab": "every day"}, "crontab"),
        ({"every_s": None, "crontab": "0 0 30 2 *"}, "crontab"),
        ({"crontab": "5 * * * *"}, None),
        ({"arguments": {"name": ["dau"]}}, "arguments"),
        ({"arguments": {"names": "dau"}}, "arguments"),
        ({"color": "red"}, "color"),
        ({"paused": "yes"}, "paused"),
        ({"paused": 1}, "paused"),
        ({"every_s": "900"}, "every_s"),
        ({"every_s": 900.0}, "every_s"),
        ({"crontab": 5}, "crontab"),
    ],
    ids=str,
)
async def test_what_is_no_schedule_is_named(
    admin: httpx.AsyncClient, refused: Refused, change: dict[str, Any], field: str | None
) -> None:
    answer = await admin.post(PATH, json={**OFTEN, **change})
    assert refused(answer, 422, "VALIDATION_ERROR")["details"][0]["field"] == field


async def test_what_another_release_configured_is_told_and_can_be_put_right(
    admin: httpx.AsyncClient, log: Log
) -> None:
    body = TaskSchedule(task="calculate_metrics", crontab="61 * * * *")
    await log.put("odd", body, replaces=None, by="them")
    odd = await schedule(admin, "odd")
    assert odd["error"].startswith("The schedule odd cannot be used (Give five fields")
    assert odd["next_run_at"] is None
    right = (await admin.patch(f"{PATH}/odd", json={"crontab": "1 * * * *"})).json()["data"]
    assert (right["error"], right["crontab"]) == (None, "1 * * * *")


async def test_a_run_is_asked_for_and_made_by_who_leads(
    admin: httpx.AsyncClient,
    store: Store,
    put: Put,
    enrich: Enrich,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the runner as the role has it, but for the time."""
    monkeypatch.setattr(running, "SETTLE_S", 0.0)
    monkeypatch.setattr(running, "POLL_S", 0.01)
    await put([enrich("$pageview", "u", NOW - timedelta(days=1))])
    for task in TASKS:
        assert (await admin.patch(f"{PATH}/{task.name}", json={"paused": True})).status_code == 200
    asked = await admin.post(f"{PATH}/calculate_metrics/run", json={"arguments": {"names": ["page_views"]}})
    assert asked.status_code == 201, asked.text
    run = asked.json()["data"]
    assert (run["state"], run["by"], run["scheduled_for"], run["asked_at"]) == (
        "requested",
        "ann",
        None,
        at(NOW),
    )
    again = await admin.post(f"{PATH}/calculate_metrics/run", json={"arguments": {"names": ["page_views"]}})
    assert again.json()["data"] == run, "it waits already"
    runner = TaskRunner(
        store,
        log,
        scope=lambda project, now: Scope(project=project, zone=UTC, now=now),
        zone=UTC,
        leads=lambda: True,
        clock=lambda: NOW,
    )
    stop = asyncio.Event()
    work = asyncio.create_task(runner.run(stop))
    async with asyncio.timeout(120):
        while (found := (await admin.get(f"{RUNS}/{run['id']}")).json()["data"])["state"] != "done":
            assert not work.done()
            await asyncio.sleep(0.01)
    stop.set()
    await work
    # A day and its hours to the last full one.
    assert (found["rows"], found["error"], found["started_at"]) == (1 + 24 + 10, None, at(NOW))
    assert (await admin.get(RUNS, params={"schedule": "calculate_metrics"})).json()["data"] == [found]
    assert (await admin.get(RUNS, params={"schedule": "generate_insights"})).json()["data"] == []
    assert (await schedule(admin, "calculate_metrics"))["last_run"] == found


async def test_a_run_that_cannot_be_is_refused(admin: httpx.AsyncClient, refused: Refused) -> None:
    refused(await admin.post(f"{PATH}/nothing/run", json={}), 404, "UNKNOWN_SCHEDULE")
    answer = await admin.post(f"{PATH}/calculate_metrics/run", json={"arguments": {"colour": "red"}})
    assert refused(answer, 422, "VALIDATION_ERROR")["details"][0] == {
        "field": "arguments",
        "reason": "There is no field colour here; leave it out; the task takes: projects, names.",
    }
    refused(await admin.get(f"{RUNS}/nothing"), 404, "UNKNOWN_RUN")
    refused(await admin.get(RUNS, params={"schedule": "nothing"}), 404, "UNKNOWN_SCHEDULE")


async def test_who_may(client: httpx.AsyncClient, bearer: Bearer, log: Log, refused: Refused) -> None:
    asked = [("GET", PATH), ("POST", PATH), ("PATCH", f"{PATH}/often"), ("DELETE", f"{PATH}/often"),
             ("POST", f"{PATH}/calculate_metrics/run"), ("GET", RUNS), ("GET", f"{RUNS}/1")]  # fmt: skip
    for method, path in asked:
        body: dict[str, Any] | None = {} if method in ("POST", "PATCH") else None
        answer = await client.request(method, path, json=body, headers=bearer("read", "write", "ingest"))
        refused(answer, 403, "INSUFFICIENT_SCOPE")
        refused(await client.request(method, path, json=body), 401, "UNAUTHENTICATED")
    log.down = True
    refused(await client.post(PATH, json=OFTEN, headers=bearer("admin")), 503, "NOT_CONFIGURED")
