"""The crowd: the simulator's events, as of now."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest

from loopin_deploy.live_demo import crowd
from loopin_deploy.live_demo.crowd import AsOfNow, Crowd, world
from loopin_deploy.live_demo.live_demo import LiveDemo
from loopin_producers import Loopin
from loopin_producers.channel import Done
from loopin_producers.simulator import FileOutput, Simulation

NOW_MS = 1_795_000_000_000
SIX_HOURS_MS = 6 * 3_600_000


class Broker:
    """Stands in for the client: acknowledges each record at once, and says so."""

    project = "demo"
    disabled = False
    max_queue_size = 1000

    def __init__(self, on_record: Callable[[int], object] = lambda _: None) -> None:
        self.records: list[tuple[str, dict[str, Any]]] = []
        self._on_record = on_record

    def wait_for_room(self, limit: int, timeout: float) -> bool:
        return True

    def flush(self, timeout: float) -> int:
        return 0

    def publish_record(self, key: bytes, value: bytes, done: Done) -> None:
        self.records.append((key.decode(), json.loads(value)))
        done(None, 0, 0)
        self._on_record(len(self.records))


@pytest.fixture(autouse=True)
def a_small_fast_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "USERS", 60)
    monkeypatch.setattr(crowd, "SPEED", math.inf)
    monkeypatch.setattr(crowd, "MOST_A_SECOND", math.inf)


def plain(events: int) -> list[dict[str, Any]]:
    """The world's first events as the simulator writes them into a file."""
    parameters, file = world("demo", datetime.now(UTC).date()), io.BytesIO()
    Simulation(parameters, FileOutput(file), end_ms=parameters.start_ms + SIX_HOURS_MS).run()
    return [json.loads(line) for line in file.getvalue().splitlines()[:events]]


def test_each_event_is_of_now_and_of_a_guest() -> None:
    broker, parameters = Broker(), world("demo", datetime.now(UTC).date())
    end_ms = parameters.start_ms + SIX_HOURS_MS
    Simulation(parameters, AsOfNow(cast(Loopin, broker), lambda: NOW_MS), end_ms=end_ms).run()
    expected = plain(10_000)
    assert len(broker.records) == len(expected) > 50
    for (key, found), of in zip(broker.records, expected, strict=True):
        assert found.pop("timestamp") == NOW_MS
        uuid = UUID(found.pop("uuid"))
        assert uuid.version == 7
        assert str(uuid) != of.pop("uuid")
        del of["timestamp"]
        assert found == json.loads(json.dumps(of).replace('"user-', '"guest-'))
        assert key == f"demo:{found['distinct_id']}"
    assert {key.startswith("demo:guest-") for key, _ in broker.records} == {True, False}, "visitors, too"


def test_a_later_run_goes_on_where_the_world_was(tmp_path: Path) -> None:
    names: list[str] = []
    for stop_at in (20, 30):
        broker = Broker()
        one = Crowd(cast(Loopin, broker), tmp_path / "live.json")
        broker._on_record = lambda number, one=one, stop_at=stop_at: number == stop_at and one.stop()  # type: ignore[misc]  # mypy cannot infer its type
        one.run()
        assert len(broker.records) == stop_at
        names += [event["event"] for _, event in broker.records]
    assert names == [event["event"] for event in plain(50)]


@pytest.mark.parametrize("progress", ["nonsense", '{"world": {"project": "x"}}'])
def test_progress_that_is_no_good_is_thrown_away(
    tmp_path: Path, progress: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "live.json"
    file.write_text(progress)
    demo = LiveDemo(cast(Loopin, Broker()), file, lambda: None)
    monkeypatch.setattr(demo._ended, "wait", lambda _: demo.stop())
    demo.crowd()
    assert not file.exists()


def test_one_that_is_stopped_before_it_runs_publishes_nothing(tmp_path: Path) -> None:
    broker = Broker()
    one = Crowd(cast(Loopin, broker), tmp_path / "live.json")
    one.stop()
    one.run()
    assert broker.records == []
