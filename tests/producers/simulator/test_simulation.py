from __future__ import annotations

import gzip
import json
import time
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from loopin_producers import Loopin
from loopin_producers.simulator import (
    DAY_MS,
    STDOUT,
    FileOutput,
    KafkaOutput,
    Pace,
    Parameters,
    Simulation,
    SimulationError,
    Summary,
    TruthFiles,
    load_progress,
    opened,
    resumed,
)
from loopin_schemas.validation import decode_event

from ..conftest import Broker, ReadAll
from .worlds import parameters, raw_lines

DAYS = 2
WORLD = parameters(users=30, days=DAYS)
END_MS = WORLD.start_ms + DAYS * DAY_MS


def write(path: Path, folder: Path, *, world: Parameters = WORLD) -> Summary:
    with opened(path) as file, TruthFiles(folder, world) as truth:
        return Simulation(world, FileOutput(file), end_ms=END_MS, truth=truth).run()


def test_a_file_holds_every_event_and_the_truth_lies_beside_it(tmp_path: Path) -> None:
    done = write(tmp_path / "events.ndjson.gz", tmp_path / "truth")
    packed = (tmp_path / "events.ndjson.gz").read_bytes()
    events = [json.loads(line) for line in gzip.decompress(packed).splitlines()]
    assert done.published == len(events) == len(raw_lines(WORLD, DAYS))
    assert (done.complete, done.problem, done.unacknowledged, done.skipped) == (True, None, 0, 0)
    assert done.reached_ms == events[-1]["timestamp"]

    truth = {path.name: path.read_text() for path in (tmp_path / "truth").iterdir()}
    assert set(truth) == {
        *("parameters.json", "experiment.json", "anomalies.json"),
        *("users.ndjson", "travel.ndjson", "events.ndjson", "moods.ndjson", "bots.ndjson"),
    }
    assert json.loads(truth["parameters.json"]) == {
        **{"project": "demo", "users": 30, "days": 2, "seed": 1, "start": "2026-03-02", "version": 1}
    }
    assert json.loads(truth["experiment.json"])["purchase_factor"] == 1.3
    moods = {json.loads(line)["uuid"] for line in truth["moods.ndjson"].splitlines()}
    assert moods == {event["uuid"] for event in events if "text" in event["properties"]}
    assert len(truth["users.ndjson"].splitlines()) >= 30


def test_equal_runs_give_equal_files(tmp_path: Path) -> None:
    for run in ("one", "two"):
        write(tmp_path / f"{run}.ndjson.gz", tmp_path / run)
    assert (tmp_path / "one.ndjson.gz").read_bytes() == (tmp_path / "two.ndjson.gz").read_bytes()
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SimulationError, match="truth") as raised:
        TruthFiles(tmp_path / "file", WORLD)
    assert raised.value.code == "truth_unwritable"
    with pytest.raises(SimulationError) as raised, opened(tmp_path / "file" / "x.ndjson"):
        pass
    assert raised.value.code == "out_unwritable"


def test_standard_output_stays_open(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with opened(STDOUT) as file:
        file.write(b"x\n")
        file.flush()
    with opened(STDOUT) as file:
        assert not file.closed


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"users": 0}, "users_invalid"),
        ({"users": 10_000_001}, "users_invalid"),
        ({"days": 0}, "days_invalid"),
        ({"days": 1_801}, "days_invalid"),
        ({"seed": -1}, "seed_invalid"),
        ({"seed": 2**63}, "seed_invalid"),
        ({"version": 0}, "version_unknown"),
    ],
)
def test_a_world_that_cannot_be_is_refused(changes: dict[str, int], code: str, tmp_path: Path) -> None:
    world = parameters(**({"users": 1, "days": 1} | changes))
    with opened(tmp_path / "x") as file, pytest.raises(SimulationError) as raised:
        Simulation(world, FileOutput(file), end_ms=1)
    assert raised.value.code == code


def test_the_smallest_world_lives(tmp_path: Path) -> None:
    world = parameters(users=1, days=1)
    with opened(tmp_path / "x.ndjson") as file:
        done = Simulation(world, FileOutput(file), end_ms=world.start_ms + 3 * DAY_MS).run()
    assert done.published > 100, "bots and components alone"


def test_a_run_without_an_end_goes_on_until_it_is_stopped(tmp_path: Path) -> None:
    """The wall clock stands before the last events of the first day; waiting is what stops the run."""
    now_ms, waits = WORLD.start_ms + DAY_MS // 2, []
    with opened(tmp_path / "x.ndjson") as file:
        pace = Pace(live=True, now_ms=lambda: now_ms)

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                assert Path(tmp_path / "x.ndjson").stat().st_size, "readers see what is there"
                simulation.stop()

        simulation = Simulation(WORLD, FileOutput(file), end_ms=None, pace=pace, sleep=sleep)
        done = simulation.run()
    assert not done.complete
    assert waits == [0.5] * 3
    events = [json.loads(line) for line in (tmp_path / "x.ndjson").read_text().splitlines()]
    expected = [line for line in raw_lines(WORLD, DAYS) if int(line[:13]) <= now_ms]
    assert len(events) == done.published == len(expected)


@pytest.fixture
def now_world() -> Parameters:
    """A world whose days have just passed."""
    today = time.time_ns() // 1_000_000 // DAY_MS
    return parameters(users=30, days=DAYS, start=date.fromordinal(719_163 + today - DAYS))


def test_a_stopped_run_goes_on_where_it_stopped_and_adds_up(
    kafka: Broker, raw_topic: str, topic_prefix: str, read_all: ReadAll, tmp_path: Path, now_world: Parameters
) -> None:
    expected = raw_lines(now_world, DAYS)
    progress = tmp_path / "progress.json"

    def run(stop_at: int | None) -> Summary:
        with Loopin(kafka.bootstrap, "demo", topic_prefix=topic_prefix) as client:

            class Stopping(KafkaOutput):
                def send(self, number: int, written: object) -> bool:
                    if number == stop_at:
                        simulation.stop()
                    return super().send(number, written)  # type: ignore[arg-type]

            earlier = resumed(progress, now_world, any_start=False)
            simulation = Simulation(
                earlier.world,
                Stopping(client),
                end_ms=now_world.start_ms + DAYS * DAY_MS,
                skipped=earlier.acknowledged,
                progress_file=progress,
                on_progress=seen.append,
            )
            return simulation.run()

    seen: list[Summary] = []
    first = run(stop_at=100)
    assert (first.published, first.complete, first.skipped) == (100, False, 0)
    second = run(stop_at=None)
    assert (second.published, second.complete, second.skipped) == (len(expected) - 100, True, 100)
    third = run(stop_at=None)
    assert (third.published, third.complete, third.skipped) == (0, True, len(expected))
    assert seen[-1] == third
    records = read_all(len(expected))
    assert len(records) == len(expected)
    uuids = Counter(decode_event(record.value() or b"").uuid for record in records)
    assert set(uuids.values()) == {1}
    for record in records[:50]:
        event = decode_event(record.value() or b"")
        assert record.key() == f"demo:{event.distinct_id}".encode()
    assert load_progress(progress) is not None


def test_progress_of_another_world_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    assert resumed(path, WORLD, any_start=True).acknowledged == 0
    assert not path.exists()
    with opened(tmp_path / "x.ndjson") as file:
        Simulation(WORLD, FileOutput(file), end_ms=WORLD.start_ms + 1, progress_file=path).run()
    later = parameters(users=30, days=DAYS, start=date(2026, 4, 1))
    assert resumed(path, later, any_start=True).world == WORLD
    for other, any_start in ((later, False), (parameters(users=31, days=DAYS), True)):
        with pytest.raises(SimulationError) as raised:
            resumed(path, other, any_start=any_start)
        assert raised.value.code == "progress_of_another"
    path.write_text("{")
    with pytest.raises(SimulationError) as raised:
        load_progress(path)
    assert raised.value.code == "progress_unreadable"


def test_a_client_that_publishes_nothing_is_refused() -> None:
    with pytest.raises(SimulationError) as raised:
        KafkaOutput(Loopin("127.0.0.1:1", "demo", disabled=True))
    assert raised.value.code == "publishing_disabled"


def test_a_broker_that_is_gone_ends_the_run_and_is_said(tmp_path: Path) -> None:
    client = Loopin("127.0.0.1:1", "demo", config={"message.timeout.ms": 300})
    progress = tmp_path / "progress.json"
    with client:
        done = Simulation(WORLD, KafkaOutput(client), end_ms=END_MS, progress_file=progress).run()
    assert done.problem is not None
    assert "run the simulation again" in done.problem
    assert (done.published, done.unacknowledged > 0) == (0, True)
    assert resumed(progress, WORLD, any_start=False).acknowledged == 0
