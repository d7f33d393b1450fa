"""What becomes of events that are refused beside others, where the client reads no receipts."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.ingest.refusals import MAX_BYTES
from loopin_schemas.codec import decode
from loopin_sinks.store import Store
from tests.api.letters import through

if TYPE_CHECKING:
    from tests.api.conftest import Broker

KEY = "lk_write"
ONE = {"event": "My Event", "distinct_id": "user-1", "properties": {"a": 1}}
YEAR_MS = 365 * 86_400_000


@pytest.fixture
def store(untouched_store: Store) -> Store:
    return untouched_store


def years_ago(years: int) -> int:
    return time.time_ns() // 1_000_000 - years * YEAR_MS


REFUSED: dict[str, tuple[Any, str, str | None]] = {
    "nobody": ({"event": "e"}, "missing_field", "distinct_id"),
    "no name": ({"distinct_id": "u"}, "missing_field", "event"),
    "a name that is none": ({**ONE, "event": ["x"]}, "wrong_type", "event"),
    "an empty name": ({**ONE, "event": "\n"}, "event_name_empty", "event"),
    "a stranger's id": ({**ONE, "distinct_id": "guest"}, "distinct_id_forbidden", "distinct_id"),
    "an id of nobody": ({**ONE, "distinct_id": 0}, "distinct_id_forbidden", "distinct_id"),
    "no properties": ({**ONE, "properties": []}, "properties_not_object", "properties"),
    "long properties": ({**ONE, "properties": {"a": "x" * 40_000}}, "properties_too_large", "properties"),
    "a long event": ({**ONE, "properties": {"a": "x" * 400_000}}, "too_large", None),
    "long ago": ({**ONE, "timestamp": years_ago(6)}, "timestamp_out_of_range", "timestamp"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_it_becomes_a_dead_letter_and_its_neighbours_events(
    client: httpx.AsyncClient, broker: Broker, app: FastAPI, case: str
) -> None:
    event, reason, field = REFUSED[case]
    batch = [{**ONE, "distinct_id": "before"}, event, {**ONE, "distinct_id": "after"}]
    body = {"api_key": KEY, "batch": batch, "historical_migration": True}
    answer = await client.post("/batch/", json=body)
    assert (answer.status_code, answer.json()["status"]) == (200, 1)
    assert [one["result"] for one in answer.json()["receipts"]] == ["ok", "drop", "ok"]
    passed, (letter,) = through(broker.records)
    assert [draft.event.distinct_id for draft in passed] == ["before", "after"]
    assert (letter.reason, letter.field, letter.project) == (reason, field, "shop")
    said = json.loads(letter.body) if reason != "too_large" else {"event": "My Event"}
    assert said.get("event") == event.get("event") or case == "an empty name"
    counted = app.state.services.intake.instruments
    assert counted.accepted._value.get() == 2
    code = answer.json()["receipts"][1]["code"]
    assert counted.refused.labels(code)._value.get() == 1


async def test_what_is_no_event_and_what_would_be_one_are_kept_as_they_are(
    client: httpx.AsyncClient, broker: Broker
) -> None:
    stranger = {**ONE, "token": "lk_other"}
    await client.post("/batch/", json={"api_key": KEY, "batch": [ONE, 7, stranger]})
    passed, letters = through(broker.records)
    assert [draft.event.distinct_id for draft in passed] == ["user-1"]
    kept = [decode(letter.body, dict[str, Any]) for letter in letters]
    assert [one["project"] for one in kept] == ["shop", "shop"]
    assert kept[0]["refused"] == 7
    assert (kept[1]["code"], kept[1]["refused"]["event"]) == ("other_project", "My Event")
    assert b"lk_other" not in letters[1].body


async def test_nothing_private_leaves_in_it(client: httpx.AsyncClient, broker: Broker) -> None:
    words = {"text": "I love it", "to": "a@example.com"}
    refused = [
        {"event": "e", "properties": {"mail": "a@example.com"}},
        {"event": "message_sent", "properties": words},
        {"event": "message_sent", "distinct_id": "guest", "properties": words},
        {"event": "message_sent", "distinct_id": "u", "properties": {"text": "I love it " * 5_000}},
        {"event": ["Message Sent"], "distinct_id": "u", "properties": words},
        {"event": "message_sent", "distinct_id": "guest", "$set": {"mood": "love"}, "properties": words},
        "message_sent: I love it",
    ]
    texts = [json.dumps(ONE), *map(json.dumps, refused)]
    texts.append('{"event":"e","distinct_id":"u","properties":{"n":1e999,"mail":"a@example.com"}}')
    texts.append('{"event":"message_sent","distinct_id":"u","properties":{"n":1e999,"text":"I love it"}}')
    answer = await client.post("/batch/", content=f'{{"api_key":"{KEY}","batch":[{",".join(texts)}]}}')
    assert [one["result"] for one in answer.json()["receipts"]] == ["ok", *["drop"] * 9]
    passed, letters = through(broker.records)
    assert (len(passed), len(letters)) == (1, 9)
    for _, body in broker.records:
        assert b"love" not in body
        assert b"a@example.com" not in body


async def test_a_message_of_segments_too(client: httpx.AsyncClient, broker: Broker) -> None:
    track = {"type": "track", "userId": "user-1", "event": "e"}
    batch = [track, {**track, "userId": "null"}, {"type": "track", "event": "e"}]
    answer = await client.post("/v1/batch", json={"writeKey": KEY, "batch": batch})
    assert [one["result"] for one in answer.json()["receipts"]] == ["ok", "drop", "drop"]
    passed, letters = through(broker.records)
    assert len(passed) == 1
    assert [(letter.reason, letter.field) for letter in letters] == [
        ("distinct_id_forbidden", "distinct_id"),
        ("missing_field", "distinct_id"),
    ]


async def test_what_is_answered_with_an_error_or_receipts_that_are_read_is_not_published(
    client: httpx.AsyncClient, broker: Broker
) -> None:
    guest = {**ONE, "distinct_id": "guest"}
    assert (await client.post("/batch/", json={"api_key": KEY, "batch": [guest]})).status_code == 400
    headers = {"Authorization": f"Bearer {KEY}"}
    for path, name in (("/i/v1/analytics/events", "batch"), ("/api/analytics/events/batch", "events")):
        assert (await client.post(path, json={name: [ONE, guest]}, headers=headers)).status_code == 200
    assert [event.distinct_id for event in broker.events] == ["user-1", "user-1"]


async def test_what_is_too_long_for_the_broker_is_left_out(client: httpx.AsyncClient, broker: Broker) -> None:
    long = {**ONE, "properties": {"a": "x" * MAX_BYTES}}
    answer = await client.post("/batch/", json={"api_key": KEY, "batch": [ONE, long]})
    assert [one["result"] for one in answer.json()["receipts"]] == ["ok", "drop"]
    assert len(broker.records) == 1


async def test_one_that_was_not_acknowledged_is_sent_again_with_the_others(
    client: httpx.AsyncClient, broker: Broker
) -> None:
    broker.answer = "refuse"
    answer = await client.post("/batch/", json={"api_key": KEY, "batch": [ONE, {"event": "nobody"}]})
    assert answer.status_code == 503


async def test_what_posthog_mends_is_mended(client: httpx.AsyncClient, broker: Broker) -> None:
    batch = [
        {**ONE, "event": "n" * 201},
        {**ONE, "distinct_id": "ü" * 201},
        {**ONE, "event": "x\n"},
        {**ONE, "distinct_id": 1.5},
        {**ONE, "distinct_id": ["a", 1]},
        {**ONE, "distinct_id": {"id": "y" * 300}},
        {**ONE, "properties": {"a": ["b\0c", {"d\0": 1}]}},
        {"event": "My Event", "properties": {"distinct_id": "z" * 300, "a": 1}},
        {**ONE, "distinct_id": 17},
    ]
    answer = await client.post("/batch/", json={"api_key": KEY, "batch": batch})
    receipts = answer.json()["receipts"]
    assert [one["code"] for one in receipts] == [
        *("cut", "cut", "control_characters", "distinct_id_written", "distinct_id_written"),
        *("distinct_id_written", "control_characters", "cut", None),
    ]
    passed, letters = through(broker.records)
    assert not letters
    assert [draft.event.event for draft in passed] == ["n" * 200, "My Event", "x", *["My Event"] * 6]
    assert [draft.event.distinct_id for draft in passed] == [
        *("user-1", "ü" * 200, "user-1", "1.5", '["a",1]', ('{"id":"' + "y" * 300)[:200]),
        *("user-1", "z" * 200, "17"),
    ]
    assert passed[6].properties == {"a": ["bc", {"d": 1}]}
