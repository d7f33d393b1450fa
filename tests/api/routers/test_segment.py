"""Segment's and RudderStack's messages; the SDKs themselves are in tests/e2e."""

from __future__ import annotations

import base64
import gzip
import json
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from loopin_schemas import Event
from loopin_sinks.store import Store
from loopin_streams.enrich.steps.anonymous import ANONYMOUS, drop_anonymous
from tests.api.letters import through
from tests.streams.enrich.drafts import context, draft_before

if TYPE_CHECKING:
    from tests.api.conftest import Broker


@pytest.fixture
def store(untouched_store: Store) -> Store:
    return untouched_store


def basic(name: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:".encode()).decode()}


KEY = basic("lk_write")
TRACK = {"type": "track", "userId": "user-1", "event": "My Event", "properties": {"a": 1}}
CONTEXT = {
    "ip": "203.0.113.9",
    "userAgent": "Mozilla/5.0",
    "locale": "en-GB",
    "timezone": "Europe/London",
    "campaign": {"name": "summer", "source": "mail", "medium": "email", "term": "t", "content": "c", "id": 7},
    "page": {
        "url": "https://example.com/?a=1",
        "path": "/",
        "referrer": "https://example.org/",
        "title": "Home",
    },
    "library": {"name": "analytics.js", "version": "2"},
    "os": {"name": "iOS", "version": "17"},
    "device": {"id": "d-1", "manufacturer": "Apple", "model": "x", "name": "phone"},
    "screen": {"width": 1, "height": 2},
    "location": {"country": "India", "city": "Mumbai"},
    "sessionId": 1700000000,
    "traits": {"plan": "pro"},
    "own": {"x": 1},
    "network": None,
}
FROM_CONTEXT = {
    "$ip": "203.0.113.9",
    "$raw_user_agent": "Mozilla/5.0",
    "$locale": "en-GB",
    "$timezone": "Europe/London",
    "utm_campaign": "summer",
    "utm_source": "mail",
    "utm_medium": "email",
    "utm_term": "t",
    "utm_content": "c",
    "$current_url": "https://example.com/?a=1",
    "$pathname": "/",
    "$referrer": "https://example.org/",
    "title": "Home",
    "$lib": "analytics.js",
    "$lib_version": "2",
    "$os": "iOS",
    "$os_version": "17",
    "$device_id": "d-1",
    "$device_manufacturer": "Apple",
    "$device_model": "x",
    "$device_name": "phone",
    "$screen_width": 1,
    "$screen_height": 2,
    "country": "India",
    "city": "Mumbai",
    "$session_id": 1700000000,
    "$context": {"campaign": {"id": 7}, "own": {"x": 1}, "network": None},
}


async def taken(
    client: httpx.AsyncClient, broker: Broker, path: str, message: Any
) -> tuple[Event, dict[str, Any]]:
    """The one event that a message becomes, and its properties."""
    response = await client.post(path, json=message, headers=KEY)
    assert (response.status_code, response.json()["success"]) == (200, True), response.text
    (event,) = broker.events
    return event, msgspec.json.decode(event.properties)


@pytest.mark.parametrize(
    ("kind", "said", "name", "properties"),
    [
        ("track", {"event": "My Event", "properties": {"a": 1}}, "My Event", {"a": 1}),
        (
            "track",
            {"event": "Order Completed", "properties": {"order_id": 1, "total": 20.0, "currency": "INR"}},
            "ticket_purchased",
            {"order_id": 1, "amount": 20.0, "currency": "INR"},
        ),
        ("identify", {"traits": {"plan": "pro"}}, "$identify", {"$set": {"plan": "pro"}}),
        (
            "page",
            {
                "name": "Home",
                "category": "c",
                "properties": {"url": "u", "path": "/p", "referrer": "r", "title": "t"},
            },
            "$pageview",
            {
                "$current_url": "u",
                "$pathname": "/p",
                "$referrer": "r",
                "title": "t",
                "name": "Home",
                "category": "c",
            },
        ),
        ("screen", {"name": "Start", "properties": {"b": 2}}, "$screen", {"$screen_name": "Start", "b": 2}),
        (
            "group",
            {"groupId": "acme", "traits": {"size": 3}},
            "$groupidentify",
            {"$group_type": "group", "$group_key": "acme", "$group_set": {"size": 3}},
        ),
        ("alias", {"previousId": "before"}, "$create_alias", {"alias": "before"}),
    ],
)
@pytest.mark.parametrize("form", ["path", "short path", "batch"])
async def test_each_kind_becomes_our_event(
    client: httpx.AsyncClient,
    broker: Broker,
    form: str,
    kind: str,
    said: dict[str, Any],
    name: str,
    properties: dict[str, Any],
) -> None:
    message = {**said, "userId": "user-1"}
    if form == "batch":
        event, found = await taken(client, broker, "/v1/batch", {"batch": [{**message, "type": kind}]})
    else:
        event, found = await taken(client, broker, f"/v1/{kind if form == 'path' else kind[0]}", message)
    assert (event.event, event.distinct_id, event.source) == (name, "user-1", "sdk")
    assert found == properties


async def test_the_context_becomes_properties(client: httpx.AsyncClient, broker: Broker) -> None:
    event, found = await taken(client, broker, "/v1/track", {**TRACK, "context": CONTEXT})
    assert found == {"a": 1, **FROM_CONTEXT}
    assert event.session_id == "1700000000"


async def test_the_words_of_a_message_stay_here(client: httpx.AsyncClient, broker: Broker) -> None:
    said = {
        **TRACK,
        "event": "Message Sent",
        "properties": {"body": "I love it", "room": 7},
        "context": {"x": {"text": "so much"}},
    }
    event, found = await taken(client, broker, "/v1/track", said)
    assert event.event == "message_sent"
    assert found.pop("$sentiment") > 0.5
    assert found == {"room": 7, "$text_length": 16}


async def test_somebody_identified_is_linked_to_who_it_was(client: httpx.AsyncClient, broker: Broker) -> None:
    message = {
        "userId": 17,
        "anonymousId": "anon",
        "traits": {"a": 1},
        "context": {"traits": {"a": 0, "b": 2}},
    }
    event, found = await taken(client, broker, "/v1/identify", message)
    assert (event.event, event.distinct_id) == ("$identify", "17")
    assert (found["$set"], found["$anon_distinct_id"]) == ({"a": 1, "b": 2}, "anon")


async def test_the_traits_of_somebody_anonymous_identify_nobody(
    client: httpx.AsyncClient, broker: Broker
) -> None:
    event, found = await taken(client, broker, "/v1/identify", {"anonymousId": "anon", "traits": {"a": 1}})
    said = {"$set": {"a": 1}, "$is_identified": False}
    assert (event.event, event.distinct_id, found) == ("$set", "anon", said)


async def test_message_ids_make_a_message_count_once(client: httpx.AsyncClient, broker: Broker) -> None:
    named = str(uuid.uuid4())
    for message_id in (named.upper(), "node-next-17", "node-next-17", "node-next-18"):
        response = await client.post("/v1/track", json={**TRACK, "messageId": message_id}, headers=KEY)
        assert response.json()["receipts"][0]["result"] == "ok"
    first, second, third, fourth = broker.events
    assert first.uuid == named
    assert second.uuid == third.uuid != fourth.uuid
    assert msgspec.json.decode(second.properties)["$message_id"] == "node-next-17"


async def test_times_are_left_to_the_stream_to_correct(client: httpx.AsyncClient, broker: Broker) -> None:
    timed = {**TRACK, "timestamp": "2026-01-15T10:00:00Z", "originalTimestamp": "2026-01-15T09:00:00Z"}
    await client.post("/v1/batch", json={"batch": [timed], "sentAt": "2026-01-15T10:30:00Z"}, headers=KEY)
    await client.post("/v1/track", json={**TRACK, "sentAt": "2026-01-15T10:30:00Z"}, headers=KEY)
    first, second = broker.events
    assert first.timestamp == 1768467600000
    assert first.sent_at == second.sent_at == "2026-01-15T10:30:00Z"


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain"}])
async def test_the_key_may_stand_in_the_body(
    client: httpx.AsyncClient, broker: Broker, headers: dict[str, str]
) -> None:
    body = json.dumps({"writeKey": "lk_write", "batch": [TRACK]})
    assert (await client.post("/v1/b", content=body, headers=headers)).status_code == 200
    zipped = gzip.compress(body.encode())
    more = {**headers, "Content-Encoding": "gzip"}
    assert (await client.post("/v1/batch/", content=zipped, headers=more)).status_code == 200
    assert len(broker.events) == 2


@pytest.mark.parametrize("headers", [basic("lk_wrong"), {"Authorization": "Basic %%%"}, {}, basic("")])
async def test_without_a_valid_key_nothing_is_taken(
    client: httpx.AsyncClient, broker: Broker, headers: dict[str, str]
) -> None:
    response = await client.post("/v1/batch", json={"batch": [TRACK]}, headers=headers)
    assert response.status_code == 401
    assert set(response.json()) == {"code", "message"}
    assert not broker.records


async def test_valid_messages_beside_invalid_ones_are_kept(client: httpx.AsyncClient, broker: Broker) -> None:
    batch = [
        TRACK,
        {**TRACK, "type": "unheard of"},
        {"type": "track", "event": "x"},
        {"type": "track", "userId": "u"},
        {"type": "group", "userId": "u"},
        {"type": "alias", "userId": "u"},
        {**TRACK, "properties": 7},
        {**TRACK, "properties": {"text": "x" * 33_000}, "messageId": "m-7"},
        {**TRACK, "userId": "user-2"},
    ]
    receipts = (await client.post("/v1/batch", json={"batch": batch}, headers=KEY)).json()["receipts"]
    assert [receipt["result"] for receipt in receipts] == ["ok", *["drop"] * 7, "ok"]
    assert (receipts[7]["uuid"], receipts[7]["code"]) == ("m-7", "too_large")
    passed, letters = through(broker.records)
    assert [draft.event.distinct_id for draft in passed] == ["user-1", "user-2"]
    assert len(letters) == 7


async def test_refusals_are_in_segments_words(client: httpx.AsyncClient) -> None:
    nothing = await client.post("/v1/track", json={"userId": "u"}, headers=KEY)
    assert (nothing.status_code, nothing.json()["code"]) == (400, "no_valid_event")
    large = await client.post("/v1/batch", content=b" " * 512_001, headers=KEY)
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")


async def test_what_was_not_acknowledged_is_to_be_sent_again(
    client: httpx.AsyncClient, broker: Broker
) -> None:
    broker.answer = "refuse"
    response = await client.post("/v1/batch", json={"batch": [TRACK]}, headers=KEY)
    assert (response.status_code, response.json()["code"]) == (503, "not_acknowledged")
    assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("headers", "words"),
    [({}, ("Authorization: Basic", "writeKey")), (basic(""), ("Authorization: Basic",))],
    ids=["no header", "no user"],
)
async def test_a_missing_key_is_told_where_segment_puts_it(
    client: httpx.AsyncClient, headers: dict[str, str], words: tuple[str, ...]
) -> None:
    answer = await client.post("/v1/batch", json={"batch": [TRACK]}, headers=headers)
    assert answer.status_code == 401
    assert all(word in answer.json()["message"] for word in words)
    assert "Bearer" not in answer.json()["message"]


async def test_a_batchs_context_surrounds_every_message(client: httpx.AsyncClient, broker: Broker) -> None:
    """In the shape of Segment's client for Go, which sends its library only so."""
    body = {
        "messageId": "b-1",
        "sentAt": "2026-11-29T08:00:00Z",
        "batch": [
            {
                "type": "track",
                "messageId": "m-1",
                "userId": "u",
                "event": "e",
                "timestamp": "2026-11-29T07:59:58Z",
            },
            {**TRACK, "context": {"locale": "de", "app": {"build": "7"}}},
        ],
        "context": {
            "library": {"name": "analytics-go", "version": "3.3.0"},
            "app": {"name": "shop", "version": "1"},
            "locale": "en",
        },
    }
    answer = await client.post("/v1/batch", json=body, headers=KEY)
    assert [one["result"] for one in answer.json()["receipts"]] == ["ok", "ok"]
    first, second = (msgspec.json.decode(event.properties) for event in broker.events)
    library = {"$lib": "analytics-go", "$lib_version": "3.3.0"}
    assert first == {
        **{"$app_name": "shop", "$app_version": "1", "$locale": "en", "$message_id": "m-1"},
        **library,
    }
    # The message wins, key by key: of its app nothing is merged.
    assert second == {"a": 1, "$locale": "de", "$app_build": "7", **library}
    assert [event.sent_at for event in broker.events] == ["2026-11-29T08:00:00Z"] * 2


@pytest.mark.parametrize("context", [7, "x", None, []])
async def test_a_context_that_is_none_costs_nothing(
    client: httpx.AsyncClient, broker: Broker, context: Any
) -> None:
    answer = await client.post("/v1/batch", json={"batch": [TRACK], "context": context}, headers=KEY)
    assert answer.json()["receipts"][0]["result"] == "ok"
    assert len(broker.events) == 1


async def test_a_context_and_a_message_together_have_a_messages_limit(client: httpx.AsyncClient) -> None:
    body = {"batch": [TRACK], "context": {"a": "x" * 32_700}}
    answer = await client.post("/v1/batch", json=body, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (400, "no_valid_event")


@pytest.mark.parametrize(
    ("who", "anonymous"),
    [({"anonymousId": "a"}, True), ({"userId": "u"}, False), ({"userId": "u", "anonymousId": "a"}, False)],
)
@pytest.mark.parametrize("kind", ["track", "page", "screen", "identify", "group"])
async def test_somebody_anonymous_is_left_out_where_the_settings_say_so(
    client: httpx.AsyncClient, broker: Broker, kind: str, who: dict[str, str], anonymous: bool
) -> None:
    message = {"type": kind, "event": "e", "groupId": "g", **who}
    await client.post("/v1/batch", json={"batch": [message]}, headers=KEY)
    draft = draft_before("anonymous", broker.records[0][1], received=time.time_ns() // 1_000_000)
    drop_anonymous([draft], replace(context(), track_anonymous_users=False))
    assert draft.outcome == (ANONYMOUS if anonymous else None)
    assert ("$is_identified" in draft.properties) is anonymous
