"""What is counted, and what uses up a probe, whatever becomes of the request."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI
from limits import RateLimitItemPerMinute
from msgspec import Raw

from loopin_api.ingest.circuit import PROBE_S, Circuit
from loopin_api.ingest.claims import Claim
from loopin_api.ingest.intake import Intake
from loopin_schemas import Event, encode
from tests.api.letters import through

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]

BATCH = "/api/analytics/events/batch"
TRACK = "/api/analytics/events/track"
KEY = {"Authorization": "Bearer lk_write"}
ONE = {"event": "click", "distinct_id": "user-1"}
LIMIT = 100
"""Bytes a minute, in tests of them."""


@pytest.fixture
def intake(app: FastAPI) -> Intake:
    found: Intake = app.state.services.intake
    return found


@pytest.fixture
def few_bytes(intake: Intake) -> None:
    intake.limits._bytes = RateLimitItemPerMinute(LIMIT)


async def test_requests_that_publish_nothing_use_up_no_probe(
    app: FastAPI, intake: Intake, client: httpx.AsyncClient, bearer: Bearer, broker: Broker
) -> None:
    now = [100.0]
    circuit = Circuit(lambda: 30, clock=lambda: now[0])
    app.state.services = replace(app.state.services, intake=replace(intake, circuit=circuit))
    intake.limits._rate = RateLimitItemPerMinute(2)

    async def send(headers: dict[str, str], *events: Any) -> int:
        return (await client.post(BATCH, json={"events": events}, headers=headers)).status_code

    greedy = bearer("ingest", sub="greedy")
    assert await send(greedy, ONE, ONE) == 200
    broker.answer = "refuse"
    assert await send(KEY, ONE) == 503
    broker.answer = "acknowledge"
    assert await send(KEY) == 503
    now[0] += PROBE_S
    assert await send(bearer("ingest", sub="idle")) == 200
    assert await send(bearer("ingest", sub="wrong"), {"event": ""}) == 200
    assert await send(greedy, ONE) == 429
    assert await send(KEY, ONE) == 200


@pytest.mark.usefixtures("few_bytes")
@pytest.mark.parametrize(
    "path",
    [BATCH, "/api/analytics/events", TRACK, "/batch", "/v1/batch", "/i/v1/analytics/events", "/api/errors"],
)
async def test_bodies_that_are_refused_are_counted_as_they_are_uncompressed(
    client: httpx.AsyncClient, path: str
) -> None:
    body = gzip.compress(b"[" * LIMIT)
    assert len(body) < LIMIT
    headers = {**KEY, "Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert (await client.post(path, content=body, headers=headers)).status_code == 400
    answer = await client.post(path, content=b"{}", headers=headers | {"Content-Encoding": "identity"})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["RateLimit-Remaining"] == "600000"


@pytest.mark.usefixtures("few_bytes")
async def test_a_body_that_is_compressed_without_saying_so_counts_whole(client: httpx.AsyncClient) -> None:
    body = gzip.compress(b"[" * LIMIT)
    answers = [await client.post("/batch", content=body, headers=KEY) for _ in range(2)]
    assert [one.status_code for one in answers] == [400, 429]


@pytest.mark.usefixtures("few_bytes")
async def test_a_body_is_its_keys_once_that_is_found_in_it_and_its_addresses_until_then(
    client: httpx.AsyncClient, refused: Refused
) -> None:
    keyed = {"events": [], "api_key": "lk_write", "more": "x" * LIMIT}
    assert (await client.post(BATCH, json=keyed)).status_code == 200
    refused(await client.post(BATCH, json={"events": []}, headers=KEY), 429, "RATE_LIMITED")
    refused(await client.post(BATCH, content=b"[" * LIMIT), 400, "MALFORMED_JSON")
    refused(await client.post(BATCH, content=b"["), 429, "RATE_LIMITED")


@pytest.mark.usefixtures("few_bytes")
async def test_what_a_key_in_the_body_may_not_send_is_still_its_addresses(
    intake: Intake, client: httpx.AsyncClient, refused: Refused
) -> None:
    keyed = {"events": [], "api_key": "lk_write", "more": "x" * LIMIT}
    assert (await client.post(BATCH, json=keyed)).status_code == 200
    for _ in range(2):
        refused(await client.post(BATCH, json=keyed), 429, "RATE_LIMITED")
    answer = refused(await client.post(BATCH, content=b"["), 429, "RATE_LIMITED")
    assert "This address" in answer["error"]


async def test_an_event_that_nests_too_deep_to_be_read_is_refused_alone(
    intake: Intake, broker: Broker
) -> None:
    caller = intake.authenticator.authenticate_key("lk_write")
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]

    def claimed(raw: Raw) -> Claim:
        properties = Raw(encode({"deep": deep})) if b"deep" in bytes(raw) else Raw(b"{}")
        return Claim(Event(project="shop", event="click", distinct_id="user-1", properties=properties))

    events = [Raw(b'{"deep":1}'), Raw(b"{}")]
    receipts = await intake.publish(caller, events, claimed, receipts_are_read=False)
    assert [(one.result, one.code) for one in receipts] == [("drop", "too_deep"), ("ok", None)]
    passed, letters = through(broker.records)
    assert ([draft.event.event for draft in passed], len(letters)) == (["click"], 1)
