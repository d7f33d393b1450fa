"""The client over HTTP: the same behaviour as over Kafka, whatever the API answers."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path

import pytest

from loopin_producers import InvalidConfiguration, Loopin, LoopinError, Stats, http_transport
from loopin_producers.http_answer import Outcome, read_answer
from loopin_producers.http_transport import BATCH_EVENTS, HttpTransport

from .ingest_server import Events, IngestServer, Reply, ingest_server, receipts

KEY = "a-write-key"


@pytest.fixture
def server() -> Iterator[IngestServer]:
    with ingest_server() as running:
        yield running


@pytest.fixture
def errors() -> list[LoopinError]:
    return []


@pytest.fixture
def client(server: IngestServer, errors: list[LoopinError]) -> Iterator[Loopin]:
    with Loopin(
        url=server.url, api_key=KEY, on_error=errors.append, flush_interval=0.01, spool=False
    ) as made:
        yield made


def clicks(events: Events) -> list[int]:
    return [event["properties"]["n"] for event in events]


def capture(client: Loopin, *numbers: int) -> list[str]:
    return [str(client.capture("click", "user-1", {"n": number})) for number in numbers]


def test_events_arrive_whole_and_in_order(client: Loopin, server: IngestServer) -> None:
    uuids = capture(client, *range(1200))
    assert client.flush(30) == 0
    assert clicks(server.events) == list(range(1200))
    assert [event["uuid"] for event in server.events] == uuids
    path, headers, events = server.requests[0]
    assert path == "/api/analytics/events/batch"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["content-type"] == "application/json"
    assert set(events[0]) == {"event", "distinct_id", "uuid", "timestamp", "queued_at", "properties"}
    assert max(len(events) for _, _, events in server.requests) <= BATCH_EVENTS
    assert any(headers.get("content-encoding") == "gzip" for _, headers, _ in server.requests)
    assert client.stats() == Stats(0, 1200, 0, 0)


def test_what_is_dropped_is_reported_and_the_rest_counts(
    client: Loopin, server: IngestServer, errors: list[LoopinError]
) -> None:
    server.answer = lambda events: receipts(
        events, {events[0]["uuid"]: "drop", events[-1]["uuid"]: "warning"}
    )
    uuids = capture(client, *range(10))
    assert client.flush(30) == 0
    refused = [error.uuid for error in errors]
    assert uuids[0] in refused
    assert len(server.events) + len(refused) == 10
    assert all("Because" in error.reason for error in errors)
    assert client.stats().failed == len(refused)


def test_only_what_is_to_be_retried_is_sent_again(client: Loopin, server: IngestServer) -> None:
    first: list[str] = []

    def answer(events: Events) -> Reply:
        if not first:
            first.extend(event["uuid"] for event in events)
            return receipts(events, {first[0]: "retry"})._replace(headers={"Retry-After": "0"})
        return receipts(events)

    server.answer = answer
    uuids = capture(client, *range(5))
    assert client.flush(30) == 0
    sent_again = [event["uuid"] for event in server.requests[1][2]]
    assert sent_again[0] == first[0]
    assert not set(sent_again) & set(first[1:])
    assert sorted(event["uuid"] for event in server.events) == sorted(uuids)


@pytest.mark.parametrize("status", [404, 405, 408, 429, 500, 502, 503])
def test_refused_for_now_is_tried_again(client: Loopin, server: IngestServer, status: int) -> None:
    refusals = [Reply(status, headers={"Retry-After": "0"}), Reply(status, b"<html>", {"Retry-After": "0"})]

    def answer(events: Events) -> Reply:
        return refusals.pop()._replace(body=None) if refusals else receipts(events)

    server.answer = answer
    capture(client, *range(3))
    assert client.flush(60) == 0
    assert clicks(server.events) == [0, 1, 2]
    assert client.stats() == Stats(0, 3, 0, 0)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 409, 413, 415])
def test_refused_for_ever_is_reported(
    client: Loopin, server: IngestServer, errors: list[LoopinError], status: int
) -> None:
    said = b'{"success": false, "error": "The key is not known.", "error_code": "INVALID_TOKEN"}'
    server.answer = lambda events: Reply(status, said)
    uuids = capture(client, 1, 2, 3)
    assert client.flush(30) == 0
    assert sorted(str(error.uuid) for error in errors) == sorted(uuids)
    assert all("The key is not known" in error.reason for error in errors)
    assert {getattr(error, "error_code", None) for error in errors} == {"INVALID_TOKEN"}
    assert {getattr(error, "status", None) for error in errors} == {status}
    assert client.stats() == Stats(0, 0, 3, 0)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_each_kind_of_refusal_is_logged_once_until_events_arrive_again(
    client: Loopin, server: IngestServer, caplog: pytest.LogCaptureFixture
) -> None:
    revoked = b'{"success": false, "error": "The key was revoked.", "error_code": "UNAUTHENTICATED"}'
    spent = b'{"success": false, "error_code": "QUOTA_SPENT"}'

    def refuse(status: int, body: bytes) -> str:
        server.answer = lambda events: Reply(status, body)
        for number in range(3):
            capture(client, number)
            assert client.flush(30) == 0
        (said,) = warnings(caplog)
        caplog.clear()
        return said

    refused = refuse(401, revoked)
    assert "Give a valid api_key: the API answered 401 (UNAUTHENTICATED): The key was revoked." in refused
    assert "Raise the project's quota: the API answered 402 (QUOTA_SPENT)." in refuse(402, spent)
    server.answer = receipts
    capture(client, 4)
    assert client.flush(30) == 0
    assert refuse(401, revoked) == refused


def test_events_refused_one_by_one_are_logged_once_though_others_arrive(
    client: Loopin, server: IngestServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = lambda events: receipts(events, {event["uuid"]: "drop" for event in events[::2]})
    for _ in range(3):
        capture(client, 1, 2, 3, 4)
        assert client.flush(30) == 0
    (said,) = warnings(caplog)
    assert "Event refused: Because." in said


def test_wrong_address_is_logged_once_and_its_events_wait(
    client: Loopin, server: IngestServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = lambda events: Reply(404, headers={"Retry-After": "0"})
    capture(client, 1)
    assert client.flush(0.2) == 1
    assert len(server.requests) > 1
    (said,) = warnings(caplog)
    assert "Correct url: the API answered 404." in said
    server.answer = receipts
    assert client.flush(60) == 0
    assert clicks(server.events) == [1]
    assert client.stats().failed == 0


def test_batch_that_is_too_large_is_halved_until_it_fits(client: Loopin, server: IngestServer) -> None:
    server.answer = lambda events: Reply(413, b"{}") if len(events) > 3 else receipts(events)
    capture(client, *range(40))
    assert client.flush(60) == 0
    assert clicks(server.events) == list(range(40))


def test_answer_that_never_came_sends_the_same_uuids_again(client: Loopin, server: IngestServer) -> None:
    cuts = [Reply(cut=True)]
    server.answer = lambda events: cuts.pop() if cuts else receipts(events)
    uuids = capture(client, 1)
    assert client.flush(60) == 0
    assert [event["uuid"] for event in server.events] == uuids * 2


def test_capture_waits_for_nobody_and_spooled_events_follow_in_order() -> None:
    """The API is away, then it comes: what did not fit into memory was on disk, and order held."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    client = Loopin(url=f"http://127.0.0.1:{port}", api_key=KEY, flush_interval=0.01, max_queue_size=50)
    capture(client, *range(500))
    deadline = time.monotonic() + 60
    while client.stats().spooled < 500:
        assert time.monotonic() < deadline, client.stats()
        time.sleep(0.01)
    assert client.is_down
    with ingest_server(port) as server:
        assert client.flush(90) == 0
        capture(client, 500)
        assert client.shutdown(30) == 0
        assert clicks(server.events) == list(range(501))
    assert client.stats() == Stats(0, 501, 0, 0)


def test_api_that_accepts_but_does_not_answer_costs_neither_events_nor_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_transport, "_SILENCE_S", 0.1)
    monkeypatch.setattr(http_transport, "_END_S", 0.1)
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        client = Loopin(url=f"http://127.0.0.1:{port}", api_key=KEY, flush_interval=0.01)
        capture(client, *range(1200))
        until(lambda: client.stats().spooled == 1200)
        assert client.is_down
        begin = time.monotonic()
        assert client.shutdown(0) == 1200
        assert time.monotonic() - begin < 5
    with ingest_server(port) as server:
        heir = Loopin(url=server.url, api_key=KEY, flush_interval=0.01)
        capture(heir, 1200)
        assert heir.shutdown(60) == 0
        assert clicks(server.events) == list(range(1201))


def test_answer_that_takes_long_is_no_loss(server: IngestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was posted goes to the disk, and is posted again under its uuids."""
    monkeypatch.setattr(http_transport, "_SILENCE_S", 0.05)
    client = Loopin(url=server.url, api_key=KEY, flush_interval=0.01)
    taken_back = threading.Event()

    def answer(events: Events) -> Reply:
        assert taken_back.wait(60)
        return receipts(events)

    server.answer = answer
    uuids = capture(client, *range(5))
    until(lambda: client.stats().spooled == 5)
    taken_back.set()
    assert client.flush(60) == 0
    assert not client.is_down
    assert list(dict.fromkeys(event["uuid"] for event in server.events)) == uuids
    assert client.stats() == Stats(0, 5, 0, 0)
    client.shutdown(10)


def test_flush_within_a_callback_returns_at_once(server: IngestServer) -> None:
    """It would wait for itself."""
    left: list[int] = []
    begin = time.monotonic()
    made = Loopin(
        url=server.url,
        api_key=KEY,
        flush_interval=0.01,
        on_delivery=lambda *_: left.append(made.flush(60)),
    )
    capture(made, 1)
    assert made.shutdown(50) == 0
    assert left == [1]
    assert time.monotonic() - begin < 50


def test_shutdown_leaves_the_rest_to_the_next_client(server: IngestServer) -> None:
    server.answer = lambda events: Reply(503, headers={"Retry-After": "30"})
    with_spool: Callable[[], Loopin] = lambda: Loopin(url=server.url, api_key=KEY, flush_interval=0.01)  # noqa: E731
    client = with_spool()
    capture(client, 1, 2, 3)
    assert client.shutdown(0.2) == 3
    server.answer = receipts
    heir = with_spool()
    capture(heir, 4)
    assert heir.shutdown(60) == 0
    assert clicks(server.events) == [1, 2, 3, 4]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


KILLED = """
import os, sys, time
from loopin_producers import Loopin
client = Loopin(url=sys.argv[1], api_key="a-write-key", flush_interval=0.01)
for number in range(400):
    client.capture("click", "user-1", {"n": number})
deadline = time.monotonic() + 60
while client.stats().spooled < 400 and time.monotonic() < deadline:
    time.sleep(0.01)
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("answer", ["503", "retry"])
def test_kill_9_while_the_api_asks_for_patience_loses_nothing(server: IngestServer, answer: str) -> None:
    """What was posted and not taken rests on disk, not in memory."""
    patience = {"Retry-After": "3000"}
    if answer == "503":
        server.answer = lambda events: Reply(503, headers=patience)
    else:
        server.answer = lambda events: receipts(
            events, {event["uuid"]: "retry" for event in events}
        )._replace(headers=patience)
    done = subprocess.run([sys.executable, "-c", KILLED, server.url], timeout=120, check=False)
    assert done.returncode == -9
    # The events were on disk while the pause lasted: nothing was posted in it.
    assert len(server.requests) == 1
    server.answer = receipts
    heir = Loopin(url=server.url, api_key=KEY, flush_interval=0.01)
    capture(heir, 400)
    assert heir.shutdown(60) == 0
    assert clicks(server.events) == list(range(401))


@pytest.mark.parametrize(("asked", "kept"), [("60", 60.0), ("31", 31.0), ("99999999", 3600.0), ("0", 0.0)])
def test_pause_that_the_api_asks_for_is_kept(
    server: IngestServer, monkeypatch: pytest.MonkeyPatch, asked: str, kept: float
) -> None:
    pauses: list[float] = []

    monkeypatch.setattr(HttpTransport, "_wait", lambda _, seconds: pauses.append(seconds))
    refusals = [Reply(503, headers={"Retry-After": asked})]
    server.answer = lambda events: refusals.pop() if refusals else receipts(events)
    with Loopin(url=server.url, api_key=KEY, flush_interval=0.01, spool=False) as client:
        capture(client, 1)
        assert client.flush(60) == 0
    (pause,) = pauses
    assert kept <= pause <= 1.25 * kept


def test_pause_does_not_keep_what_is_late(server: IngestServer, errors: list[LoopinError]) -> None:
    server.answer = lambda events: Reply(503, headers={"Retry-After": "3000"})
    client = Loopin(
        url=server.url,
        api_key=KEY,
        on_error=errors.append,
        flush_interval=0.01,
        delivery_timeout=0.2,
        spool=False,
    )
    capture(client, 1, 2)
    until(lambda: client.stats().failed == 2)
    assert [error.code for error in errors] == ["delivery_failed"] * 2
    assert client.shutdown(0) == 0
    assert len(server.requests) == 1


def test_changed_key_of_a_named_project_delivers_what_waits(server: IngestServer) -> None:
    server.answer = lambda events: Reply(503, headers={"Retry-After": "30"})
    before = Loopin(url=server.url, api_key="old-key", project="shop")
    capture(before, 1)
    before.shutdown(0)
    server.answer = receipts
    with Loopin(url=server.url, api_key=KEY, project="shop") as after:
        capture(after, 2)
        assert after.flush(60) == 0
    assert clicks(server.events) == [1, 2]
    assert server.requests[-1][1]["authorization"] == f"Bearer {KEY}"


def test_events_of_a_key_that_nobody_uses_any_more_are_told_of_once(
    server: IngestServer, spool_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = lambda events: Reply(503, headers={"Retry-After": "30"})
    before = Loopin(url=server.url, api_key="old-key")
    capture(before, 1)
    before.shutdown(0)
    (path,) = spool_folder.glob("*/*/*.events")
    os.utime(path, (1, 1))
    server.answer = receipts
    for _ in range(2):
        with Loopin(url=server.url, api_key=KEY) as after:
            capture(after, 2)
    said = [entry.getMessage() for entry in caplog.records if "Events wait in" in entry.getMessage()]
    assert len(said) == 1
    assert str(path.parent.parent) in said[0]
    assert f"http key {folder_name('old-key')[:12]} {server.url}" in said[0]
    assert "old-key" not in said[0]


def folder_name(key: str) -> str:
    return blake2b(key.encode(), digest_size=12).hexdigest()


def test_other_keys_events_are_not_delivered_with_this_key(server: IngestServer) -> None:
    server.answer = lambda events: Reply(503, headers={"Retry-After": "30"})
    client = Loopin(url=server.url, api_key="other-key")
    capture(client, 1)
    client.shutdown(0)
    server.answer = receipts
    with Loopin(url=server.url, api_key=KEY) as another:
        capture(another, 2)
        assert another.flush(30) == 0
    assert clicks(server.events) == [2]


def test_full_queue_without_a_spool_drops_and_reports(
    server: IngestServer, errors: list[LoopinError]
) -> None:
    held = threading.Event()

    def answer(events: Events) -> Reply:
        held.wait(30)
        return receipts(events)

    server.answer = answer
    dropped: list[tuple[int, str]] = []
    client = Loopin(
        url=server.url,
        api_key=KEY,
        on_error=errors.append,
        on_drop=lambda count, code: dropped.append((count, code)),
        max_queue_size=5,
        spool=False,
    )
    capture(client, *range(8))
    assert [error.code for error in errors] == ["queue_full"] * 3
    assert dropped == [(1, "queue_full")] * 3
    held.set()
    assert client.shutdown(30) == 0
    assert client.stats() == Stats(0, 5, 0, 3)


@pytest.mark.parametrize(
    ("url", "key"),
    [("analytics.example.com", KEY), ("ftp://x", KEY), ("http://x", ""), ("http://x", "two words")],
)
def test_unusable_addresses_and_keys_are_refused_at_once(url: str, key: str) -> None:
    with pytest.raises(InvalidConfiguration):
        Loopin(url=url, api_key=key)


def test_answers_of_others_are_no_receipts() -> None:
    for body in (b"", b"OK", b"[]", b'{"data": 5}', b'{"data": {"receipts": [{}]}}', b"\xff", b"[" * 100_000):
        answer = read_answer(200, None, body)
        assert answer.outcome is Outcome.LATER
        assert answer.of("x") == (False, None)
    assert read_answer(503, "7", b"").retry_after_s == 7
    assert read_answer(503, "Wed, 21 Oct 2026 07:28:00 GMT", b"").retry_after_s is None
