"""Faults on demand: each does what it says, to as many requests as it says."""

from __future__ import annotations

import http.client
import json
import threading
import time

import pytest

from tests.clickhouse import AnyFault, ClickHouseServer, Cut, Down, Error, Reset, Slow
from tests.clickhouse.faults import Faults
from tests.clickhouse.plain_http import Ask

INSERT = b"INSERT INTO kept FORMAT TSV\n1\n2\n"


@pytest.fixture
def _kept(ask: Ask) -> None:
    ask({}, b"CREATE TABLE kept (n Int64) ENGINE = MergeTree ORDER BY n")


def count(ask: Ask) -> int:
    return int(ask({}, b"SELECT count() FROM kept").body)


def test_the_oldest_fault_that_fits_is_met_and_used_up() -> None:
    faults = Faults()
    reset, error = Reset(times=2), Error(times=1)
    for fault in (reset, error):
        faults.add(fault)
    assert faults.met_by("read") == error
    assert faults.met_by("read") is None
    assert faults.met_by("insert") == reset
    assert faults.left() == [Reset(times=1)]
    assert faults.met_by("insert") == Reset(times=1)
    assert faults.left() == []
    faults.add(Down())
    assert faults.met_by("other") == faults.met_by("read") == Down()
    faults.clear()
    assert faults.met_by("other") is None


def test_down_resets_connections(ask: Ask, clickhouse: ClickHouseServer) -> None:
    clickhouse.faults.add(Down(times=2))
    for path in ("/ping", "/"):
        with pytest.raises(ConnectionResetError):
            ask({}, b"SELECT 1", path=path)
    assert ask({}, b"SELECT 1").body == b"1\n"


def test_an_error_has_the_number_that_was_asked_for(ask: Ask, clickhouse: ClickHouseServer) -> None:
    clickhouse.faults.add(Error(code=241, times=1))
    answer = ask({}, b"SELECT 1")
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (500, "241")
    clickhouse.faults.add(Error(code=None, status=502, times=1))
    answer = ask({}, b"SELECT 1")
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (502, None)
    assert ask({}, b"SELECT 1").status == 200


def test_slow_waits_before_and_stretches_what_the_engine_does(ask: Ask, clickhouse: ClickHouseServer) -> None:
    started = time.monotonic()
    clickhouse.faults.add(Slow(seconds=0.2, times=1))
    assert ask({}, b"SELECT 1").body == b"1\n"
    assert time.monotonic() - started >= 0.2
    started = time.monotonic()
    clickhouse.faults.add(Slow(factor=3, times=1))
    assert ask({}, b"SELECT sleep(0.1)").body == b"0\n"
    assert time.monotonic() - started >= 0.3


def test_what_waits_goes_on_when_the_faults_are_cleared(ask: Ask, clickhouse: ClickHouseServer) -> None:
    clickhouse.faults.add(Slow(seconds=600, times=1))
    answers: list[bytes] = []
    waiting = threading.Thread(target=lambda: answers.append(ask({}, b"SELECT 1").body))
    waiting.start()
    while clickhouse.faults.left():
        assert waiting.is_alive()
    assert ask({}, b"SELECT 2").body == b"2\n"
    assert answers == []
    clickhouse.faults.clear()
    waiting.join(30)
    assert answers == [b"1\n"]


@pytest.mark.usefixtures("_kept")
@pytest.mark.parametrize("after_bytes", [0, len(INSERT), 10**6])
def test_a_reset_before_the_engine_stores_nothing(
    ask: Ask, clickhouse: ClickHouseServer, after_bytes: int
) -> None:
    clickhouse.faults.add(Reset(after_bytes=after_bytes, times=1))
    assert count(ask) == 0
    with pytest.raises(ConnectionResetError):
        ask({}, INSERT)
    assert count(ask) == 0
    assert ask({}, INSERT).status == 200
    assert count(ask) == 2


def test_a_reset_comes_while_the_client_still_sends(clickhouse: ClickHouseServer) -> None:
    clickhouse.faults.add(Reset(after_bytes=200_000, only=None, times=1))
    connection = http.client.HTTPConnection("127.0.0.1", clickhouse.server_port, timeout=30)
    sent = 0

    def part() -> bytes:
        nonlocal sent
        sent += 1
        return b"1\n" * 50_000 if sent < 5_000 else b""

    with pytest.raises(ConnectionError):
        connection.request("POST", "/", iter(part, b""), encode_chunked=True)
    connection.close()
    # As many as buffers on the way hold, and not all.
    assert sent < 5_000


@pytest.mark.usefixtures("_kept")
def test_a_reset_after_the_engine_has_stored(ask: Ask, clickhouse: ClickHouseServer) -> None:
    clickhouse.faults.add(Reset(executed=True, times=1))
    with pytest.raises(ConnectionResetError):
        ask({}, INSERT)
    assert count(ask) == 2


@pytest.mark.parametrize("after_bytes", [0, 1, 5000])
def test_a_cut_ends_a_result_in_the_middle(ask: Ask, clickhouse: ClickHouseServer, after_bytes: int) -> None:
    clickhouse.faults.add(Cut(after_bytes=after_bytes, times=1))
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        ask({}, b"SELECT number FROM numbers(10000)")
    assert ask({}, b"SELECT count() FROM numbers(10000)").body == b"10000\n"


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "down"},
        {"kind": "slow", "seconds": 0.5, "factor": 2.0, "only": "insert"},
        {"kind": "error", "code": 241, "times": 3},
        {"kind": "error", "code": None, "status": 502},
        {"kind": "reset", "after_bytes": 7, "executed": True},
        {"kind": "cut", "after_bytes": 7},
    ],
)
def test_faults_are_set_over_http(ask: Ask, clickhouse: ClickHouseServer, fault: dict[str, object]) -> None:
    answer = ask({}, json.dumps(fault).encode(), {}, path="/_fault")
    [left] = json.loads(answer.body)
    assert {name: left[name] for name in fault} == fault
    [held] = clickhouse.faults.left()
    assert isinstance(held, AnyFault)
    assert type(held).__name__.lower() == fault["kind"]
    assert json.loads(ask({}, method="GET", path="/_fault", headers={}).body) == [left]
    assert ask({}, method="DELETE", path="/_fault", headers={}).body == b"[]\n"
    assert clickhouse.faults.left() == []


@pytest.mark.parametrize("body", [b"", b"{}", b'{"kind": "tired"}', b'{"kind": "down", "seconds": 1}'])
def test_what_is_no_fault_is_refused(ask: Ask, clickhouse: ClickHouseServer, body: bytes) -> None:
    assert ask({}, body, {}, path="/_fault").status == 400
    assert clickhouse.faults.left() == []
