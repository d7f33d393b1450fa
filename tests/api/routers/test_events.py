"""Document 002's events, and document 004's activity, measurements and errors."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from loopin_api.routers.records import MAX_STACK_BYTES, shortened
from loopin_schemas import Event
from loopin_schemas.catalogue import check_properties_types
from loopin_sinks.store import Store
from loopin_streams.enrich.steps.anonymous import ANONYMOUS, drop_anonymous
from tests.streams.enrich.drafts import context, draft_before

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker

EVENTS = "/api/analytics/events/"
LONG = "x" * 33_000
KEY = {"Authorization": "Bearer lk_write"}
Refused = Callable[[httpx.Response, int, str], dict[str, Any]]


@pytest.fixture
def store(untouched_store: Store) -> Store:
    return untouched_store


def only(broker: Broker) -> tuple[Event, dict[str, Any]]:
    """The one event that the broker has, and its properties, which are as the catalogue wants them."""
    (event,) = broker.events
    properties = msgspec.json.decode(event.properties)
    assert check_properties_types(event.event, properties) == ()
    return event, properties


async def test_an_event_of_document_002(client: httpx.AsyncClient, broker: Broker) -> None:
    sent = {
        "event_type": "page_view",
        "user_id": 17,
        "anonymous_id": "anon",
        "session_id": "s-1",
        "timestamp": "2026-11-01T10:00:00Z",
        "uuid": "01946A2C-5C0E-7C3A-9B7E-0D6F2F6B7A10",
        "url": "https://example.com/",
        "referrer": None,
        "user_agent": "Mozilla/5.0",
        "ip_address": "203.0.113.9",
        "content_type": "event",
        "object_id": 789,
        "campaign_source": "mail",
        "device_type": "mobile",
        "event_data": {"scroll": 0.8, "object_id": 790},
    }
    response = await client.post(EVENTS, json=sent, headers=KEY)
    event, properties = only(broker)
    assert response.json()["data"]["receipts"][0]["uuid"] == event.uuid == sent["uuid"].lower()  # type: ignore[attr-defined]
    assert (event.event, event.distinct_id, event.session_id, event.source) == (
        "$pageview",
        "17",
        "s-1",
        "api",
    )
    assert event.timestamp == "2026-11-01T10:00:00Z"
    assert properties == {
        "anonymous_id": "anon",
        "url": "https://example.com/",
        "user_agent": "Mozilla/5.0",
        "$ip": "203.0.113.9",
        "content_type": "event",
        "object_id": 790,
        "campaign_source": "mail",
        "device_type": "mobile",
        "scroll": 0.8,
    }


@pytest.mark.parametrize(
    ("said", "who"),
    [({"user_id": "u"}, "u"), ({"user": 5}, "5"), ({}, "user-7"), ({"anonymous_id": "a"}, "user-7")],
)
async def test_the_user_is_the_bodys_else_the_tokens(
    client: httpx.AsyncClient, broker: Broker, bearer: Bearer, said: dict[str, Any], who: str
) -> None:
    await client.post(EVENTS, json={"event_type": "click", **said}, headers=bearer("ingest", sub="user-7"))
    assert only(broker)[0].distinct_id == who


async def test_with_a_key_somebody_anonymous_is_enough(client: httpx.AsyncClient, broker: Broker) -> None:
    await client.post(EVENTS, json={"event_type": "click", "anonymous_id": "a"}, headers=KEY)
    assert only(broker)[0].distinct_id == "a"


@pytest.mark.parametrize(
    ("who", "anonymous"),
    [({"anonymous_id": "a"}, True), ({"user_id": "u"}, False), ({"user_id": 5, "anonymous_id": "a"}, False)],
)
async def test_somebody_anonymous_is_left_out_where_the_settings_say_so(
    client: httpx.AsyncClient, broker: Broker, who: dict[str, Any], anonymous: bool
) -> None:
    await client.post(EVENTS, json={"event_type": "click", **who}, headers=KEY)
    draft = draft_before("anonymous", broker.records[0][1], received=time.time_ns() // 1_000_000)
    drop_anonymous([draft], replace(context(), track_anonymous_users=False))
    assert draft.outcome == (ANONYMOUS if anonymous else None)
    assert ("$is_identified" in draft.properties) is anonymous


async def test_fields_that_are_not_listed_are_kept(client: httpx.AsyncClient, broker: Broker) -> None:
    metric = {
        "metric_type": "cpu",
        "value": 5,
        "unit": "%",
        "metadata": {"a": 1},
        "additional_data": {"b": 2},
    }
    answer = await client.post("/api/metrics", json=metric, headers=KEY)
    assert answer.json()["additional_data"] == {"unit": "%", "metadata": {"a": 1}, "b": 2}
    error = {"level": "error", "message": "m", "request_data": {"password": "p", "q": 1}, "app": "x"}
    answer = await client.post("/api/errors", json={**error, "extra_data": {"app": "y"}}, headers=KEY)
    kept = {"request_data": {"password": "[token]", "q": 1}, "app": "y"}
    assert answer.json()["extra_data"] == kept
    activity = {"community_id": 3, "user_id": 5, "activity_type": "poll", "duration": 12, "x": 1}
    await client.post("/api/community-analytics/track", json={**activity, "metadata": {"x": 2}}, headers=KEY)
    place = {"community_id": 3, "user_id": 5, "access_result": "allowed", "attempt": 2}
    await client.post("/api/geo-analytics/track", json=place, headers=KEY)
    properties = [msgspec.json.decode(event.properties) for event in broker.events]
    assert properties[0]["additional_data"] == {"unit": "%", "metadata": {"a": 1}, "b": 2}
    assert properties[1]["extra_data"] == kept
    assert (properties[2]["duration_s"], properties[2]["x"], properties[3]["attempt"]) == (12, 2, 2)


async def test_a_single_event_that_breaks_a_rule_is_refused(
    client: httpx.AsyncClient, refused: Refused
) -> None:
    refused(await client.post(EVENTS, json={"event_type": "click"}, headers=KEY), 422, "MISSING_FIELD")
    refused(await client.post(EVENTS, json={"user_id": "u"}, headers=KEY), 422, "MISSING_FIELD")


async def test_in_an_array_it_costs_the_others_nothing(client: httpx.AsyncClient, broker: Broker) -> None:
    sent = [
        {"event_type": "click", "user_id": "u"},
        {"event_type": "click"},
        7,
        {"event_type": "a", "user_id": "v"},
    ]
    response = await client.post(EVENTS, json=sent, headers=KEY)
    results = [receipt["result"] for receipt in response.json()["data"]["receipts"]]
    assert results == ["ok", "drop", "drop", "ok"]
    assert [event.distinct_id for event in broker.events] == ["u", "v"]


async def test_events_are_not_there_to_be_read(client: httpx.AsyncClient, refused: Refused) -> None:
    response = await client.get(EVENTS)
    refused(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("activity", "name"),
    [
        ("view", "community_viewed"),
        ("join", "community_joined"),
        ("leave", "community_left"),
        ("post", "community_activity"),
    ],
)
async def test_a_communitys_activity(
    client: httpx.AsyncClient, broker: Broker, activity: str, name: str
) -> None:
    sent = {
        "community_id": 123,
        "user_id": 456,
        "activity_type": activity,
        "metadata": {"section": "p", "duration": 9},
    }
    response = await client.post("/api/community-analytics/track/", json=sent, headers=KEY)
    event, properties = only(broker)
    assert response.json() == {"uuid": event.uuid, "result": "ok", "reason": None, "code": None}
    assert (event.event, event.distinct_id) == (name, "456")
    assert properties == {"section": "p", "duration_s": 9, "community_id": 123, "activity_type": activity}


async def test_the_words_of_messages_stay_here(client: httpx.AsyncClient, broker: Broker) -> None:
    words = {"note": "I love it"}
    sent = {"community_id": 1, "user_id": 4, "activity_type": "message", "metadata": words}
    await client.post("/api/community-analytics/track", json=sent, headers=KEY)
    sent = {"event_type": "message", "user_id": 4, "event_data": words}
    await client.post("/api/analytics/events", json=sent, headers=KEY)
    assert [event.event for event in broker.events] == ["community_activity", "message_sent"]
    for _, body in broker.records:
        assert b"love" not in body
        assert b'"$text_length":9' in body


@pytest.mark.parametrize("more", [{}, {"reason": "country"}])
async def test_a_check_of_a_place(client: httpx.AsyncClient, broker: Broker, more: dict[str, Any]) -> None:
    place = {"country": "India", "city": "Mumbai", "region": "Maharashtra"}
    sent = {
        "community_id": "c",
        "user_id": "u",
        "location": place,
        "access_result": "blocked",
        "is_traveler": True,
    }
    response = await client.post("/api/geo-analytics/track", json={**sent, **more}, headers=KEY)
    assert response.status_code == 200, response.text
    event, properties = only(broker)
    assert event.event == "geo_access_checked"
    expected = {**place, "community_id": "c", "access_result": "blocked", "is_traveler": True, **more}
    assert properties == expected


PLACE = {"country": "Germany", "region": "Berlin", "city": "Berlin"}


@pytest.mark.parametrize(
    "said",
    [
        PLACE,
        {**PLACE, "location": {}},
        {**PLACE, "location": {"country": None, "region": None, "city": None}},
        {**PLACE, "city": "Potsdam", "location": {"city": "Berlin"}},
        {**PLACE, "city": None, "location": {"city": "Berlin"}},
    ],
)
async def test_a_place_may_stand_beside_the_location(
    client: httpx.AsyncClient, broker: Broker, said: dict[str, Any]
) -> None:
    sent = {"community_id": "c", "user_id": "u", "access_result": "allowed", **said}
    response = await client.post("/api/geo-analytics/track", json=sent, headers=KEY)
    assert response.status_code == 200, response.text
    _, properties = only(broker)
    assert properties == {"community_id": "c", "access_result": "allowed", "is_traveler": False, **PLACE}


@pytest.mark.parametrize(
    ("path", "sent", "field"),
    [
        ("/api/community-analytics/track", {"community_id": 1, "activity_type": "view"}, "user_id"),
        (
            "/api/geo-analytics/track",
            {"community_id": 1, "user_id": "u", "access_result": "perhaps"},
            "access_result",
        ),
        ("/api/metrics", {"metric_type": "cpu"}, "value"),
        ("/api/metrics", {"metric_type": "cpu", "value": 1, "recorded_at": "never"}, "recorded_at"),
        ("/api/errors", {"level": "bad", "message": "m"}, "level"),
        ("/api/errors", {"level": "error", "message": "m", "user": "null"}, "user"),
        ("/api/errors", {"level": "error", "message": "m", "extra_data": {"a": "\x00"}}, "extra_data"),
        ("/api/errors", {"level": "error", "message": "a\x00"}, "message"),
        ("/api/errors", {"level": "error", "message": "m", "a\x00": 1}, "properties"),
        ("/api/errors", {"level": "error", "message": "m" * 33_000}, "message"),
        ("/api/errors", {"level": "error", "message": "m" * 100, "extra_data": {"a": LONG}}, "extra_data"),
        ("/api/errors", {"level": "error", "message": "m", "cart": [LONG], "extra_data": {"a": 1}}, "cart"),
        # The trace is longer, and cut to less.
        (
            "/api/errors",
            {"level": "error", "message": "m", "stack_trace": "s" * 50_000, "url": "/" + "u" * 20_000},
            "url",
        ),
        (
            "/api/metrics",
            {"metric_type": "cpu", "value": 1, "additional_data": {"a": LONG}},
            "additional_data",
        ),
    ],
)
async def test_a_fault_is_named_as_the_request_names_the_field(
    client: httpx.AsyncClient, broker: Broker, path: str, sent: dict[str, Any], field: str
) -> None:
    response = await client.post(path, json=sent, headers=KEY)
    assert response.status_code == 422
    assert response.json()["details"][0]["field"] == field
    assert not broker.records


async def test_a_measurement(client: httpx.AsyncClient, broker: Broker) -> None:
    sent = {"metric_type": "cpu_usage", "value": 42.5, "component": "api", "additional_data": {"host": "a"}}
    response = await client.post(
        "/api/metrics/", json={**sent, "recorded_at": "2026-11-01T10:00:00Z"}, headers=KEY
    )
    event, properties = only(broker)
    assert response.status_code == 201
    assert response.json() == {
        "id": event.uuid,
        **sent,
        "operation": None,
        "response_time_ms": None,
        "status_code": None,
        "memory_usage_mb": None,
        "recorded_at": "2026-11-01T10:00:00.000Z",
        "corrected_fields": [],
    }
    assert (event.event, event.distinct_id, properties) == ("system_metric", "system", sent)


async def test_an_error_is_answered_as_it_is_kept(client: httpx.AsyncClient, broker: Broker) -> None:
    sent = {
        "level": "error",
        "message": "No mail for somebody@example.com",
        "stack_trace": "x" * 20_000,
        "user": 17,
        "method": "GET",
        "ip_address": "203.0.113.9",
        "extra_data": {"a": 1},
    }
    response = await client.post("/api/errors/", json=sent, headers=KEY)
    event, properties = only(broker)
    answer = response.json()
    assert (response.status_code, answer["id"], answer["user"]) == (201, event.uuid, "17")
    assert answer["message"] == properties["message"] == "No mail for [email]"
    assert answer["stack_trace"] == properties["stack_trace"] == shortened("x" * 20_000)
    assert (answer["ip_address"], properties["$ip"]) == ("203.0.113.9", "203.0.113.9")
    assert (answer["is_resolved"], answer["resolved_at"]) == (False, None)


def test_a_stack_trace_is_cut_and_marked() -> None:
    assert shortened("x" * MAX_STACK_BYTES) == "x" * MAX_STACK_BYTES
    cut = shortened("é" * MAX_STACK_BYTES)
    assert len(cut.encode()) <= MAX_STACK_BYTES
    assert cut.endswith(f"\n[cut: {2 * MAX_STACK_BYTES} bytes]")
    assert cut.startswith("é" * 8000)
