from __future__ import annotations

import asyncio
import csv
import io
import json
import tracemalloc
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow as pa
import pytest
from fastapi import FastAPI

from loopin_api.server import serving
from loopin_sinks.persons.mapping import PERSON_IDS
from loopin_sinks.persons.rows import IDS_SCHEMA
from loopin_sinks.store import RowStream, Store

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Enrich, Put

PATH = "/api/analytics/export/events"
NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
COLUMNS = [
    *("uuid", "event", "distinct_id", "person_id", "timestamp", "received_at", "original_timestamp"),
    "sent_at",
    *("session_id", "source", "parent_uuid", "sentiment", "sentiment_label", "warnings", "properties"),
]


NAMESPACE = uuid.UUID("5b1f2d8e-3a0c-5e7b-9c54-7d1f4a6e0b92")


def person_of(distinct_id: str, project: str = "shop") -> str:
    """The uuid of a person that goes by this id, as the standard library makes it."""
    return str(uuid.uuid5(NAMESPACE, f"{project}:{distinct_id}"))


async def ndjson(client: httpx.AsyncClient, headers: dict[str, str], **query: Any) -> list[dict[str, Any]]:
    response = await client.get(PATH, params={"format": "ndjson", **query}, headers=headers)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    assert response.headers["content-disposition"] == 'attachment; filename="events.ndjson"'
    return [json.loads(line) for line in response.text.splitlines()]


async def test_an_event_comes_out_whole(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    identity = "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10"
    event = enrich(
        "event_reviewed",
        "12345",
        NOW - HOUR,
        {"rating": 5, "text": '=1+1 "so good",\nreally'},
        uuid=identity,
        session_id="abc",
        parent_uuid=identity,
        original_timestamp=1_768_000_000_001,
        sentiment=0.4927,
        sentiment_label="positive",
        warnings=("rating:wrong_type",),
        source="api",
    )
    await put([event])
    expected = {
        "uuid": identity,
        "event": "event_reviewed",
        "distinct_id": "12345",
        "person_id": person_of("12345"),
        "timestamp": "2026-01-15T09:30:00.000Z",
        "received_at": "2026-01-15T09:30:00.000Z",
        "original_timestamp": "2026-01-09T23:06:40.001Z",
        "sent_at": None,
        "session_id": "abc",
        "source": "api",
        "parent_uuid": identity,
        "sentiment": 0.4927,
        "sentiment_label": "positive",
        "warnings": ["rating:wrong_type"],
        "properties": {"rating": 5, "text": '=1+1 "so good",\nreally'},
    }
    assert await ndjson(client, bearer("read")) == [expected]

    response = await client.get(PATH, headers={**bearer("read"), "Accept": "text/csv"})
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    header, row = csv.reader(io.StringIO(response.text, newline=""), strict=True)
    assert header == list(expected) == COLUMNS
    read: dict[str, Any] = dict(zip(header, row, strict=True))
    assert json.loads(read["properties"]) == expected["properties"]
    assert json.loads(read["warnings"]) == expected["warnings"]
    assert read["sent_at"] == ""
    assert float(read["sentiment"]) == 0.4927


async def test_all_ids_of_a_person_have_one_person_id(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, store: Store
) -> None:
    alone = ["x", "Größe", "💘", "a'b", "\\", "0", *(f"u{number}" for number in range(40))]
    ids = ["anon", "phone", "user-1", *alone]
    await put([enrich("click", each, NOW - HOUR) for each in ids])
    before = await ndjson(client, bearer("read"))
    assert {row["distinct_id"]: row["person_id"] for row in before} == {each: person_of(each) for each in ids}
    rows = [
        {"project": project, "distinct_id": each, "person": name, "revision": 1, "_stored_at": NOW}
        for project, each, name in [
            ("shop", "anon", "user-1"),
            ("shop", "phone", "user-1"),
            ("other", "x", "user-1"),
        ]
    ]
    await store.insert(PERSON_IDS, pa.Table.from_pylist(rows, schema=IDS_SCHEMA), token="a token")
    after = await ndjson(client, bearer("read"))
    joined = dict.fromkeys(["anon", "phone", "user-1"], person_of("user-1"))
    assert {row["distinct_id"]: row["person_id"] for row in after} == {
        each: joined.get(each, person_of(each)) for each in ids
    }


async def test_without_events_there_is_a_header_only(client: httpx.AsyncClient, bearer: Bearer) -> None:
    response = await client.get(PATH, headers=bearer("read"))
    assert response.text == ",".join(f'"{column}"' for column in COLUMNS) + "\r\n"
    assert await ndjson(client, bearer("read")) == []


async def test_it_is_reached_by_the_data_sets_name_too(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, refused: Callable[..., Any]
) -> None:
    await put([enrich("click", "user-1", NOW - HOUR)])
    by_path = await client.get(PATH, headers=bearer("read"))
    by_name = await client.get("/api/analytics/export?dataset=events", headers=bearer("read"))
    assert by_name.text == by_path.text
    refused(await client.get("/api/analytics/export", headers=bearer("read")), 422, "VALIDATION_ERROR")
    refused(
        await client.get("/api/analytics/export?dataset=x", headers=bearer("read")), 422, "VALIDATION_ERROR"
    )


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ({}, "abcd"),
        ({"event": "click"}, "acd"),
        ({"event": ["click", "buy"]}, "abcd"),
        ({"event": "nothing"}, ""),
        ({"event": "' OR 1=1 --"}, ""),
        ({"event": "\x00"}, ""),
        ({"user": "user-1"}, "ab"),
        ({"user": ["user-1", "user-2"], "event": "click"}, "ac"),
        ({"days": 1}, "ab"),
        ({"days": 3650}, "abcde"),
        ({"from": "-2h"}, "a"),
        ({"from": "2026-01-14", "to": "2026-01-14"}, "c"),
        ({"from": "2026-01-14T00:00:00Z", "to": "2026-01-15T00:00:00Z"}, "c"),
        ({"from": "2026-01-14", "to": "2026-01-14", "tz": "Asia/Kolkata"}, "c"),
        ({"to": "-3d"}, "d"),
    ],
)
async def test_filters_hold_all_together(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, query: dict[str, Any], kept: str
) -> None:
    await put(
        [
            enrich("click", "user-1", NOW - HOUR, {"id": "a"}),
            enrich("buy", "user-1", NOW - 4 * HOUR, {"id": "b"}),
            enrich("click", "user-2", NOW - 25 * HOUR, {"id": "c"}),
            enrich("click", "user-3", NOW - timedelta(days=10), {"id": "d"}),
            enrich("click", "user-3", NOW - timedelta(days=60), {"id": "e"}),
            enrich("click", "user-1", NOW - HOUR, {"id": "x"}, project="rival"),
            enrich("click", "user-1", NOW + HOUR, {"id": "y"}),
        ]
    )
    rows = await ndjson(client, bearer("read"), **query)
    assert sorted(row["properties"]["id"] for row in rows) == list(kept)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=soon", "from"),
        ("to=soon", "to"),
        ("from=-1d&to=-2d", "from"),
        ("from=-1d&days=3", "days"),
        ("days=0", "days"),
        ("format=xml", "format"),
        ("tz=Mars", "tz"),
        ("evnt=a", "evnt"),
        ("event=a&From=-1d", "From"),
        ("&".join(f"event={number}" for number in range(101)), "event"),
    ],
)
async def test_filters_that_make_no_sense_are_named(
    client: httpx.AsyncClient, bearer: Bearer, refused: Callable[..., Any], query: str, field: str
) -> None:
    response = await client.get(f"{PATH}?{query}", headers=bearer("read"))
    assert refused(response, 422, "VALIDATION_ERROR")["details"][0]["field"] == field


@pytest.mark.scenario
async def test_a_hundred_thousand_rows_take_no_more_memory_than_a_fifth_of_them(
    app: FastAPI, put: Put, enrich: Enrich, bearer: Bearer
) -> None:
    note = {"note": "x" * 400}
    names = ["few"] * 20_000 + ["many"] * 100_000
    await put([enrich(name, f"user-{number}", NOW - HOUR, note) for number, name in enumerate(names)])
    async with serving(app, "127.0.0.1", 0) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        few = await measured(client, bearer("read"), "few")
        many = await measured(client, bearer("read"), "many")
    assert (few[0], many[0]) == (20_000, 100_000)
    assert many[1] < few[1] * 1.2


async def measured(client: httpx.AsyncClient, headers: dict[str, str], event: str) -> tuple[int, int]:
    """Rows of an export, and the most memory that Python took while it was streamed, in bytes."""
    rows = 0
    tracemalloc.start()
    try:
        query = {"format": "ndjson", "event": event}
        async with client.stream("GET", PATH, params=query, headers=headers) as response:
            assert response.headers["transfer-encoding"] == "chunked"
            async for chunk in response.aiter_bytes():
                rows += chunk.count(b"\n")
        return rows, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_a_client_that_leaves_frees_its_export(
    app: FastAPI, store: Store, put: Put, enrich: Enrich, bearer: Bearer
) -> None:
    await put([enrich("click", f"user-{number}", NOW - HOUR, {"note": "x" * 2000}) for number in range(9000)])
    async with serving(app, "127.0.0.1", 0) as url, httpx.AsyncClient(timeout=120) as client:
        for _ in range(6):  # more than the store has slots for
            async with client.stream("GET", url + PATH, headers=bearer("read")) as response:
                async for _ in response.aiter_bytes():
                    break
        async with asyncio.timeout(120):
            whole = await client.get(url + PATH, headers=bearer("read"))
    assert whole.text.count("\r\n") == 9001


class _Breaks:
    columns: tuple[str, ...] = ("a",)

    def __aiter__(self) -> AsyncIterator[list[tuple[Any, ...]]]:
        return self._blocks()

    async def _blocks(self) -> AsyncIterator[list[tuple[Any, ...]]]:
        yield [("first",)]
        raise RuntimeError("the store went away")


async def test_head_does_not_read_the_export_to_its_end(
    app: FastAPI, put: Put, enrich: Enrich, bearer: Bearer
) -> None:
    await put([enrich("click", f"user-{number}", NOW - HOUR, {"note": "x" * 2000}) for number in range(9000)])
    async with serving(app, "127.0.0.1", 0) as url, httpx.AsyncClient(timeout=120) as client:
        for _ in range(6):  # more than the store has slots for
            response = await client.head(url + PATH, headers=bearer("read"))
            assert (response.status_code, response.content) == (200, b"")
            assert response.headers["content-type"] == "text/csv; charset=utf-8"
        whole = await client.get(url + PATH, headers=bearer("read"))
        read = (await client.get(f"{url}/metrics", headers=bearer("read"))).text
    assert whole.text.count("\r\n") == 9001
    rows = next(line for line in read.splitlines() if line.startswith("loopin_api_exported_rows_total"))
    assert float(rows.split()[1]) < 2 * 9000


async def test_an_export_that_fails_half_way_breaks_the_connection(
    app: FastAPI, store: Store, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stream(
        sql: str, parameters: Mapping[str, object] | None = None
    ) -> AbstractAsyncContextManager[RowStream]:
        @asynccontextmanager
        async def opening() -> AsyncIterator[RowStream]:
            yield _Breaks()

        return opening()

    monkeypatch.setattr(store, "stream", stream)
    async with serving(app, "127.0.0.1", 0) as url, httpx.AsyncClient(timeout=60) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(url + PATH, headers=bearer("read"))
