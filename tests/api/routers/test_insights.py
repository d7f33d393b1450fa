"""Insights over HTTP: which there are, what people say of them, and what they rest on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace as copy_of
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import msgspec
import pyarrow as pa
import pytest
import pytest_asyncio
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.queries import lineage, recalculation
from loopin_api.settings import ApiSettings
from loopin_schemas import EnrichedEvent
from loopin_schemas.insight import Evidence, Insight
from loopin_schemas.metrics import CATALOGUE, by_name
from loopin_schemas.metrics.definition import event_names
from loopin_sinks.forecasts.made import ExpectedDay, Made
from loopin_sinks.forecasts.stored import keep_forecast
from loopin_sinks.insights.predictions import predictions
from loopin_sinks.insights.stored import replace
from loopin_sinks.metric_history.stored import NewValue, keep
from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.persons.mapping import PERSON_IDS
from loopin_sinks.persons.rows import IDS_SCHEMA
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store, StoreError
from loopin_sinks.tasks import runner as running
from loopin_sinks.tasks.generate_insights import GENERATE_INSIGHTS, insights
from loopin_sinks.tasks.runner import TaskRunner
from loopin_streams.learning.features import CONTRASTS
from tests.api.config_in_memory import Log
from tests.api.insights_stored import some_insight, store_days, store_insights
from tests.api.personas_stored import store_personas
from tests.migrated import migrated_store
from tests.sinks.scored_profiles import Scored, put_scored

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich

pytestmark = pytest.mark.asyncio(loop_scope="module")

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]

PATH = "/api/analytics/insights"
NOW = datetime.now(UTC).replace(hour=10, minute=30, second=0, microsecond=0) + timedelta(days=1)
"""Soon, so that the engine does not remove by itself what is kept for a time."""
TODAY = NOW.replace(hour=0, minute=0)
DAY = timedelta(days=1)
YESTERDAY = TODAY - DAY
FOUND = NOW - timedelta(minutes=10)
"""When insights are found."""

SCOPE = Scope(project="shop", zone=UTC, now=FOUND, as_set=True)
TOPIC_ID = "0b54b3f8-5bd5-4b07-9f0f-5d1d6c7a1f11"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("insights"), migrated) as store:
        yield store


TABLES = ("insights", "insight_marks", "metric_values", "forecasts", "forecast_runs", "events", "task_runs")


@pytest_asyncio.fixture(loop_scope="module")
async def store(opened: Store) -> Store:
    for table in (*TABLES, "personas", "persona_runs", "person_distinct_ids", "profiles"):
        await opened.command(f"TRUNCATE TABLE {table}")
    return opened


@pytest_asyncio.fixture(loop_scope="module")
async def client(settings: ApiSettings, store: Store, broker: Broker) -> AsyncIterator[httpx.AsyncClient]:
    app: FastAPI = create_app(settings, store, broker, clock=lambda: NOW)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


async def get(client: httpx.AsyncClient, headers: dict[str, str], rest: str = "", **query: Any) -> Any:
    response = await client.get(f"{PATH}{rest}", params=query, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def post(client: httpx.AsyncClient, headers: dict[str, str], rest: str, body: Any = None) -> Any:
    response = await client.post(f"{PATH}{rest}", json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()["data"]


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def various() -> list[Insight]:
    """Of all priorities, about metrics and users, found in the last hours; the last ones are over."""
    found = []
    kinds = product(("low", "critical"), (True, False), ("metric", "user"), (NOW, NOW - 20 * DAY))
    for number, (priority, actionable, target, at) in enumerate(kinds, start=1):
        found.append(
            some_insight(
                at - number * timedelta(minutes=1),
                number,
                priority=priority,
                is_actionable=actionable,
                target_type=target,
                insight_type="persona_change" if target == "user" else "metric_change",
                target_id="17" if target == "user" else "dau",
            )
        )
    return found


def plain_state(each: Insight, withdrawn: set[str], dismissed: set[str]) -> str:
    if each.id in dismissed:
        return "dismissed"
    if each.id in withdrawn:
        return "withdrawn"
    return "expired" if each.expires_at <= epoch_ms(NOW) else "open"


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"type": "persona_change"},
        {"target_type": "metric", "priority": "critical"},
        {"target_id": "17", "actionable": True},
        {"actionable": False},
        {"state": "open"},
        {"state": "dismissed"},
        {"state": "withdrawn"},
        {"state": "expired", "priority": "low"},
        {"from": iso(NOW - 2 * DAY), "to": iso(NOW)},
        {"from": iso(NOW - 30 * DAY), "to": iso(NOW - 10 * DAY)},
        {"days": 3},
    ],
    ids=str,
)
async def test_the_list_is_what_a_plain_filter_gives_by_both_verbs(
    client: httpx.AsyncClient, store: Store, bearer: Bearer, query: dict[str, Any]
) -> None:
    stored = various()
    await store_insights(store, *stored, some_insight(NOW, 1, "other"))
    # Two of those of now are found no longer, and of these one was dismissed, as one of the others was.
    of_now = [each for each in stored if each.expires_at > epoch_ms(NOW)]
    headers = bearer("read", "write")
    for each in (of_now[0], of_now[3]):
        await post(client, headers, f"/{each.id}/dismiss")
    withdrawn = {each.id for each in of_now[:2]}
    assert await replace(store, "shop", of_now[2:], NOW) == 2

    start = {"from": query.get("from"), "days": TODAY - 2 * DAY}.get("days" if "days" in query else "from")
    since = datetime.fromisoformat(start) if isinstance(start, str) else start or NOW - 30 * DAY
    until = datetime.fromisoformat(query.get("to", iso(NOW)))
    dismissed = {of_now[0].id, of_now[3].id}
    expected = [
        each.id
        for each in sorted(stored, key=lambda each: -each.created_at)
        if each.created_at < epoch_ms(until)
        and each.expires_at > epoch_ms(since)
        and query.get("type", each.insight_type) == each.insight_type
        and query.get("target_type", each.target_type) == each.target_type
        and query.get("target_id", each.target_id) == each.target_id
        and query.get("priority", each.priority) == each.priority
        and query.get("actionable", each.is_actionable) == each.is_actionable
        and query.get("state") in (None, plain_state(each, withdrawn, dismissed))
    ]
    assert expected
    found = await get(client, headers, **query)
    assert [each["id"] for each in found["results"]] == expected
    assert found["count"] == len(expected)
    by_id = {each.id: each for each in stored}
    for each in found["results"]:
        assert each["state"] == plain_state(by_id[each["id"]], withdrawn, dismissed)
    body = {**query, **({"target_id": 17} if "target_id" in query else {})}
    assert await post(client, bearer("read"), "", body) == found


async def test_pages_follow_each_other_by_both_verbs(
    client: httpx.AsyncClient, store: Store, bearer: Bearer, refused: Refused
) -> None:
    await store_insights(store, *various())
    headers, whole = bearer("read"), (await get(client, bearer("read"), state="open"))["results"]
    ways: dict[str, dict[str, Any]] = {
        "GET": {"params": {"state": "open"}},
        "POST": {"json": {"state": "open"}},
    }
    for method, asked in ways.items():
        response = await client.request(method, PATH, headers=headers, **asked)
        found, url = [], f"{PATH}?page_size=3" + ("&state=open" if method == "GET" else "")
        while url:
            response = await client.request(method, url, headers=headers, json=asked.get("json"))
            data = response.json()["data"]
            assert data["count"] == len(whole)
            found += data["results"]
            url = data["next"]
        assert found == whole
    refused(await client.get(f"{PATH}?page=9", headers=headers), 404, "UNKNOWN_PAGE")


async def test_an_insight_has_the_documents_fields_and_is_its_projects_own(
    client: httpx.AsyncClient, store: Store, bearer: Bearer, refused: Refused
) -> None:
    stored = some_insight(NOW, target_type="user", target_id="17", insight_type="persona_change")
    await store_insights(store, stored)
    found = await get(client, bearer("read"), f"/{stored.id}")
    assert {
        "insight_type": "persona_change",
        "target_type": "user",
        "target_id": 17,
        "confidence_score": 0.99,
        "is_actionable": True,
        "suggested_actions": list(stored.suggested_actions),
        "priority": "critical",
        "created_at": iso(NOW),
        "expires_at": iso(NOW + 7 * DAY),
        "title": stored.title,
        "description": stored.description,
        "state": "open",
        "rating": None,
        "dismissed": None,
    }.items() <= found.items()
    assert found["evidence"]["start"] == iso(YESTERDAY)
    assert found["evidence"]["compared"] == [iso(TODAY - 8 * DAY)]
    other = bearer("read", "write", project="other")
    for rest in (stored.id, f"{stored.id}/lineage", "nothing"):
        refused(await client.get(f"{PATH}/{rest}", headers=other), 404, "UNKNOWN_INSIGHT")
    for rest, body in (("dismiss", None), ("rate", {"useful": True})):
        response = await client.post(f"{PATH}/{stored.id}/{rest}", json=body, headers=other)
        refused(response, 404, "UNKNOWN_INSIGHT")
    assert await store.query("SELECT * FROM insight_marks") == []


async def test_what_is_dismissed_is_not_in_the_overview(
    client: httpx.AsyncClient, store: Store, bearer: Bearer, refused: Refused
) -> None:
    first, second = some_insight(NOW - DAY, 1), some_insight(NOW - DAY, 2, target_id="mau", title="MAU fell")
    over = some_insight(NOW - 20 * DAY, 3)
    await store_insights(store, first, second, over)
    headers = bearer("read", "write")
    overview = "/api/analytics/overview"
    before = (await client.get(overview, headers=headers)).json()["data"]["top_insights"]
    assert {each["title"] for each in before} == {first.title, second.title}
    found = await post(client, headers, f"/{first.id}/dismiss", {"comment": "A holiday."})
    assert found["state"] == "dismissed"
    assert found["dismissed"] == {"by": "user-1", "at": iso(NOW), "comment": "A holiday."}
    after = (await client.get(overview, headers=headers)).json()["data"]["top_insights"]
    assert [each["title"] for each in after] == [second.title]
    again = await client.post(f"{PATH}/{over.id}/dismiss", headers=headers)
    assert "expired" in refused(again, 409, "INSIGHT_OVER")["error"]


async def test_ratings_are_kept_as_labels_of_each_person(
    client: httpx.AsyncClient, store: Store, bearer: Bearer, settings: ApiSettings, broker: Broker
) -> None:
    stored = some_insight(NOW)
    await store_insights(store, stored)
    clock = iter([NOW + timedelta(seconds=n) for n in range(100)])
    app = create_app(settings, store, broker, clock=lambda: next(clock))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    said = (("asha", True, "Good."), ("ravi", True, ""), ("asha", False, "On second thoughts."))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as later:
        for who, useful, comment in said:
            body = {"useful": useful, "comment": comment}
            found = await post(later, bearer("write", sub=who), f"/{stored.id}/rate", body)
            assert (found["rating"]["useful"], found["rating"]["by"]) == (useful, who)
    assert found["rating"]["comment"] == "On second thoughts."
    assert found["state"] == "open"
    kept = await store.query(
        "SELECT toString(by) AS by, argMax(useful, at) AS useful FROM insight_marks "
        "WHERE mark = 'rated' GROUP BY by ORDER BY by"
    )
    assert kept == [{"by": "asha", "useful": False}, {"by": "ravi", "useful": True}]


@pytest.mark.parametrize("body", [{}, {"useful": "yes"}, {"useful": 1}, {"useful": True, "stars": 5}])
async def test_a_rating_says_yes_or_no(
    client: httpx.AsyncClient, store: Store, bearer: Bearer, refused: Refused, body: dict[str, Any]
) -> None:
    stored = some_insight(NOW)
    await store_insights(store, stored)
    response = await client.post(f"{PATH}/{stored.id}/rate", json=body, headers=bearer("write"))
    refused(response, 422, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("method", "rest", "body", "scope"),
    [
        ("GET", "", None, "read"),
        ("POST", "", {}, "read"),
        ("GET", "/{id}", None, "read"),
        ("GET", "/{id}/lineage", None, "read"),
        ("POST", "/{id}/dismiss", {}, "write"),
        ("POST", "/{id}/rate", {"useful": True}, "write"),
        ("POST", "/generate", None, "write"),
    ],
)
async def test_the_scope_decides(
    client: httpx.AsyncClient,
    store: Store,
    bearer: Bearer,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    rest: str,
    body: dict[str, Any] | None,
    scope: Any,
) -> None:
    monkeypatch.setattr(recalculation, "WAIT_S", 0.0)
    stored = some_insight(NOW)
    await store_insights(store, stored)
    path = PATH + rest.format(id=stored.id)
    for given in ("ingest", "read", "write"):
        response = await client.request(method, path, json=body, headers=bearer(given))
        if given == scope:
            assert response.is_success, response.text
        else:
            refused(response, 403, "INSUFFICIENT_SCOPE")


def usual() -> dict[datetime, float]:
    return {YESTERDAY - n * DAY: 200.0 + n % 3 for n in range(1, 22)}


Stored = tuple[int, int, EnrichedEvent]


async def put(store: Store, events: Sequence[Stored]) -> None:
    """Each in its partition at its offset."""
    for partition, offset, event in events:
        rows = to_arrow([event], partition, [offset], TOPIC_ID, lambda _: 3650, 0)
        for month, part in by_month(rows):
            await store.insert("events", part, token=f"{uuid4()}:{month}")


def node(of: dict[str, Any], kind: str) -> dict[str, Any]:
    (found,) = [each for each in of["made_of"] if each["kind"] == kind]
    return dict(found)


def plain_ranges(events: Sequence[Stored]) -> dict[int, tuple[int, int, int]]:
    """Number, least and greatest offset by partition."""
    found: dict[int, list[int]] = {}
    for partition, offset, _ in events:
        found.setdefault(partition, []).append(offset)
    return {partition: (len(of), min(of), max(of)) for partition, of in found.items()}


def told_ranges(events: dict[str, Any]) -> dict[int, tuple[int, int, int]]:
    assert all(each["topic_id"] == TOPIC_ID for each in events["made_of"])
    return {
        each["partition"]: (each["events"], each["first_offset"], each["last_offset"])
        for each in events["made_of"]
    }


async def test_lineage_leads_from_an_unusual_day_to_the_days_compared_and_to_offsets(
    client: httpx.AsyncClient, store: Store, bearer: Bearer, enrich: Enrich
) -> None:
    days = {**usual(), YESTERDAY: 100.0}
    await store_days(store, days, NOW - timedelta(hours=1))
    behind = [
        (partition, 1_000 * (1 + partition) + 7 * number, enrich("click", f"u{number}", at))
        for partition in (0, 2)
        for number, at in enumerate(
            [YESTERDAY, YESTERDAY + 9 * timedelta(hours=1), TODAY - timedelta(milliseconds=1)]
        )
    ]
    others = [
        (0, 1, enrich("click", "u", YESTERDAY - timedelta(milliseconds=1))),
        (0, 9_000, enrich("click", "u", TODAY)),
        (0, 9_001, enrich("api_request", "u", YESTERDAY + timedelta(hours=1))),
        (0, 9_002, enrich("click", "u", YESTERDAY + timedelta(hours=1), {"$is_bot": True})),
        (0, 9_003, enrich("click", "u", YESTERDAY + timedelta(hours=1), project="other")),
    ]
    await put(store, [*behind, *others])
    assert await replace(store, "shop", await insights(store, SCOPE, CATALOGUE), FOUND) == 1
    # Late events: by now it is another value.
    await store_days(store, {YESTERDAY: 110.0}, NOW)

    headers = bearer("read")
    (found,) = (await get(client, headers))["results"]
    tree = await get(client, headers, f"/{found['id']}/lineage")
    assert (tree["kind"], tree["id"], tree["title"]) == ("insight", found["id"], found["title"])
    value, expected = node(tree, "value"), node(tree, "usual")
    assert value["title"] == f"100 on {YESTERDAY:%A %-d %B}"
    assert (value["metric"], value["grain"], value["start"], value["end"]) == (
        *("dau", "day", iso(YESTERDAY), iso(TODAY)),
    )
    assert (value["value"], value["calculated_at"]) == (100.0, iso(NOW - timedelta(hours=1)))
    assert (value["value_now"], value["calculated_now_at"]) == (110.0, iso(NOW))
    assert {each["start"]: each["value"] for each in expected["made_of"]} == {
        iso(day): kept for day, kept in usual().items()
    }
    assert expected["expected"] == 201.0
    assert expected["low"] == found["evidence"]["low"]
    events = node(value, "events")
    assert told_ranges(events) == plain_ranges(behind)
    assert (events["events"], events["title"]) == (len(behind), "6 events")


async def test_lineage_of_a_forecast_that_is_left_names_it_and_its_model(
    client: httpx.AsyncClient, store: Store, bearer: Bearer, enrich: Enrich
) -> None:
    dau, made_at = by_name("dau"), NOW - 8 * DAY
    assert dau is not None
    points = tuple(
        ExpectedDay(epoch_ms(TODAY + n * DAY), 200.0, 190.0, 210.0, 180.0, 220.0) for n in range(-8, 20)
    )
    made = Made(
        made_at=epoch_ms(made_at), horizon=len(points), points=points, history=(), method="model",
        model="combination", model_version="forecasts-1",
    )  # fmt: skip
    await keep_forecast(store, SCOPE, dau, made)
    before = YESTERDAY - DAY
    await store_days(store, {**usual(), before: 170.0, YESTERDAY: 165.0}, FOUND)
    behind = [(0, 5, enrich("click", "u", before)), (0, 8, enrich("click", "u", YESTERDAY))]
    await put(store, behind)
    await replace(store, "shop", await insights(store, SCOPE, CATALOGUE), FOUND)
    headers = bearer("read")
    (found,) = (await get(client, headers, type="forecast_off_track"))["results"]
    tree = await get(client, headers, f"/{found['id']}/lineage")
    forecast = node(tree, "forecast")
    del forecast["title"], forecast["id"]
    assert forecast == {
        "kind": "forecast", "made_at": iso(made_at), "model_version": "forecasts-1", "expected": 200.0,
        "low_80": 190.0, "high_80": 210.0, "low_95": 180.0, "high_95": 220.0, "kept": True,
    }  # fmt: skip
    value = node(tree, "value")
    assert [(each["start"], each["value"]) for each in value["made_of"][:-1]] == [(iso(before), 170.0)]
    assert told_ranges(node(value, "events")) == plain_ranges(behind)
    # What is not kept any more is told as the insight noted it.
    for table in ("forecasts", "metric_values", "events"):
        await store.command(f"TRUNCATE TABLE {table}")
    # A later forecast is not the one that it was judged by.
    await keep_forecast(store, SCOPE, dau, msgspec.structs.replace(made, made_at=epoch_ms(made_at + DAY)))
    tree = await get(client, headers, f"/{found['id']}/lineage")
    forecast, value = node(tree, "forecast"), node(tree, "value")
    assert (forecast["kept"], forecast["low_80"], forecast["low_95"]) == (False, None, 180.0)
    assert (value["value"], value["value_now"]) == (165.0, None)
    assert value["made_of"][0]["value"] is None
    assert node(value, "events")["events"] == 0


async def test_lineage_of_a_missed_target_is_the_week_and_the_metrics_own_events(
    client: httpx.AsyncClient, store: Store, bearer: Bearer, enrich: Enrich
) -> None:
    rating, monday = by_name("event_rating"), TODAY - (7 + TODAY.weekday()) * DAY
    assert rating is not None
    await keep(store, SCOPE, [NewValue(rating, "week", monday, 4.2, FOUND)])
    (name,) = event_names(rating.definition)
    behind = [
        (0, 7, enrich(name, "u", monday, {"rating": 4})),
        (0, 9, enrich(name, "u", monday + 7 * DAY - timedelta(milliseconds=1), {"rating": 5})),
    ]
    others = [
        (0, 3, enrich(name, "u", monday - timedelta(milliseconds=1), {"rating": 4})),
        (0, 8, enrich("click", "u", monday + DAY)),
        (0, 11, enrich(name, "u", monday + 7 * DAY, {"rating": 4})),
    ]
    await put(store, [*behind, *others])
    await replace(store, "shop", await insights(store, SCOPE, CATALOGUE), FOUND)
    (found,) = (await get(client, bearer("read"), type="target_missed"))["results"]
    tree = await get(client, bearer("read"), f"/{found['id']}/lineage")
    value, target = node(tree, "value"), node(tree, "target")
    assert value["title"] == f"4.20 stars in the week from {monday:%A %-d %B}"
    assert (value["start"], value["end"]) == (iso(monday), iso(monday + 7 * DAY))
    assert (target["title"], target["made_of"]) == ("4.50 stars is the target", [])
    events = node(value, "events")
    assert events["names"] == [name]
    assert told_ranges(events) == plain_ranges(behind)


async def test_lineage_of_a_metric_that_is_gone_is_what_the_insight_noted(
    client: httpx.AsyncClient, store: Store, bearer: Bearer
) -> None:
    stored = some_insight(NOW, target_id="deleted_since")
    await store_insights(store, stored)
    tree = await get(client, bearer("read"), f"/{stored.id}/lineage")
    value, expected = node(tree, "value"), node(tree, "usual")
    assert (value["value"], value["value_now"], value["made_of"]) == (100.0, None, [])
    assert (expected["expected"], expected["made_of"]) == (201.0, [])


async def test_lineage_of_a_persona_names_its_run_and_the_users_events(
    client: httpx.AsyncClient, store: Store, bearer: Bearer, enrich: Enrich
) -> None:
    at = NOW - timedelta(hours=7)
    run = await store_personas(store, at)
    of = Evidence(
        metric="persona_distance", grain="day", start=epoch_ms(at), value=0.2, calculated_at=epoch_ms(at),
        expected=0.6, model_version=run.version,
    )  # fmt: skip
    stored = some_insight(
        NOW, target_type="user", target_id="anna", insight_type="persona_change", evidence=of
    )
    await store_insights(store, stored)
    # On another device she is another distinct_id of the same person.
    linked = [
        {"project": "shop", "distinct_id": each, "person": "anna", "revision": 1, "_stored_at": at}
        for each in ("anna", "device-7")
    ]
    await store.insert(PERSON_IDS, pa.Table.from_pylist(linked, schema=IDS_SCHEMA), token=str(uuid4()))
    behind = [
        (1, 40, enrich("click", "anna", at - 80 * DAY)),
        (1, 43, enrich("click", "anna", at - DAY)),
        (0, 77, enrich("click", "device-7", at - 2 * DAY)),
    ]
    others = [
        (1, 1, enrich("click", "anna", at - 91 * DAY)),
        (1, 2, enrich("click", "anna", at)),
        (1, 90, enrich("click", "berta", at - DAY)),
    ]
    await put(store, [*behind, *others])
    tree = await get(client, bearer("read"), f"/{stored.id}/lineage")
    found = node(tree, "persona_run")
    assert (found["model_version"], found["k"], found["at"]) == (run.version, 3, iso(at))
    assert sorted(found["personas"]) == sorted(cluster.persona for cluster in run.clusters)
    assert found["fitted_on"] == run.fitted_on
    assert told_ranges(node(node(tree, "value"), "events")) == plain_ranges(behind)


async def test_lineage_of_a_score_names_its_model_its_reasons_and_the_events_up_to_it(
    client: httpx.AsyncClient, store: Store, bearer: Bearer, enrich: Enrich
) -> None:
    at = NOW - timedelta(hours=7)
    await put_scored(store, [Scored("anna", {"churn": 0.83}, reasons=(0, -2))], at)
    await replace(store, "shop", await predictions(store, SCOPE), FOUND)
    behind = [
        (1, 40 + number, enrich(f"click_{number:02}", "anna", at - (20 - number) * DAY))
        for number in range(21)
    ]
    others = [
        (1, 90, enrich("click", "anna", at + timedelta(milliseconds=1))),
        (1, 91, enrich("click", "berta", at - DAY)),
        (0, 92, enrich("click", "anna", at - DAY, project="other")),
    ]
    await put(store, [*behind, *others])
    # By now it is another one.
    await put_scored(store, [Scored("anna", {"churn": 0.71}, version=8)], NOW)

    (found,) = (await get(client, bearer("read"), type="prediction"))["results"]
    reasons = [
        {"feature": CONTRASTS[0].name, "about": CONTRASTS[0].about, "effect": "raises"},
        {"feature": CONTRASTS[1].name, "about": CONTRASTS[1].about, "effect": "lowers"},
    ]
    assert found["evidence"]["reasons"] == reasons
    tree = await get(client, bearer("read"), f"/{found['id']}/lineage")
    model, value = node(tree, "model"), node(tree, "value")
    assert (model["id"], model["target"], model["version"], model["method"]) == (
        "churn/7",
        "churn",
        7,
        "model",
    )
    assert (model["horizon_days"], model["threshold"], model["reasons"]) == (30, 0.7, reasons)
    assert (value["value"], value["calculated_at"]) == (0.83, iso(at))
    assert (value["value_now"], value["calculated_now_at"]) == (0.71, iso(NOW))
    assert told_ranges(node(value, "events")) == plain_ranges(behind)
    # The newest ones are named: that of the score's own moment is in it, later ones are not.
    newest = [each for each in value["made_of"] if each["kind"] == "event"]
    assert [(each["event"], each["partition"], each["offset"]) for each in newest] == [
        (event.event, partition, offset) for partition, offset, event in behind[::-1][: lineage.NEWEST]
    ]
    assert {each["topic_id"] for each in newest} == {TOPIC_ID}


async def test_lineage_of_anomalous_hours_and_of_content_leads_to_their_events(
    client: httpx.AsyncClient, store: Store, bearer: Bearer, enrich: Enrich
) -> None:
    start, hour = YESTERDAY + timedelta(hours=9), timedelta(hours=1)
    evidence = Evidence(
        metric="page_views", grain="hour", start=epoch_ms(start), value=9.0, calculated_at=epoch_ms(FOUND),
        expected=2.0, low=0.0, high=5.0, since=epoch_ms(start - hour), compared=(epoch_ms(start - 7 * DAY),),
    )  # fmt: skip
    odd = some_insight(NOW, 1, insight_type="anomaly", target_id="page_views", evidence=evidence)
    of = {"content_type": "post", "object_id": "a/b"}
    score = Evidence(
        metric="trending_score", grain="moment", start=epoch_ms(start), value=0.6,
        calculated_at=epoch_ms(start), expected=0.1, high=0.5,
    )  # fmt: skip
    hot = some_insight(
        NOW, 2, insight_type="trending", target_type="content", target_id="post/a/b", evidence=score
    )
    await store_insights(store, odd, hot)
    pages = by_name("page_views")
    assert pages is not None
    kept = {start: 9.0, start - hour: 8.0, start - 7 * DAY: 2.0}
    await keep(store, SCOPE, [NewValue(pages, "hour", at, value, FOUND) for at, value in kept.items()])
    views = [(0, 5 + number, enrich("$pageview", "u", start + number * hour / 2)) for number in range(-2, 2)]
    acts = [
        (1, 7, enrich("content_viewed", "u", start - DAY, of)),
        (1, 9, enrich("content_liked", "u", start - DAY, of)),
    ]
    others = [
        (0, 90, enrich("$pageview", "u", start + hour)),
        (0, 91, enrich("$pageview", "u", start - 2 * hour)),
        (1, 92, enrich("content_viewed", "u", start - 8 * DAY, of)),
        (1, 93, enrich("content_viewed", "u", start + hour, of)),
        (1, 94, enrich("content_viewed", "u", start - DAY, {**of, "object_id": "b"})),
    ]
    await put(store, [*views, *acts, *others])
    tree = await get(client, bearer("read"), f"/{odd.id}/lineage")
    value, usual_then = node(tree, "value"), node(tree, "usual")
    assert (value["start"], value["end"], value["value_now"]) == (iso(start), iso(start + hour), 9.0)
    assert value["title"] == f"9 at 09:00 on {start:%A %-d %B}"
    assert node(value, "kept_value")["start"] == iso(start - hour)
    assert told_ranges(node(value, "events")) == plain_ranges(views)
    assert {each["start"]: each["value"] for each in usual_then["made_of"]}[iso(start - 7 * DAY)] == 2.0

    tree = await get(client, bearer("read"), f"/{hot.id}/lineage")
    assert (node(tree, "day_before")["expected"], node(tree, "value")["value"]) == (0.1, 0.6)
    assert told_ranges(node(node(tree, "value"), "events")) == plain_ranges(acts)


@pytest_asyncio.fixture(loop_scope="module")
async def tasks(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TaskRunner]:
    """The process that leads, which makes what is asked for."""
    monkeypatch.setattr(running, "SETTLE_S", 0.0)
    monkeypatch.setattr(running, "POLL_S", 0.01)
    monkeypatch.setattr(recalculation, "WAIT_S", 300.0)
    stop = asyncio.Event()
    runner = TaskRunner(
        store,
        Log(),
        scope=lambda project, now: Scope(project=project, zone=UTC, now=now, as_set=True),
        zone=UTC,
        leads=lambda: True,
        tasks=[copy_of(GENERATE_INSIGHTS, when=None)],  # only when it is asked for
        clock=lambda: FOUND,
    )
    loop = asyncio.create_task(runner.run(stop))
    yield runner
    stop.set()
    await loop


async def test_insights_are_generated_at_once_of_the_callers_project(
    client: httpx.AsyncClient, store: Store, bearer: Bearer, refused: Refused, tasks: TaskRunner
) -> None:
    await store_days(store, {**usual(), YESTERDAY: 100.0}, FOUND)
    other = bearer("read", "write", project="other")
    assert (await post(client, other, "/generate"))["rows"] == 0
    headers = bearer("read", "write")
    assert (await get(client, headers))["count"] == 0
    run = await post(client, headers, "/generate")
    assert (run["state"], run["rows"], run["task"], run["by"]) == ("done", 1, "generate_insights", "user-1")
    assert await get(client, headers, f"/runs/{run['id']}") == run
    refused(await client.get(f"{PATH}/runs/{run['id']}", headers=other), 404, "UNKNOWN_RUN")
    assert [each["target_id"] for each in (await get(client, headers))["results"]] == ["dau"]


async def test_a_search_that_fails_is_told(
    client: httpx.AsyncClient,
    store: Store,
    bearer: Bearer,
    refused: Refused,
    tasks: TaskRunner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*of: Any) -> list[Insight]:
        raise StoreError("timeout", "The store took too long; try again.")

    monkeypatch.setattr("loopin_sinks.tasks.generate_insights.insights", fail)
    await store_days(store, {YESTERDAY: 100.0}, FOUND)
    response = await client.post(f"{PATH}/generate", headers=bearer("write"))
    assert "took too long" in refused(response, 503, "NOT_GENERATED")["error"]


async def test_a_search_that_nobody_has_begun_is_answered_with_its_id(
    client: httpx.AsyncClient, store: Store, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recalculation, "WAIT_S", 0.0)
    headers = bearer("read", "write")
    response = await client.post(f"{PATH}/generate", headers=headers)
    run = response.json()["data"]
    assert (response.status_code, run["state"]) == (202, "requested")
    assert await get(client, headers, f"/runs/{run['id']}") == run
