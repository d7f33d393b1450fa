from __future__ import annotations

import collections
import csv
import gzip
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from confluent_kafka import Message

from loopin_producers import Loopin
from loopin_producers.replay import BadLine, Replay, ReplayError, Summary, load_mapping, parse_mapping
from loopin_producers.replay.ecom import ecom_file, ecom_map
from loopin_producers.replay.replay import row_uuid
from loopin_producers.replay.source import sha256_of

from ..conftest import Broker, ReadAll

NOW = time.time_ns() // 1_000_000
MAPPING = parse_mapping({"columns": {"event": "event", "distinct_id": "user", "timestamp": "at"}})


@pytest.fixture
def client(kafka: Broker, raw_topic: str, topic_prefix: str) -> Iterator[Loopin]:
    with Loopin(kafka.bootstrap, "shop", topic_prefix=topic_prefix) as client:
        yield client


def bodies(records: list[Message]) -> list[dict[str, Any]]:
    return [json.loads(record.value() or b"") for record in records]


def write_rows(path: Path, count: int, first: int = 0) -> Path:
    """``count`` events a second apart, the last one ``NOW``."""
    lines = [f"click,user-{number % 7},{NOW - 1000 * (count - 1 - number)}" for number in range(first, count)]
    path.write_text("\n".join(["event,user,at", *lines]) + "\n")
    return path


@pytest.mark.scenario
def test_whole_ecom_file(client: Loopin, read_all: ReadAll, tmp_path: Path) -> None:
    path = ecom_file()
    with gzip.open(path, "rt") as file:
        expected = list(csv.DictReader(file))
    progress = tmp_path / "progress.json"

    def replay(now: int) -> Summary:
        mapping = load_mapping(ecom_map())
        return Replay(client, path, mapping, shift_to="now", progress_file=progress, now_ms=lambda: now).run()

    summary = replay(NOW)
    assert (summary.published, summary.bad, summary.unacknowledged) == (31_106, 0, 0)
    assert summary.complete
    tomorrow = replay(NOW + 86_400_000)
    assert (tomorrow.published, tomorrow.skipped, tomorrow.rows) == (0, 31_106, 31_106)
    assert tomorrow.shift_ms == summary.shift_ms

    events = bodies(read_all(31_106))
    assert len(events) == len({event["uuid"] for event in events}) == 31_106
    assert collections.Counter(event["event"] for event in events) == collections.Counter(
        row["event"] for row in expected
    )
    assert max(event["timestamp"] for event in events) == NOW
    digest = sha256_of(path)
    by_uuid = {event["uuid"]: event for event in events}
    for number in (1, 2, 31_106):
        row, event = expected[number - 1], by_uuid[row_uuid("shop", digest, number)]
        assert (event["distinct_id"], event["session_id"]) == (row["user_id"], row["session_id"])
        assert event["properties"] == {
            name: row[name] for name in ("platform", "acquisition_channel", "user_cohort", "user_lifecycle")
        }
    assert len({event["distinct_id"] for event in events}) == 600


def test_demo_data_is_not_imported_and_its_absence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ecom_file().name == "ecom.csv.gz"
    assert "retentioneering" not in sys.modules
    monkeypatch.setattr("loopin_producers.replay.ecom.PACKAGE", "not-installed-package")
    with pytest.raises(ReplayError, match="pip install --no-deps"):
        ecom_file()


def test_goes_on_after_an_exception(client: Loopin, read_all: ReadAll, tmp_path: Path) -> None:
    path, progress = write_rows(tmp_path / "a.csv", 3000), tmp_path / "state" / "progress.json"
    path.write_text(path.read_text().replace("\n", "\nbad\n", 1))
    lines: list[int] = []

    class Stop(BaseException):
        """As Ctrl-C, it is no Exception."""

    def note(line: BadLine) -> None:
        lines.append(line.line)

    reads = 0
    publish = client.publish_record

    def stop_midway(*arguments: Any) -> None:
        nonlocal reads
        reads += 1
        if reads == 1800:
            raise Stop
        publish(*arguments)

    client.publish_record = stop_midway  # type: ignore[method-assign, assignment]
    first = Replay(client, path, MAPPING, shift_to=NOW - 5000, progress_file=progress, on_bad_line=note)
    with pytest.raises(Stop):
        first.run()
    saved = json.loads(progress.read_bytes())
    assert (saved["acknowledged"], saved["bad"], saved["shift_ms"]) == (1800, 1, -5000)
    assert first.summary().published == 1799
    client.publish_record = publish  # type: ignore[method-assign]
    second = Replay(client, path, MAPPING, shift_to="now", progress_file=progress, on_bad_line=note).run()
    assert (second.published, second.skipped, second.bad) == (1201, 1800, 0)
    assert second.complete
    assert second.shift_ms == -5000
    assert lines == [2]
    events = bodies(read_all(3000))
    assert len(events) == 3000
    assert len({event["uuid"] for event in events}) == 3000


def test_run_that_lost_its_progress_publishes_the_same_uuids(
    client: Loopin, read_all: ReadAll, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "a.csv", 200)
    Replay(client, path, MAPPING).run()
    Replay(client, path, MAPPING).run()
    counts = collections.Counter(event["uuid"] for event in bodies(read_all(400)))
    assert set(counts.values()) == {2}
    assert len(counts) == 200


def test_bad_lines_are_reported_and_the_rest_goes_on(
    client: Loopin, read_all: ReadAll, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "event,user,at\n"
        f"ok,user-1,{NOW}\n"
        f"ok,undefined,{NOW}\n"
        "ok,user-1,soon\n"
        "ok,user-1,\n"
        "ok\n"
        f",user-1,{NOW}\n"
        "ok,user-1,1900-01-01\n"
        f"ok,user-2,{NOW}\n"
    )
    bad: list[BadLine] = []
    summary = Replay(client, path, MAPPING, on_bad_line=bad.append).run()
    assert (summary.published, summary.bad, summary.rows, summary.complete) == (2, 6, 8, True)
    assert [(line.line, line.number, line.field) for line in bad] == [
        (3, 2, "distinct_id"),
        (4, 3, "timestamp"),
        (5, 4, "timestamp"),
        (6, 5, None),
        (7, 6, "event"),
        (8, 7, "timestamp"),
    ]
    assert all(line.reason.endswith(".") for line in bad)
    assert len(read_all(2)) == 2


def test_canonical_ndjson_needs_no_mapping(client: Loopin, read_all: ReadAll, tmp_path: Path) -> None:
    path, uuid = tmp_path / "a.ndjson", str(UUID(int=5))
    record = {"event": "x", "distinct_id": "u1", "timestamp": NOW, "uuid": uuid, "properties": {"a": [1]}}
    path.write_text(json.dumps(record) + "\n" + json.dumps({**record, "uuid": None, "b": True}) + "\n")
    assert Replay(client, path).run().published == 2
    first, second = bodies(read_all(2))
    assert (first["uuid"], first["properties"]) == (uuid, {"a": [1]})
    assert (second["uuid"], second["properties"]) == (
        row_uuid("shop", sha256_of(path), 2),
        {"a": [1], "b": True},
    )


def test_speed_follows_the_rows_times(
    client: Loopin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    # A clock that only the waits move: all else takes no time.
    monkeypatch.setattr("loopin_producers.replay.replay.time", SimpleNamespace(monotonic=lambda: sum(slept)))
    path = write_rows(tmp_path / "a.csv", 4)
    Replay(client, path, MAPPING, speed=10, sleep=slept.append).run()
    assert slept == pytest.approx([0.1, 0.1, 0.1])


def test_progress_is_reported(client: Loopin, tmp_path: Path) -> None:
    seen: list[Summary] = []
    Replay(client, write_rows(tmp_path / "a.csv", 10), MAPPING, on_progress=seen.append).run()
    assert seen[-1].published == 10
    assert seen[-1].complete


def test_more_rows_than_the_queue_holds_wait_for_room(
    kafka: Broker, raw_topic: str, topic_prefix: str, read_all: ReadAll, tmp_path: Path
) -> None:
    with Loopin(kafka.bootstrap, "shop", topic_prefix=topic_prefix, max_queue_size=50) as client:
        summary = Replay(client, write_rows(tmp_path / "a.csv", 2000), MAPPING).run()
        assert (summary.published, client.dropped) == (2000, 0)
    assert len(read_all(2000)) == 2000


def test_broker_that_never_answers_ends_the_run_with_a_sentence(tmp_path: Path) -> None:
    progress = tmp_path / "progress.json"
    path = write_rows(tmp_path / "a.csv", 30)
    with Loopin("127.0.0.1:1", "shop", config={"message.timeout.ms": 300}, max_queue_size=10) as client:
        summary = Replay(client, path, MAPPING, progress_file=progress).run()
    assert (summary.published, summary.complete) == (0, False)
    assert summary.unacknowledged >= 10
    assert "again" in str(summary.problem)
    assert json.loads(progress.read_bytes())["acknowledged"] == 0


def test_progress_of_another_file_or_project_is_refused(
    client: Loopin, kafka: Broker, tmp_path: Path
) -> None:
    progress = tmp_path / "progress.json"
    path = write_rows(tmp_path / "a.csv", 3)
    Replay(client, path, MAPPING, progress_file=progress).run()
    with pytest.raises(ReplayError, match="another project"):
        Replay(Loopin(kafka.bootstrap, "other"), path, MAPPING, progress_file=progress).run()
    write_rows(path, 4)
    with pytest.raises(ReplayError, match="another file"):
        Replay(client, path, MAPPING, progress_file=progress).run()
    progress.write_text("{")
    with pytest.raises(ReplayError) as caught:
        Replay(client, path, MAPPING, progress_file=progress).run()
    assert caught.value.code == "progress_unreadable"


def test_cut_gzip_publishes_what_is_readable_and_keeps_the_place(client: Loopin, tmp_path: Path) -> None:
    whole = gzip.compress(write_rows(tmp_path / "a.csv", 5000).read_bytes())
    path, progress = tmp_path / "b.csv.gz", tmp_path / "progress.json"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    replay = Replay(client, path, MAPPING, progress_file=progress)
    with pytest.raises(ReplayError, match="near byte"):
        replay.run()
    published = replay.summary().published
    assert 0 < published < 5000
    assert json.loads(progress.read_bytes())["acknowledged"] == published
    assert not replay.summary().complete


def test_what_cannot_be_replayed_is_refused(client: Loopin, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.csv", 2)
    with pytest.raises(ReplayError, match="speed"):
        Replay(client, path, speed=0)
    with pytest.raises(ReplayError, match="LOOPIN_ENABLED"):
        Replay(Loopin(disabled=True), path)
    with pytest.raises(ReplayError, match="'distinct_id'"):
        Replay(client, path).run()
    untimed = parse_mapping({"columns": {"event": "event", "distinct_id": "user"}})
    with pytest.raises(ReplayError, match="timestamp"):
        Replay(client, path, untimed, shift_to="now").run()
    with pytest.raises(ReplayError, match="none"):
        Replay(client, tmp_path / "none.csv", MAPPING).run()
