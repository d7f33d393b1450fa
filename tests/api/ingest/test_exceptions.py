"""Exceptions of PostHog's own SDK, cut to fit; the bytes are counted by the standard library's JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import posthog
import pytest

from loopin_api.ingest import exceptions
from loopin_api.ingest.exceptions import OMITTED, SHORTENED, fitted
from loopin_schemas import encode
from loopin_schemas.validation import MAX_PROPERTIES_BYTES
from tests.api.letters import through
from tests.api.served import Served, served

SURROUNDINGS = ("pre_context", "post_context", "code_variables")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("exceptions"), {}) as answering:
        yield answering


def fails(depth: int, some_argument: str, another_argument: int) -> int:
    # An ordinary line of code has an ordinary comment before it, that explains what is done here.
    local_values = {"key": some_argument, "other": another_argument}
    if depth == 0:
        raise RuntimeError(f"Nothing is known of {local_values['key']}.")
    return fails(depth - 1, some_argument, another_argument)


def fails_again(depth: int) -> int:
    try:
        return fails(depth, "somebody@example.com", depth)
    except RuntimeError as error:
        return chained(depth, error)


def chained(depth: int, error: Exception) -> int:
    if depth == 0:
        raise ValueError("It failed again.") from error
    return chained(depth - 1, error)


def captured(running: Served, tmp_path: Path, function: Any, *given: Any, **options: Any) -> dict[str, Any]:
    """The properties of the one event that the SDK sends for an exception, as the stream has them."""
    running.broker.records.clear()
    errors: list[object] = []
    client = posthog.Posthog(
        "lk_write", host=running.url, on_error=lambda error, _: errors.append(error), **options
    )
    try:
        function(*given)
    except Exception as error:
        client.capture_exception(error, distinct_id="user-1")
    client.shutdown()
    assert not errors
    (draft,), letters = through(running.broker.records)
    assert not letters
    assert len(bytes(draft.event.properties)) <= MAX_PROPERTIES_BYTES
    return draft.properties


@pytest.mark.parametrize("mode", ["v0", "v1"])
@pytest.mark.parametrize("depth", [10, 25, 35, 60, 100, 200])
def test_an_exception_of_any_depth_arrives(running: Served, tmp_path: Path, mode: str, depth: int) -> None:
    properties = captured(
        running, tmp_path, fails, depth - 2, "x", 1, capture_mode=mode, capture_exception_code_variables=True
    )
    (exception,) = properties["$exception_list"]
    frames = exception["stacktrace"]["frames"]
    assert len(frames) + properties.get(OMITTED, 0) == depth
    assert frames[0]["function"] == "captured"
    assert frames[-1]["function"] == "fails"
    assert "raise RuntimeError" in frames[-1].get("context_line", "raise RuntimeError")
    lost = sum("pre_context" not in frame for frame in frames)
    assert properties.get(SHORTENED, 0) >= lost
    if OMITTED not in properties:
        assert lost == 0


@pytest.mark.parametrize("depth", [20, 120])
def test_a_chain_of_exceptions_arrives(running: Served, tmp_path: Path, depth: int) -> None:
    properties = captured(running, tmp_path, fails_again, depth)
    exceptions = properties["$exception_list"]
    assert [one["type"] for one in exceptions] == ["ValueError", "RuntimeError"]
    kept = [one["stacktrace"]["frames"] for one in exceptions]
    assert all(kept)
    # Each of the two: the calls, the function and, of the outer one, who called it.
    assert sum(map(len, kept)) + properties[OMITTED] == 2 * depth + 5
    assert "somebody@example.com" not in json.dumps(properties)


async def test_the_client_that_asks_is_told(running: Served) -> None:
    event = {
        "event": "$exception",
        "distinct_id": "u",
        "uuid": "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10",
        "properties": {"$exception_list": [exception(frame(number) for number in range(400))]},
    }
    async with httpx.AsyncClient(base_url=running.url, trust_env=False) as client:
        answer = await client.post(
            "/i/v1/analytics/events", json={"batch": [event]}, headers={"Authorization": "Bearer lk_write"}
        )
        other = {"event": "e", "distinct_id": "u", "uuid": "1", "properties": {"a": "x" * 40_000}}
        refused = await client.post(
            "/i/v1/analytics/events", json={"batch": [other]}, headers={"Authorization": "Bearer lk_write"}
        )
    (result,) = answer.json()["results"].values()
    assert result["result"] == "warning"
    assert "cut" in result["details"]
    assert refused.json()["results"]["1"]["result"] == "drop"


def frame(number: int, **more: Any) -> dict[str, Any]:
    return {
        "function": f"function_{number}",
        "lineno": number,
        "context_line": f"    line {number} ü",
        "pre_context": ["before"] * 5,
        "post_context": ["after"] * 5,
        **more,
    }


def exception(frames: Any) -> dict[str, Any]:
    return {"type": "E", "value": "v", "stacktrace": {"type": "raw", "frames": list(frames)}}


def size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def made() -> dict[str, Any]:
    return {"$exception_list": [exception(map(frame, range(9))), exception(map(frame, range(4)))], "a": 1}


def test_the_bytes_are_exact_and_no_more_is_left_out_than_has_to() -> None:
    whole = size(made())
    least = size({**made(), "$exception_list": [exception([]), exception([])], OMITTED: 13, SHORTENED: 0})
    before: tuple[int, int] | None = None
    for room in range(whole - 1, least - 1, -1):
        cut = fitted(made(), room)
        assert cut is not None
        assert size(cut) <= room
        assert cut == fitted(made(), room)
        told = (cut[OMITTED], cut[SHORTENED])
        kept = [one["stacktrace"]["frames"] for one in cut["$exception_list"]]
        assert sum(map(len, kept)) == 13 - told[0]
        if told[0] and told[0] < 13:
            assert not any(name in one for frames in kept for one in frames for name in SURROUNDINGS)
        if before is not None and told != before:
            # With one more byte there was room for what this one leaves out.
            assert size(cut) <= room < size(fitted(made(), room + 1))
        before = told
    assert fitted(made(), least - 1) is None


def test_frames_go_from_the_middle() -> None:
    whole = {"$exception_list": [exception(map(frame, range(9)))]}
    bare = {"$exception_list": [exception({"function": f"function_{n}", "lineno": n} for n in (0, 1, 7, 8))]}
    cut = fitted(whole, size({**bare, OMITTED: 5, SHORTENED: 4}))
    assert cut == {**bare, OMITTED: 5, SHORTENED: 4}


@pytest.mark.parametrize("lists", [1, 2, 7])
@pytest.mark.parametrize("length", [1, 10, 300])
def test_of_very_many_frames_the_ends_are_kept_and_few_are_measured(
    monkeypatch: pytest.MonkeyPatch, lists: int, length: int
) -> None:
    encoding = Mock(side_effect=encode)
    monkeypatch.setattr(exceptions, "encode", encoding)
    count = 70_000 // lists
    frames = [{"n": number, "f": "x" * length, "vars": 1} for number in range(count)]
    cut = fitted({"$exception_list": [exception(map(dict, frames)) for _ in range(lists)]}, 32_768)
    assert cut is not None
    assert 30_000 < size(cut) <= 32_768
    kept = [one["stacktrace"]["frames"] for one in cut["$exception_list"]]
    assert sum(map(len, kept)) + cut[OMITTED] == count * lists
    for each in kept:
        numbers = [one["n"] for one in each]
        half = len(numbers) // 2
        assert numbers[:half] == list(range(half))
        assert numbers[half + 1 :] == list(range(count - (len(numbers) - half - 1), count))
    assert encoding.call_count < 10_000


@pytest.mark.parametrize(
    "value", [None, 7, [], [7], [{}], [{"stacktrace": 7}], [{"stacktrace": {"frames": [7]}}], "text"]
)
def test_what_holds_no_frames_is_not_cut(value: Any) -> None:
    assert fitted({"$exception_list": value, "a": "x" * 100}, 50) is None
