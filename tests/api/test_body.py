"""Everything a body can be that it should not, on an endpoint that reads one."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from loopin_api import body_bytes
from loopin_sinks.store import Store

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker

PATH = "/api/analytics/events/track"
JSON = {"Content-Type": "application/json"}
Refused = Callable[[httpx.Response, int, str], dict[str, Any]]


@pytest.fixture
def store(untouched_store: Store) -> Store:
    return untouched_store


async def post(client: httpx.AsyncClient, headers: dict[str, str], content: Any) -> httpx.Response:
    return await client.post(PATH, content=content, headers={**JSON, **headers})


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{'event_name': 'x'}", "not JSON"),
        (b'{"event_name": "x"} {}', "trailing"),
        (b'{"event_name": "x",}', "not JSON"),
        (b'{"event_name": "x", "metadata": {"v": NaN}}', "NaN"),
        (b'{"event_name": "x", "metadata": {"v": Infinity}}', "NaN or Infinity"),
        (b'{"event_name": "x", "metadata": {"v": -Infinity}}', "NaN or Infinity"),
        (b'{"event_name": "\x00"}', "not JSON"),
        (b'{"event_name": "\xff"}', "UTF-8"),
        (b'{"event_name": "\\ud800"}', "not JSON"),
        ('{"event_name": "x"}'.encode("utf-16"), "not"),
        (b"\xef\xbb\xbf" + b'{"event_name": "x"}', "not JSON"),
        (b'{"event_name": "x", "metadata": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}", "nested"),
        (b"[" * 100_000, "nested"),
    ],
)
async def test_what_is_not_json_is_malformed(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, content: bytes, word: str
) -> None:
    answer = refused(await post(client, bearer("ingest"), content), 400, "MALFORMED_JSON")
    assert word in answer["error"]


@pytest.mark.parametrize("number", [b"1e400", b"-1e999", b"1" * 4301])
async def test_a_number_beyond_all_readers_is_out_of_range(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, broker: Broker, number: bytes
) -> None:
    content = b'{"event_name": "x", "metadata": {"v": ' + number + b"}}"
    refused(await post(client, bearer("ingest"), content), 422, "NUMBER_OUT_OF_RANGE")
    assert not broker.records


async def test_an_integer_beyond_a_double_is_named(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused
) -> None:
    content = b'{"event_name": "x", "metadata": {"v": ' + b"1" * 400 + b"}}"
    answer = refused(await post(client, bearer("ingest"), content), 422, "NUMBER_OUT_OF_RANGE")
    assert answer["details"][0]["field"] == "metadata.v"


@pytest.mark.parametrize("content", [b"[]", b"null", b'"text"', b"1", b"true"])
async def test_a_body_that_is_no_object_is_invalid(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, content: bytes
) -> None:
    answer = refused(await post(client, bearer("ingest"), content), 422, "VALIDATION_ERROR")
    assert answer["details"] == [{"field": None, "reason": "Give a JSON object."}]


async def test_every_field_at_fault_is_named_and_no_value_repeated(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused
) -> None:
    sent = {"event_name": 5, "metadata": ["private"], "user_id": True, "session_id": {"a": "private"}}
    response = await client.post(PATH, json=sent, headers=bearer("ingest"))
    answer = refused(response, 422, "VALIDATION_ERROR")
    named = [detail["field"] for detail in answer["details"]]
    assert named == ["event_name", "metadata", "user_id", "session_id"]
    assert "private" not in response.text


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "json",
        "text/json",
    ],
)
async def test_other_content_types_are_not_supported(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, content_type: str
) -> None:
    headers = {"Content-Type": content_type, **bearer("ingest")}
    response = await client.post(PATH, content=b'{"event_name": "x"}', headers=headers)
    refused(response, 415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_missing_field_is_named(client: httpx.AsyncClient, bearer: Bearer, refused: Refused) -> None:
    answer = refused(await client.post(PATH, json={}, headers=bearer("ingest")), 422, "VALIDATION_ERROR")
    assert [detail["field"] for detail in answer["details"]] == ["event_name"]


@pytest.mark.parametrize("user_id", [{}, {"a": {}}, ["str"], 1.5])
async def test_a_field_is_called_what_the_client_called_it(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, user_id: Any
) -> None:
    sent = {"event_name": "x", "user_id": user_id, "timestamp": []}
    response = await client.post(PATH, json=sent, headers=bearer("ingest"))
    answer = refused(response, 422, "VALIDATION_ERROR")
    assert [detail["field"] for detail in answer["details"]] == ["user_id", "timestamp"]


GZIP = {"Content-Encoding": "gzip"}
SINGLE: dict[str, dict[str, Any]] = {
    PATH: {"event_name": "x"},
    "/api/community-analytics/track": {"community_id": 7, "activity_type": "view"},
    "/api/geo-analytics/track": {
        "location": {"latitude": 12.97, "longitude": 77.59},
        "community_id": 7,
        "access_result": "allowed",
    },
    "/api/metrics": {"metric_type": "cpu_usage", "value": 42.5},
    "/api/errors": {"level": "error", "message": "Unhandled exception in view."},
}


@pytest.mark.parametrize("path", SINGLE)
async def test_a_single_event_may_be_compressed(
    client: httpx.AsyncClient, bearer: Bearer, broker: Broker, path: str
) -> None:
    content = gzip.compress(json.dumps(SINGLE[path]).encode())
    response = await client.post(path, content=content, headers={**JSON, **GZIP, **bearer("ingest")})
    assert response.status_code < 300, response.text
    assert len(broker.events) == 1


async def test_a_compressed_body_is_bounded_as_it_is_without(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, broker: Broker
) -> None:
    content = gzip.compress(b'{"event_name": "' + b"x" * 1_000_000 + b'"}')
    answer = refused(await post(client, {**GZIP, **bearer("ingest")}, content), 413, "BODY_TOO_LARGE")
    assert "131072 bytes" in answer["error"]
    assert not broker.records


async def test_a_body_that_is_not_what_its_encoding_says_is_malformed(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused
) -> None:
    answer = await post(client, {**GZIP, **bearer("ingest")}, b'{"event_name": "x"}')
    refused(answer, 400, "MALFORMED_BODY")


@pytest.mark.parametrize("encoding", ["compress", "GZIP, deflate"])
async def test_another_encoding_is_not_supported(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, encoding: str
) -> None:
    content = gzip.compress(b'{"event_name": "x"}')
    headers = {"Content-Encoding": encoding, **bearer("ingest")}
    answer = refused(await post(client, headers, content), 415, "UNSUPPORTED_MEDIA_TYPE")
    assert "uncompressed" in answer["error"]


async def test_another_charset_is_not_supported(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused
) -> None:
    headers = {"Content-Type": "application/json; charset=latin-1", **bearer("ingest")}
    refused(await client.post(PATH, content=b"{}", headers=headers), 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json;charset="utf-8"',
        "application/json; charset=utf-8; x=y",
        'application/json; profile="a;charset=latin-1"; charset=utf-8',
        "application/json; v=1",
        "application/ld+json",
    ],
)
async def test_json_by_any_of_its_names_is_read(
    client: httpx.AsyncClient, bearer: Bearer, content_type: str
) -> None:
    headers = {"Content-Type": content_type, **bearer("ingest")}
    response = await client.post(PATH, content=b'{"event_name": "x"}', headers=headers)
    assert response.status_code == 200, response.text


async def test_a_megabyte_is_too_large(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, broker: Broker
) -> None:
    content = b'{"event_name": "' + b"x" * 1_000_000 + b'"}'
    answer = refused(await post(client, bearer("ingest"), content), 413, "BODY_TOO_LARGE")
    assert "131072 bytes" in answer["error"]
    assert not broker.records


async def test_a_body_that_never_comes_is_not_waited_for(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_bytes, "BODY_TIMEOUT_S", 0.05)

    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(10)

    refused(await post(client, bearer("ingest"), stalled()), 408, "BODY_TIMEOUT")


async def test_a_body_without_a_length_is_bounded_too(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_bytes, "DISCARDED_BYTES", 1 << 20)
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1 << 16
            yield b" " * (1 << 16)

    refused(await post(client, bearer("ingest"), endless()), 413, "BODY_TOO_LARGE")
    assert taken <= (1 << 20) + (4 << 16)
