from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from limits import RateLimitItemPerDay

from loopin_api.settings import ApiSettings
from loopin_sinks.store import Store
from tests.streams.enrich.drafts import draft_before

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker

PATH = "/api/analytics/events/batch"
KEY = {"Authorization": "Bearer lk_write"}
ONE = {"event": "click", "distinct_id": "user-1", "uuid": "01946A2C-5C0E-7C3A-9B7E-0D6F2F6B7A10"}
SEGMENT = {"type": "track", "userId": "user-1", "event": "click"}
Refused = Callable[[httpx.Response, int, str], dict[str, Any]]


@pytest.fixture
def store(untouched_store: Store) -> Store:
    return untouched_store


async def test_an_event_arrives_as_it_was_sent(client: httpx.AsyncClient, broker: Broker) -> None:
    now = time.time_ns() // 1_000_000
    event = {
        **ONE,
        "timestamp": now - 5000,
        "queued_at": now - 4000,
        "session_id": "s-1",
        "properties": {"a": [1, {"b": None}], "email": "a@example.com"},
        "source": "middleware",
        "parent_uuid": "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a11",
    }
    response = await client.post(PATH, json={"events": [event], "sent_at": now}, headers=KEY)
    assert response.json()["data"] == {
        "receipts": [{"uuid": ONE["uuid"].lower(), "result": "ok", "reason": None, "code": None}]
    }
    ((key, value),) = broker.records
    assert key == b"shop:user-1"
    assert json.loads(value) == {
        **event,
        "uuid": ONE["uuid"].lower(),
        "project": "shop",
        "sent_at": now,
        "properties": {"a": [1, {"b": None}], "email": "[email]"},
    }


async def test_each_event_has_its_receipt_in_order(client: httpx.AsyncClient, broker: Broker) -> None:
    events = [
        ONE,
        {"event": "click"},
        {**ONE, "timestamp": "yesterday"},
        {**ONE, "timestamp": "1990-01-01"},
        {**ONE, "source": "elsewhere"},
        {"event": "ticket_purchased", "distinct_id": "user-2"},
        {**ONE, "queued_at": 10**18},
        {"event": "click", "distinct_id": "user-3"},
    ]
    response = await client.post(PATH, json={"events": events, "sent_at": "1999-01-01"}, headers=KEY)
    receipts = response.json()["data"]["receipts"]
    assert [(receipt["result"], receipt["code"]) for receipt in receipts] == [
        ("warning", "sent_at_ignored"),
        ("drop", "missing_field"),
        ("drop", "timestamp_invalid"),
        ("drop", "timestamp_out_of_range"),
        ("drop", "wrong_value"),
        ("warning", "sent_at_ignored"),
        ("drop", "timestamp_invalid"),
        ("warning", "sent_at_ignored"),
    ]
    assert "amount:missing" in receipts[5]["reason"]
    assert receipts[2]["uuid"] == ONE["uuid"]
    assert receipts[1]["uuid"] is None
    assert [event.uuid for event in broker.events] == [receipts[place]["uuid"] for place in (0, 5, 7)]


async def test_another_project_than_the_keys_is_not_the_clients_to_name(
    client: httpx.AsyncClient, broker: Broker
) -> None:
    await client.post(PATH, json={"events": [{**ONE, "project": "rival", "_origin": "x:0:0"}]}, headers=KEY)
    assert [(event.project, event.origin) for event in broker.events] == [("shop", None)]


async def test_a_page_may_send_its_key_in_the_body(client: httpx.AsyncClient, broker: Broker) -> None:
    body = json.dumps({"events": [ONE], "api_key": "lk_write"})
    headers = {"Content-Type": "text/plain", "User-Agent": "Mozilla/5.0"}
    assert (await client.post(PATH, content=body, headers=headers)).status_code == 200
    properties = msgspec.json.decode(broker.events[0].properties)
    assert properties == {"$ip": "127.0.0.1", "$raw_user_agent": "Mozilla/5.0"}


async def test_a_token_may_send_and_needs_the_scope(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused
) -> None:
    body = {"events": [ONE]}
    assert (await client.post(PATH, json=body, headers=bearer("ingest"))).status_code == 200
    refused(await client.post(PATH, json=body, headers=bearer("read")), 403, "INSUFFICIENT_SCOPE")
    refused(await client.post(PATH, json=body), 401, "UNAUTHENTICATED")


async def test_a_thousand_events_are_a_batch_and_one_more_is_none(
    client: httpx.AsyncClient, broker: Broker, refused: Refused
) -> None:
    many = [{**ONE, "uuid": None}] * 1000
    body = gzip.compress(json.dumps({"events": many}).encode())
    headers = {**KEY, "Content-Encoding": "gzip"}
    response = await client.post(PATH, content=body, headers=headers)
    assert response.headers["RateLimit-Remaining"] == str(600_000 - 1000)
    assert len(response.json()["data"]["receipts"]) == len(broker.events) == 1000
    assert len({event.uuid for event in broker.events}) == 1000
    refused(await client.post(PATH, json={"events": [*many, ONE]}, headers=KEY), 413, "TOO_MANY_EVENTS")


async def test_an_empty_batch_is_no_fault(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, json={"events": []}, headers=KEY)
    assert response.json()["data"] == {"receipts": []}


async def test_some_to_be_sent_again_are_named(
    client: httpx.AsyncClient, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue has room for the first only."""
    publish = broker.publish_record
    taken: list[bytes | None] = []

    def first_only(key: bytes | None, value: bytes, done: Any) -> None:
        broker.answer = "full" if taken else "acknowledge"
        taken.append(key)
        publish(key, value, done)

    monkeypatch.setattr(broker, "publish_record", first_only)
    response = await client.post(PATH, json={"events": [ONE, ONE, {}]}, headers=KEY)
    assert response.status_code == 200
    assert int(response.headers["Retry-After"]) > 0
    results = [receipt["result"] for receipt in response.json()["data"]["receipts"]]
    assert results == ["ok", "retry", "drop"]


async def test_all_to_be_sent_again_is_503(
    client: httpx.AsyncClient, broker: Broker, settings: ApiSettings, refused: Refused
) -> None:
    settings.publish_timeout_s = 0.05
    broker.answer = "silence"
    response = await client.post(PATH, json={"events": [ONE, ONE]}, headers=KEY)
    refused(response, 503, "NOT_ACKNOWLEDGED")
    assert int(response.headers["Retry-After"]) > 0


async def test_the_limits_answer_in_the_envelope(
    client: httpx.AsyncClient, app: Any, settings: ApiSettings, refused: Refused
) -> None:
    bodies = app.state.services.intake.bodies
    bodies._free = 10
    response = await client.post(PATH, json={"events": [ONE]}, headers=KEY)
    refused(response, 503, "BUSY")
    assert bodies._free == 10
    bodies._free = 1 << 20
    assert (await client.post(PATH, json={"events": [ONE]}, headers=KEY)).status_code == 200
    assert bodies._free == 1 << 20


async def test_strangers_are_not_listened_to_for_ever_and_nobody_else_pays_for_them(
    client: httpx.AsyncClient, refused: Refused, broker: Broker
) -> None:
    wrong = {"events": [ONE], "api_key": "lk_wrong"}
    for _ in range(300):
        await client.post(PATH, json=wrong)
    refused(await client.post(PATH, json=wrong), 429, "TOO_MANY_FAILURES")
    # Behind a load balancer these have the same address.
    assert (await client.post(PATH, json={"events": [ONE], "api_key": "lk_write"})).status_code == 200
    assert (await client.post(PATH, json={"events": [ONE]}, headers=KEY)).status_code == 200
    for path in ("/batch/", "/e/"):
        body = {"batch": [ONE], "api_key": "lk_write"}
        assert (await client.post(path, json=body)).status_code == 200
    assert (await client.post("/v1/track", json={"writeKey": "lk_write", **SEGMENT})).status_code == 200
    assert len(broker.events) == 5


async def test_another_project_than_the_keys_is_told(client: httpx.AsyncClient, broker: Broker) -> None:
    events = [{**ONE, "project": name} for name in ("shop", "other", None)]
    answer = await client.post(PATH, json={"events": events}, headers=KEY)
    receipts = answer.json()["data"]["receipts"]
    assert [(one["result"], one["code"]) for one in receipts] == [
        ("ok", None),
        ("warning", "other_project"),
        ("ok", None),
    ]
    assert "shop" in receipts[1]["reason"]
    assert [event.project for event in broker.events] == ["shop"] * 3


@pytest.mark.parametrize(
    ("hours", "sent_hours", "code"),
    [
        (22, None, None),
        (24, None, "timestamp_in_the_future"),
        (48, 48, None),
        (48, 24, "timestamp_in_the_future"),
    ],
)
async def test_a_time_that_is_ahead_is_told_as_the_stream_will_see_it(
    client: httpx.AsyncClient, broker: Broker, hours: int, sent_hours: int | None, code: str | None
) -> None:
    now = time.time_ns() // 1_000_000
    sent_at = None if sent_hours is None else now + sent_hours * 3_600_000 - 1_000_000
    event = {**ONE, "timestamp": now + hours * 3_600_000}
    answer = await client.post(PATH, json={"events": [event], "sent_at": sent_at}, headers=KEY)
    assert answer.json()["data"]["receipts"][0]["code"] == code
    draft = draft_before("partition", broker.records[-1][1], received=now)
    assert (draft.enriched.timestamp == now) is (code is not None)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "The field events is missing; add it."),
        ({"events": {}}, "The field events is a JSON object; send an array."),
        (5, "The body is a whole number; send a JSON object."),
        ("text", "The body is text; send a JSON object."),
    ],
)
async def test_what_is_no_batch_is_told_what_is_missing(
    client: httpx.AsyncClient, refused: Refused, body: Any, sentence: str
) -> None:
    answer = refused(await client.post(PATH, json=body, headers=KEY), 400, "MALFORMED_JSON")
    assert answer["error"] == sentence


async def test_a_missing_key_is_told_where_to_put_it(client: httpx.AsyncClient, refused: Refused) -> None:
    answer = refused(await client.post(PATH, json={"events": [ONE]}), 401, "UNAUTHENTICATED")
    assert "api_key in the body" in answer["error"]


async def test_a_known_sender_is_told_its_limit_also_in_a_refusal(
    client: httpx.AsyncClient, app: Any, settings: ApiSettings
) -> None:
    await client.post(PATH, json={"events": [ONE] * 10}, headers=KEY)
    track = "/api/analytics/events/track"
    app.state.services.intake.limits._quota = RateLimitItemPerDay(1)
    answers = [
        await client.post(PATH, content=b"{", headers=KEY),
        await client.post(PATH, json={"events": [{}] * 1001}, headers=KEY),
        await client.post(track, content=b"{", headers={**KEY, "Content-Type": "application/json"}),
        await client.post(track, json={}, headers=KEY),
        await client.post(track, json={"event_name": "x" * settings.max_body_bytes}, headers=KEY),
        await client.post("/v1/batch", json={}, headers=KEY),
        await client.post(PATH, json={"events": [ONE]}, headers=KEY),
        await client.post(PATH, json={"events": [ONE]}, headers=KEY),
    ]
    assert [one.status_code for one in answers] == [400, 413, 400, 422, 413, 400, 200, 402]
    left = [one.headers["RateLimit-Remaining"] for one in answers]
    assert left == [str(600_000 - 10)] * 6 + [str(600_000 - 11)] * 2
    assert all("RateLimit-Limit" in one.headers and "RateLimit-Reset" in one.headers for one in answers)


async def test_strangers_and_readers_have_no_limit_of_events(client: httpx.AsyncClient) -> None:
    nobody = await client.post(PATH, content=b"{")
    wrong = await client.get("/api/analytics/overview?day=7", headers={"Authorization": "Bearer lk_personal"})
    assert (nobody.status_code, wrong.status_code) == (400, 422)
    for answer in (nobody, wrong):
        assert not [name for name in answer.headers if name.startswith("ratelimit")]
