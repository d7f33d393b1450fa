from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI

from loopin_api.settings import ApiSettings
from loopin_sinks.store import Store

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker

PATH = "/api/analytics/events/track"
BODY = {
    "event_name": "custom_button_click",
    "event_type": "user_action",
    "metadata": {"button_id": "signup_cta", "page": "landing", "campaign": "summer_2024"},
}
WRITE_KEY = {"Authorization": "Bearer lk_write"}
Refused = Callable[[httpx.Response, int, str], dict[str, Any]]


@pytest.fixture
def store(untouched_store: Store) -> Store:
    return untouched_store


async def test_the_documents_example_reaches_the_broker(
    client: httpx.AsyncClient, bearer: Bearer, broker: Broker
) -> None:
    response = await client.post(PATH, json=BODY, headers=bearer("ingest", sub="user-7"))
    assert response.status_code == 200
    (event,) = broker.events
    assert response.json()["data"] == {"uuid": event.uuid, "result": "accepted"}
    assert uuid.UUID(event.uuid).version == 7
    assert (event.project, event.event, event.distinct_id) == ("shop", "custom_button_click", "user-7")
    assert event.source == "api"
    assert msgspec.json.decode(event.properties) == {**BODY["metadata"], "event_type": "user_action"}  # type: ignore[dict-item]
    assert broker.records[0][0] == b"shop:user-7"


async def test_all_that_a_client_says_is_kept(client: httpx.AsyncClient, broker: Broker) -> None:
    a_minute_ago = time.time_ns() // 1_000_000 - 60_000
    sent = {
        "event_name": "ticket_purchased",
        "user_id": 12345,
        "session_id": "abc-def-ghi",
        "timestamp": a_minute_ago,
        "uuid": "01946A2C-5C0E-7C3A-9B7E-0D6F2F6B7A10",
        "metadata": {"amount": 500.0},
    }
    response = await client.post(PATH, json=sent, headers=WRITE_KEY)
    assert response.json()["data"]["uuid"] == "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10"
    (event,) = broker.events
    assert (event.distinct_id, event.session_id) == ("12345", "abc-def-ghi")
    assert event.timestamp == a_minute_ago


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (
            {
                "event_type": "conversion",
                "event_name": "ticket_purchased",
                "user_id": "12345",
                "event_id": "event_789",
                "amount": 500.00,
                "currency": "INR",
                "payment_method": "razorpay",
            },
            {"event_id": "event_789", "amount": 500.0, "currency": "INR", "payment_method": "razorpay"},
        ),
        (
            {
                "event_type": "page_view",
                "event_name": "event_details_page",
                "user_id": "12345",
                "session_id": "abc-def-ghi",
                "timestamp": time.time_ns() // 1_000_000,
                "device": "mobile",
                "browser": "chrome",
                "location": "Mumbai, India",
            },
            {"device": "mobile", "browser": "chrome", "location": "Mumbai, India"},
        ),
        (
            {
                "event_type": "performance",
                "event_name": "operation_measured",
                "user_id": "12345",
                "component": "api",
                "operation": "create_event",
                "response_time_ms": 250,
                "status_code": 200,
                "memory_usage_mb": 45.2,
            },
            {
                "component": "api",
                "operation": "create_event",
                "response_time_ms": 250,
                "status_code": 200,
                "memory_usage_mb": 45.2,
            },
        ),
    ],
)
async def test_the_documents_flat_shapes_arrive_whole(
    client: httpx.AsyncClient, broker: Broker, sent: dict[str, Any], kept: dict[str, Any]
) -> None:
    response = await client.post(PATH, json=sent, headers=WRITE_KEY)
    assert response.status_code == 200, response.text
    (event,) = broker.events
    assert (event.event, event.distinct_id) == (sent["event_name"], "12345")
    assert event.session_id == sent.get("session_id")
    assert msgspec.json.decode(event.properties) == {**kept, "event_type": sent["event_type"]}


async def test_metadata_wins_over_fields_beside_it(client: httpx.AsyncClient, broker: Broker) -> None:
    sent = {"event_name": "x", "user_id": "u", "amount": 1, "page": "a", "metadata": {"amount": 2}}
    await client.post(PATH, json=sent, headers=WRITE_KEY)
    assert msgspec.json.decode(broker.events[0].properties) == {"amount": 2, "page": "a"}


async def test_a_field_beside_metadata_is_named_as_it_was_sent(
    client: httpx.AsyncClient, refused: Refused
) -> None:
    sent = {"event_name": "x", "user_id": "u", "cart": {"total": 10**400}, "metadata": {"a": 1}}
    answer = refused(await client.post(PATH, json=sent, headers=WRITE_KEY), 422, "NUMBER_OUT_OF_RANGE")
    assert answer["details"][0]["field"] == "cart.total"


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("page_view", "$pageview"),
        ("search", "search_performed"),
        ("api_call", "api_request"),
        ("Page View", "Page View"),
    ],
)
async def test_the_documents_names_are_understood(
    client: httpx.AsyncClient, bearer: Bearer, broker: Broker, name: str, stored: str
) -> None:
    await client.post(PATH, json={"event_name": name}, headers=bearer("ingest"))
    assert broker.events[0].event == stored


async def test_the_body_names_the_user_before_the_token(
    client: httpx.AsyncClient, bearer: Bearer, broker: Broker
) -> None:
    await client.post(PATH, json={**BODY, "user_id": "user-9"}, headers=bearer("ingest", sub="user-7"))
    assert broker.events[0].distinct_id == "user-9"


async def test_somebody_has_to_be_named(client: httpx.AsyncClient, refused: Refused, broker: Broker) -> None:
    answer = refused(await client.post(PATH, json=BODY, headers=WRITE_KEY), 422, "VALIDATION_ERROR")
    assert answer["details"][0]["field"] == "user_id"
    assert not broker.records


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"event_name": ""}, "EVENT_NAME_EMPTY", "event_name"),
        ({"event_name": "x" * 201}, "EVENT_NAME_TOO_LONG", "event_name"),
        ({"event_name": "a\x00b"}, "NULL_BYTE", "event_name"),
        ({"user_id": "null"}, "DISTINCT_ID_FORBIDDEN", "user_id"),
        ({"user_id": 0}, "DISTINCT_ID_FORBIDDEN", "user_id"),
        ({"user_id": "x" * 201}, "DISTINCT_ID_TOO_LONG", "user_id"),
        ({"session_id": ""}, "SESSION_ID_EMPTY", "session_id"),
        ({"timestamp": "yesterday"}, "TIMESTAMP_INVALID", "timestamp"),
        ({"timestamp": "1900-01-01"}, "TIMESTAMP_OUT_OF_RANGE", "timestamp"),
        ({"timestamp": "2200-01-01T00:00:00Z"}, "TIMESTAMP_OUT_OF_RANGE", "timestamp"),
        ({"timestamp": 1e300}, "TIMESTAMP_INVALID", "timestamp"),
        ({"uuid": "not-a-uuid"}, "UUID_INVALID", "uuid"),
        ({"metadata": {"a": "\x00"}}, "NULL_BYTE", "metadata"),
        ({"metadata": {"a": "x" * 33_000}}, "PROPERTIES_TOO_LARGE", "metadata"),
    ],
)
async def test_an_event_beyond_a_limit_is_refused_by_the_requests_own_names(
    client: httpx.AsyncClient,
    bearer: Bearer,
    refused: Refused,
    broker: Broker,
    change: dict[str, Any],
    code: str,
    field: str,
) -> None:
    response = await client.post(PATH, json={**BODY, **change}, headers=bearer("ingest"))
    assert refused(response, 422, code)["details"][0]["field"] == field
    assert not broker.records


async def test_metadata_nested_too_deeply_is_refused(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused
) -> None:
    nested: dict[str, Any] = {}
    for _ in range(25):
        nested = {"a": nested}
    response = await client.post(PATH, json={**BODY, "metadata": nested}, headers=bearer("ingest"))
    assert response.status_code == 422
    assert response.json()["details"][0]["field"].startswith("metadata.a.a")


@pytest.mark.parametrize("user_id", [-1, 2**53, 1.5, True, [], {}])
async def test_ids_are_text_or_exact_numbers(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, user_id: Any
) -> None:
    response = await client.post(PATH, json={**BODY, "user_id": user_id}, headers=bearer("ingest"))
    refused(response, 422, "VALIDATION_ERROR")


@pytest.mark.parametrize("answer", ["refuse", "silence", "full"])
async def test_without_an_acknowledgement_the_client_is_told_to_send_it_again(
    monkeypatch: pytest.MonkeyPatch,
    client: httpx.AsyncClient,
    settings: ApiSettings,
    bearer: Bearer,
    refused: Refused,
    broker: Broker,
    answer: str,
) -> None:
    monkeypatch.setattr("loopin_api.ingest.circuit.PROBE_S", 0.0)
    broker.answer = answer
    patience = settings.publish_timeout_s
    if answer == "silence":
        settings.publish_timeout_s = 0.2
    response = await client.post(PATH, json=BODY, headers=bearer("ingest"))
    body = refused(response, 503, "NOT_ACKNOWLEDGED")
    assert int(response.headers["Retry-After"]) > 0
    identity = response.headers["X-Event-Uuid"]
    assert identity in body["error"]
    if broker.records:
        assert identity == broker.events[0].uuid

    broker.answer, settings.publish_timeout_s = "acknowledge", patience
    again = await client.post(PATH, json={**BODY, "uuid": identity}, headers=bearer("ingest"))
    assert again.json()["data"]["uuid"] == identity


async def test_a_broker_that_cannot_be_reached_is_not_waited_for(
    client: httpx.AsyncClient, settings: ApiSettings, bearer: Bearer, refused: Refused, broker: Broker
) -> None:
    settings.publish_timeout_s = 10_000
    broker.answer = "gone"
    refused(await client.post(PATH, json=BODY, headers=bearer("ingest")), 503, "NOT_ACKNOWLEDGED")
    refused(await client.post(PATH, json=BODY, headers=bearer("ingest")), 503, "BROKER_AWAY")
    assert len(broker.records) == 1


async def test_switched_off_it_says_so(
    app: FastAPI, client: httpx.AsyncClient, bearer: Bearer, refused: Refused, broker: Broker
) -> None:
    app.state.services.settings.enabled = False
    refused(await client.post(PATH, json=BODY, headers=bearer("ingest")), 503, "ANALYTICS_DISABLED")
    assert not broker.records
