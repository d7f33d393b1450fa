"""The shapes that PostHog's clients have sent over the years; the SDKs themselves are in tests/e2e."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import time
import uuid
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import httpx
import msgspec
import posthog
import pytest
from fastapi import FastAPI

from loopin_sinks.store import Store
from tests.api.letters import through
from tests.api.served import served

if TYPE_CHECKING:
    from tests.api.conftest import Broker

KEY = "lk_write"
PATHS = ("/batch/", "/capture/", "/e/", "/i/v0/e/", "/batch", "/e")
ONE = {"event": "My Event", "distinct_id": "user-1", "properties": {"a": 1}}


@pytest.fixture
def store(untouched_store: Store) -> Store:
    return untouched_store


def kept(broker: Broker) -> list[dict[str, Any]]:
    return [msgspec.json.decode(event.properties) for event in broker.events]


def as_form(body: Any) -> str:
    return "data=" + quote(base64.b64encode(json.dumps(body).encode()))


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PLAIN = {"Content-Type": "text/plain"}
SPACED = {"event": "My Event", "distinct_id": "user-1", "properties": {"a": 1}, "more": "a b+c ???>>>"}
IN_PROPERTIES = {**ONE, "properties": {"a": 1, "token": KEY}}

SHAPES: dict[str, tuple[str, Any, dict[str, str]]] = {
    "batch": ("/batch/", json.dumps({"api_key": KEY, "batch": [ONE]}), {}),
    "one event": ("/capture/", json.dumps({"api_key": KEY, **ONE}), {}),
    "a token beside the event": ("/e/", json.dumps({"token": KEY, **ONE}), {}),
    "a dollar token": ("/e/", json.dumps({"$token": KEY, **ONE}), {}),
    "a list": ("/e/", json.dumps([IN_PROPERTIES]), {}),
    "a list, keyed by the query": (f"/e/?token={KEY}", json.dumps([ONE]), {}),
    "a batch keyed by its event": ("/i/v0/e/", json.dumps({"batch": [IN_PROPERTIES]}), {}),
    "gzip": (
        "/batch/",
        gzip.compress(json.dumps({"api_key": KEY, "batch": [ONE]}).encode()),
        {"Content-Encoding": "gzip"},
    ),
    "deflate": (
        "/batch/",
        zlib.compress(json.dumps({"api_key": KEY, "batch": [ONE]}).encode()),
        {"Content-Encoding": "deflate"},
    ),
    "gzip-js": ("/e/?compression=gzip-js", gzip.compress(json.dumps([IN_PROPERTIES]).encode()), PLAIN),
    "gzip by its first bytes": ("/e/", gzip.compress(json.dumps([IN_PROPERTIES]).encode()), PLAIN),
    "a beacon's form": ("/e/?compression=base64", as_form([IN_PROPERTIES]), FORM),
    "a form without saying so": ("/e/", as_form(IN_PROPERTIES), FORM),
    "a form of plain JSON": ("/e/", "data=" + quote(json.dumps(IN_PROPERTIES)), FORM),
    "a form as programs write it": ("/e/", urlencode({"data": json.dumps({**SPACED, "api_key": KEY})}), FORM),
    "a form whose first field is another": (
        "/e/",
        urlencode({"ip": "1", "data": json.dumps({**SPACED, "api_key": KEY})}),
        FORM,
    ),
    "a form with the key and base64": (
        "/batch/",
        urlencode({"api_key": KEY, "data": base64.b64encode(json.dumps({"batch": [ONE]}).encode())}),
        FORM,
    ),
    "a form of base64 whose plus signs are not escaped": (
        "/e/",
        b"data=" + base64.b64encode(json.dumps({**SPACED, "api_key": KEY}).encode()),
        FORM,
    ),
    "a form that names its compression": (
        "/e/",
        urlencode({"compression": "base64", "data": base64.b64encode(json.dumps(IN_PROPERTIES).encode())}),
        FORM,
    ),
    "JSON that is called a form, as curl does": ("/e/", json.dumps(IN_PROPERTIES), FORM),
    "a byte order mark": ("/e/", b"\xef\xbb\xbf" + json.dumps(IN_PROPERTIES).encode(), {}),
    "bare base64": ("/e/?compression=base64", base64.b64encode(json.dumps(IN_PROPERTIES).encode()), PLAIN),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_each_shape_is_one_event(client: httpx.AsyncClient, broker: Broker, shape: str) -> None:
    path, body, headers = SHAPES[shape]
    response = await client.post(path, content=body, headers=headers)
    assert (response.status_code, response.json()["status"]) == (200, 1), response.text
    (event,) = broker.events
    assert (event.project, event.event, event.distinct_id) == ("shop", "My Event", "user-1")
    assert kept(broker) == [{"a": 1}]


@pytest.mark.parametrize("path", PATHS)
async def test_every_path_takes_events(client: httpx.AsyncClient, broker: Broker, path: str) -> None:
    response = await client.post(path, json={"api_key": KEY, "batch": [ONE, ONE]})
    assert [receipt["result"] for receipt in response.json()["receipts"]] == ["ok", "ok"]
    assert len(broker.events) == 2


async def test_what_stands_beside_the_properties_goes_among_them(
    client: httpx.AsyncClient, broker: Broker
) -> None:
    event = {
        "event": "$identify",
        "$set": {"plan": "pro", "a": 1},
        "$set_once": {"first": 1},
        "properties": {"distinct_id": 17, "$set": {"a": 2}},
    }
    await client.post("/e/", json={"api_key": KEY, **event})
    (found,) = broker.events
    assert found.distinct_id == "17"
    assert kept(broker)[0]["$set"] == {"plan": "pro", "a": 2}
    assert kept(broker)[0]["$set_once"] == {"first": 1}


async def test_times_are_left_to_the_stream_to_correct(client: httpx.AsyncClient, broker: Broker) -> None:
    now = time.time_ns() // 1_000_000
    timed = {**ONE, "timestamp": now - 60_000}
    await client.post("/batch/", json={"api_key": KEY, "batch": [timed], "sent_at": "2026-01-15T10:00:00Z"})
    await client.post(
        "/batch/", json={"api_key": KEY, "batch": [timed], "sent_at": now, "historical_migration": True}
    )
    await client.post(
        "/batch/",
        json={"api_key": KEY, "batch": [{**timed, "properties": {"$ignore_sent_at": True}}], "sent_at": now},
    )
    await client.post(f"/e/?_={now}", json={"api_key": KEY, **timed})
    await client.post("/e/", json=[{**timed, "token": KEY, "sent_at": now}])
    assert [event.sent_at for event in broker.events] == ["2026-01-15T10:00:00Z", None, None, str(now), now]
    assert {event.timestamp for event in broker.events} == {now - 60_000}


async def test_an_offset_counts_back_from_the_arrival(client: httpx.AsyncClient, broker: Broker) -> None:
    before = time.time_ns() // 1_000_000
    await client.post("/e/", json={"api_key": KEY, **ONE, "offset": 5000, "sent_at": "2020-01-01T00:00:00Z"})
    (event,) = broker.events
    assert event.sent_at is None
    assert isinstance(event.timestamp, int)
    assert before <= event.timestamp + 5000 <= time.time_ns() // 1_000_000


async def test_impossible_times_cost_no_event(client: httpx.AsyncClient, broker: Broker) -> None:
    odd = [{**ONE, "timestamp": given} for given in ("yesterday", {"a": 1}, True)]
    response = await client.post("/batch/", json={"api_key": KEY, "batch": odd, "sent_at": "never"})
    assert {receipt["code"] for receipt in response.json()["receipts"]} == {"timestamp_invalid"}
    assert [event.timestamp for event in broker.events] == [None] * 3


async def test_an_id_that_is_no_uuid_still_counts_once(client: httpx.AsyncClient, broker: Broker) -> None:
    for _ in range(2):
        response = await client.post("/e/", json={"api_key": KEY, **ONE, "uuid": "order-17"})
        assert response.json()["receipts"][0]["code"] == "uuid_invalid"
    first, second = broker.events
    assert first.uuid == second.uuid
    assert uuid.UUID(str(first.uuid)).version == 5


@pytest.mark.parametrize("depth", [19, 20, 600, 800])
@pytest.mark.parametrize("field", ["properties", "$set", "unknown"])
async def test_an_event_with_a_nul_costs_the_others_nothing_however_deep_it_nests(
    client: httpx.AsyncClient, broker: Broker, depth: int, field: str
) -> None:
    nested = '{"a":' * depth + '"\\u0000"' + "}" * depth
    texts = [json.dumps(ONE), f'{{"event":"x\\u0000","distinct_id":"u","{field}":{nested}}}', json.dumps(ONE)]
    answer = await client.post("/batch/", content=f'{{"api_key":"{KEY}","batch":[{",".join(texts)}]}}')
    assert answer.status_code == 200, answer.text
    results = [receipt["result"] for receipt in answer.json()["receipts"]]
    # Properties may nest 20 levels, one of which those of the person take within them.
    taken = depth <= {"properties": 20, "$set": 19}.get(field, depth)
    assert results == ["ok", "warning" if taken else "drop", "ok"]
    passed, letters = through(broker.records)
    assert [draft.event.event for draft in passed] == (
        ["My Event", "x", "My Event"] if taken else ["My Event"] * 2
    )
    assert len(letters) == (not taken)


async def test_valid_events_beside_invalid_ones_are_kept(client: httpx.AsyncClient, broker: Broker) -> None:
    batch = [
        ONE,
        {"event": "nobody"},
        7,
        {"distinct_id": "user-1"},
        {**ONE, "event": ["x"]},
        {**ONE, "properties": []},
        {**ONE, "distinct_id": "null"},
        {**ONE, "api_key": "lk_other"},
        {**ONE, "properties": {"text": "x" * 40_000}},
        {**ONE, "distinct_id": "user-2"},
    ]
    response = await client.post("/batch/", json={"api_key": KEY, "batch": batch})
    receipts = response.json()["receipts"]
    assert [receipt["result"] for receipt in receipts] == ["ok", *["drop"] * 8, "ok"]
    assert [receipt["code"] for receipt in receipts[1:-1]] == [
        *("missing_field", "wrong_type", "missing_field", "wrong_type", "wrong_type"),
        *("distinct_id_forbidden", "other_project", "properties_too_large"),
    ]
    passed, letters = through(broker.records)
    assert [draft.event.distinct_id for draft in passed] == ["user-1", "user-2"]
    assert len(letters) == 8


@pytest.mark.parametrize("name", ["token", "api_key"])
async def test_in_a_list_all_events_have_the_same_key(
    client: httpx.AsyncClient, broker: Broker, name: str
) -> None:
    other = {**ONE, "properties": {name: "lk_other"}}
    answer = await client.post("/e/", json=[IN_PROPERTIES, other])
    assert [one["code"] for one in answer.json()["receipts"]] == [None, "other_project"]
    passed, _ = through(broker.records)
    assert len(passed) == 1
    # Where the request has a key, a property of this name is the program's own.
    answer = await client.post("/batch/", json={"api_key": KEY, "batch": [other]})
    assert answer.json()["receipts"][0]["result"] == "ok"
    passed, _ = through(broker.records)
    assert passed[-1].properties == {name: "[token]"}


@pytest.mark.parametrize("path", ["/e/", "/capture"])
@pytest.mark.parametrize("encoded", [True, False])
async def test_an_images_address_is_an_event(
    client: httpx.AsyncClient, broker: Broker, path: str, encoded: bool
) -> None:
    text = json.dumps({**SPACED, "api_key": KEY})
    data = base64.b64encode(text.encode()).decode() if encoded else text
    answer = await client.get(path, params={"data": data, "ip": "1"})
    assert (answer.status_code, answer.json()["status"]) == (200, 1)
    assert [(event.event, event.project) for event in broker.events] == [("My Event", "shop")]
    assert (await client.get(path, params={"data": "%"})).status_code == 400


LONG = (json.dumps([IN_PROPERTIES]) + " " * 10_000).encode()
CODED: dict[str, tuple[str, str, bytes]] = {
    "gzip-js": ("POST", "/e/?compression=gzip-js", gzip.compress(LONG)),
    "a form of gzip": ("POST", "/e/", urlencode({"data": gzip.compress(LONG)}).encode()),
    "an image's address": ("GET", "/e/?" + urlencode({"data": base64.b64encode(LONG)}), b""),
}


@pytest.mark.parametrize("shape", CODED)
async def test_what_a_parameter_says_is_coded_takes_up_the_memory_that_all_share(
    client: httpx.AsyncClient, app: FastAPI, shape: str
) -> None:
    method, path, body = CODED[shape]
    bodies = app.state.services.intake.bodies
    for free, expected in ((len(LONG) - 1, 503), (len(LONG) + len(body), 200)):
        bodies._free = free
        answer = await client.request(method, path, content=body, headers=PLAIN)
        assert (answer.status_code, bodies._free) == (expected, free)


async def test_a_request_without_a_valid_event_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/e/", json={"api_key": KEY, "event": "nobody"})
    assert response.status_code == 400
    assert response.json() == {
        "type": "validation_error",
        "code": "no_valid_event",
        "detail": "The field distinct_id is missing; add it.",
        "attr": None,
    }


@pytest.mark.parametrize(
    "body", [{"batch": [ONE]}, {"api_key": "lk_wrong", "batch": [ONE]}, {"api_key": 7, **ONE}]
)
async def test_without_a_valid_key_nothing_is_taken(
    client: httpx.AsyncClient, broker: Broker, body: Any
) -> None:
    response = await client.post("/batch/", json=body)
    assert (response.status_code, response.json()["type"]) == (401, "authentication_error")
    assert not broker.records


async def test_a_key_that_may_only_read_sends_nothing(client: httpx.AsyncClient, broker: Broker) -> None:
    response = await client.post("/e/", json={"api_key": "lk_personal", **ONE})
    assert response.status_code == 403
    assert not broker.records


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"", {}, 400),
        (b"data=%%%", FORM, 400),
        (b'{"batch": 7}', {}, 400),
        (gzip.compress(b"{}", mtime=0)[:10], {"Content-Encoding": "gzip"}, 400),
        (b"{}", {"Content-Encoding": "lzw"}, 415),
        (b"[" + b"7," * 1000 + b"7]", {}, 413),
        (gzip.compress(b" " * (21 << 20), mtime=0), {"Content-Encoding": "gzip"}, 413),
    ],
)
async def test_bodies_that_nobody_can_read_are_refused_for_good(
    client: httpx.AsyncClient, content: bytes, headers: dict[str, str], status: int
) -> None:
    response = await client.post(f"/e/?token={KEY}", content=content, headers=headers)
    assert response.status_code == status, response.text
    assert set(response.json()) == {"type", "code", "detail", "attr"}


async def test_an_unknown_compression_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post(f"/e/?token={KEY}&compression=lz64", content=b"x")).status_code == 415


@pytest.mark.parametrize("answer", ["refuse", "full"])
async def test_what_was_not_acknowledged_is_to_be_sent_again(
    client: httpx.AsyncClient, broker: Broker, answer: str
) -> None:
    broker.answer = answer
    response = await client.post("/batch/", json={"api_key": KEY, "batch": [ONE, {"event": "nobody"}]})
    assert (response.status_code, response.json()["code"]) == (503, "not_acknowledged")
    assert int(response.headers["Retry-After"]) > 0
    broker.answer = "acknowledge"
    # The broker is known to be away: nobody waits for it, and nothing is published.
    published = len(broker.records)
    again = await client.post("/batch/", json={"api_key": KEY, "batch": [ONE]})
    assert (again.status_code, again.json()["code"]) == (503, "broker_away")
    assert int(again.headers["Retry-After"]) > 0
    assert len(broker.records) == published


BROWSER = {"User-Agent": "Mozilla/5.0 (X11)", "Origin": "https://shop.example"}


async def test_a_browsers_address_and_agent_are_noted_unless_it_says_otherwise(
    client: httpx.AsyncClient, broker: Broker
) -> None:
    await client.post("/e/", json={"api_key": KEY, **ONE}, headers=BROWSER)
    await client.post("/e/?ip=0", json={"api_key": KEY, **ONE}, headers=BROWSER)
    await client.post("/batch/", json={"api_key": KEY, **ONE})
    assert kept(broker) == [
        {"a": 1, "$ip": "127.0.0.1", "$raw_user_agent": BROWSER["User-Agent"]},
        {"a": 1, "$raw_user_agent": BROWSER["User-Agent"]},
        {"a": 1},
    ]


async def test_a_beacon_needs_no_answer(client: httpx.AsyncClient) -> None:
    response = await client.post("/e/?beacon=1", json={"api_key": KEY, **ONE})
    assert (response.status_code, response.content) == (204, b"")


async def test_personal_data_and_private_text_stay_here(client: httpx.AsyncClient, broker: Broker) -> None:
    sent = {
        "event": "message_sent",
        "distinct_id": "user-1",
        "properties": {"text": "I love it", "to": "a@example.com"},
    }
    await client.post("/e/", json={"api_key": KEY, **sent})
    (properties,) = kept(broker)
    assert properties["$text_length"] == len("I love it") + len("a@example.com")
    assert properties["$sentiment"] > 0.5
    assert "to" not in properties
    assert b"love" not in broker.records[0][1]
    person = {"$set": {"last_message": "love", "mood": "love", "plan": "club"}, "$unset": ["love", "trial"]}
    await client.post("/e/", json={"api_key": KEY, **sent, **person})
    assert kept(broker)[1].items() >= {"$set": {"plan": "club"}, "$unset": ["trial"]}.items()
    assert b"love" not in broker.records[1][1]


V1 = {"Authorization": f"Bearer {KEY}", "PostHog-Sdk-Info": "posthog-python/7.1", "PostHog-Request-Id": "r-1"}
NAMED = {**ONE, "uuid": "01946A2C-5C0E-7C3A-9B7E-0D6F2F6B7A10"}


async def test_version_1_answers_for_each_event(client: httpx.AsyncClient, broker: Broker) -> None:
    batch = [
        {**NAMED, "session_id": "s-1", "options": {"process_person_profile": False}},
        {**ONE, "uuid": "order-17"},
        {"event": "nobody", "uuid": "u-3"},
        {**ONE, "uuid": NAMED["uuid"], "event": ""},
    ]
    response = await client.post(
        "/i/v1/analytics/events",
        json={"batch": batch},
        headers={**V1, "PostHog-Request-Timestamp": "2026-01-15T10:30:00Z"},
    )
    assert response.headers["PostHog-Request-Id"] == "r-1"
    results = response.json()["results"]
    assert {name: result["result"] for name, result in results.items()} == {
        NAMED["uuid"]: "drop",
        "order-17": "warning",
        "u-3": "drop",
    }
    assert results["u-3"]["details"].startswith("The field distinct_id")
    assert kept(broker)[0] == {
        "a": 1,
        "$process_person_profile": False,
        "$session_id": "s-1",
        "$lib": "posthog-python",
        "$lib_version": "7.1",
    }


async def test_version_1_names_what_is_to_be_sent_again(client: httpx.AsyncClient, broker: Broker) -> None:
    broker.answer = "refuse"
    body = {"batch": [NAMED, {"event": "nobody", "uuid": "u-2"}]}
    response = await client.post("/i/v1/analytics/events", json=body, headers=V1)
    assert response.status_code == 200
    assert response.json()["results"][NAMED["uuid"]]["result"] == "retry"
    assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize("answer", ["refuse", "full"])
async def test_version_1_without_any_acknowledgement_is_unavailable(
    client: httpx.AsyncClient, broker: Broker, answer: str
) -> None:
    broker.answer = answer
    response = await client.post("/i/v1/analytics/events", json={"batch": [NAMED]}, headers=V1)
    assert response.status_code == 503
    assert set(response.json()) == {"error", "error_description"}


async def test_there_are_no_flags_and_no_settings(client: httpx.AsyncClient, app: FastAPI) -> None:
    for path in ("/flags/?v=2", "/decide/?v=3"):
        answer = (await client.post(path, json={"token": KEY, "distinct_id": "u"})).json()
        assert answer["featureFlags"] == answer["flags"] == {}
    settings = (await client.get(f"/array/{KEY}/config")).json()
    assert (settings["hasFeatureFlags"], settings["sessionRecording"]) == (False, False)


async def test_the_settings_script_is_safe_with_any_token(client: httpx.AsyncClient) -> None:
    token = '"];alert(1);["\u2028'
    response = await client.get(f"/array/{quote(token)}/config.js")
    assert response.headers["content-type"].startswith("text/javascript")
    assert response.text.count(json.dumps(token)) == 2
    assert "alert" not in response.text.replace(json.dumps(token), "")


async def test_a_missing_key_is_told_where_posthog_puts_it(client: httpx.AsyncClient) -> None:
    answer = await client.post("/batch", json={"batch": [ONE]})
    assert answer.status_code == 401
    assert "api_key" in answer.json()["detail"]
    assert "Bearer" not in answer.json()["detail"]


class Errors(logging.Handler):
    """What a library's logger is told that is wrong."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())


def test_what_the_sdk_polls_is_there(tmp_path: Path) -> None:
    errors = Errors()
    logger = logging.getLogger("posthog")
    logger.addHandler(errors)
    with served(tmp_path, {}) as running:
        client = posthog.Posthog(KEY, host=running.url, secret_key="phx_1", poll_interval=3600)
        client.load_feature_flags()  # type: ignore[no-untyped-call]  # the library has no types
        assert client.feature_flags == []
        assert (client.group_type_mapping, client.cohorts) == ({}, {})
        assert client.evaluate_flags("user-1").get_flag("a") is None
        assert client.get_remote_config_payload("a") is None
        client.shutdown()
    logger.removeHandler(errors)
    assert errors.told == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/flags/definitions?token=x&send_cohorts", "flags"),
        ("/api/feature_flag/local_evaluation/?token=x&send_cohorts", "flags"),
        ("/api/surveys/?token=x", "surveys"),
        ("/api/early_access_features/?token=x", "earlyAccessFeatures"),
        ("/api/web_experiments/?token=x", "experiments"),
        ("/api/product_tours/?token=x", "product_tours"),
    ],
)
async def test_there_is_nothing_under_the_names_that_the_sdks_read(
    client: httpx.AsyncClient, path: str, name: str
) -> None:
    answer = await client.get(path, headers={"Origin": "https://shop.example"})
    assert (answer.status_code, answer.json()[name]) == (200, [])
    if path.startswith("/api/") and "flag" not in path:  # pages ask for these
        assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"


def test_the_sdks_events_of_language_models_arrive(tmp_path: Path) -> None:
    errors: list[object] = []
    with served(tmp_path, {}) as running:
        client = posthog.Posthog(KEY, host=running.url, on_error=lambda error, _: errors.append(error))
        client.capture("$ai_generation", distinct_id="user-1", properties={"$ai_model": "m"})
        client.capture("other", distinct_id="user-1")
        client.shutdown()
        assert sorted(event.event for event in running.broker.events) == ["$ai_generation", "other"]
    assert not errors


def test_the_sdk_loses_no_event_beside_one_with_a_long_id(tmp_path: Path) -> None:
    with served(tmp_path, {}) as running:
        client = posthog.Posthog(KEY, host=running.url)
        for who in ("u", "u" * 250, "guest", "v"):
            client.capture("e", distinct_id=who)
        client.shutdown()
        passed, letters = through(running.broker.records)
    assert sorted(draft.event.distinct_id for draft in passed) == ["u", "u" * 200, "v"]
    assert [letter.reason for letter in letters] == ["distinct_id_forbidden"]
