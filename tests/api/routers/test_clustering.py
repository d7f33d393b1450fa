"""POST /api/analytics/clustering."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_sinks.personas.activity import SPENT_ON
from loopin_sinks.store import Store
from tests.api.personas_stored import store_personas
from tests.sinks.personas.planted import KINDS

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]

PATH = "/api/analytics/clustering"
NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker) -> FastAPI:
    return create_app(settings, store, broker, clock=lambda: NOW)


@pytest.fixture
def headers(bearer: Bearer) -> dict[str, str]:
    return bearer("read")


async def ask(client: httpx.AsyncClient, headers: dict[str, str], **body: Any) -> dict[str, Any]:
    response = await client.post(PATH, json=body, headers=headers)
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


async def test_the_newest_run_is_told_the_largest_cluster_first(
    client: httpx.AsyncClient, headers: dict[str, str], store: Store
) -> None:
    run = await store_personas(store, NOW - timedelta(hours=7))
    await store_personas(store, NOW - timedelta(hours=6), project="other", each=30)
    found = await ask(client, headers, members=2)
    assert (found["k"], found["users"], found["fitted_on"], found["stored"]) == (3, 60, 60, True)
    assert found["model_version"] == run.version
    assert found["calculated_at"] == "2026-01-15T03:30:00.000Z"
    assert found["silhouette"] == found["silhouette_by_k"]["3"] == max(found["silhouette_by_k"].values())
    assert {one["persona"]: (one["label"], one["size"], one["share"]) for one in found["clusters"]} == {
        "social_explorer": ("Social Explorer", 20, 0.3333),
        "passive_observer": ("Passive Observer", 20, 0.3333),
        "event_regular": ("Event Regular", 20, 0.3333),
    }
    for one in found["clusters"]:
        (kind,) = {member.partition("-")[0] for member in one["members"]}
        assert len(one["members"]) == 2
        strongest = max(SPENT_ON, key=lambda group: one["traits"][group])
        assert strongest == SPENT_ON[KINDS[kind][0].index(max(KINDS[kind][0]))]
        assert one["centroid"]["hosted"] == 0


async def test_before_the_first_run_the_answer_is_fitted_when_it_is_asked_for_and_not_kept(
    client: httpx.AsyncClient, headers: dict[str, str], put: Put, enrich: Enrich
) -> None:
    kinds = {"talks": "message_sent", "reads": "content_viewed", "seeks": "search_performed"}
    times = [NOW - timedelta(hours=hour) for hour in range(1, 51)]
    await put(
        [
            enrich(event if number % 7 else "event_viewed", f"{kind}-{user}", at, {})
            for kind, event in kinds.items()
            for user in range(18)
            for number, at in enumerate(times[: 50 - user] + times[:user], start=user)
        ]
    )
    found = await ask(client, headers)
    assert found["k"] is not None
    assert (found["users"], found["stored"]) == (54, False)
    kinds_of = [{member.partition("-")[0] for member in one["members"]} for one in found["clusters"]]
    assert all(len(kinds) == 1 for kinds in kinds_of)
    assert set.union(*kinds_of) == set(kinds)
    assert found["calculated_at"] == "2026-01-15T10:30:00.000Z"
    await put([enrich("message_sent", "newcomer", NOW - timedelta(hours=hour), {}) for hour in range(1, 51)])
    assert await ask(client, headers) == found  # fitting takes seconds, so it is told again for a while


async def test_too_few_users_are_no_clusters(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    found = await client.post(PATH, headers=headers)  # without a body, too
    assert found.json()["data"] == {
        "k": None,
        "silhouette": None,
        "silhouette_by_k": {},
        "clusters": [],
        "users": 0,
        "fitted_on": 0,
        "model_version": None,
        "calculated_at": None,
        "stored": False,
        "basis": "persons",
    }


@pytest.mark.parametrize("body", [{"members": -1}, {"members": 101}, {"members": "2"}, {"k": 4}])
async def test_a_body_that_asks_for_what_there_is_not_is_refused(
    client: httpx.AsyncClient, headers: dict[str, str], refused: Refused, body: dict[str, Any]
) -> None:
    answer = await client.post(PATH, json=body, headers=headers)
    assert refused(answer, 422, "VALIDATION_ERROR")["details"][0]["field"] == next(iter(body))


async def test_it_needs_the_scope_read(client: httpx.AsyncClient, bearer: Bearer, refused: Refused) -> None:
    refused(await client.post(PATH, json={}, headers=bearer("ingest")), 403, "INSUFFICIENT_SCOPE")
