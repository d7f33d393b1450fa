from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from loopin_producers.simulator import Simulation, Summary
from loopin_schemas.topics import RAW
from tests.deploy.command_line import Loopin, Ran, clean_environment

SMALL = ("--project", "demo", "--users", "20", "--days", "2", "--seed", "3")
FILE = (*SMALL, "--start", "2026-03-02")


@pytest.fixture
def raw(broker: str, topic_prefix: str, loopin: Loopin) -> str:
    """The topic of raw events, empty."""
    assert loopin("topics", "apply").code == 0
    return f"{topic_prefix}{RAW.name}"


def published(broker: str, topic: str) -> list[dict[str, object]]:
    """What lies on both partitions, read by another client than the one that wrote it."""
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "unused", "auto.offset.reset": "earliest"})
    places = [TopicPartition(topic, partition, 0) for partition in range(2)]
    consumer.assign(places)
    wanted = sum(consumer.get_watermark_offsets(place, timeout=60)[1] for place in places)
    found: list[dict[str, object]] = []
    while len(found) < wanted:
        found += [json.loads(message.value()) for message in consumer.consume(100, 0.5)]
    consumer.close()
    return found


def shown(ran: Ran, name: str) -> int:
    """A number of the table at the end."""
    [number] = re.findall(rf"│ {name} +│ +([0-9,]+) │", ran.out)
    return int(number.replace(",", ""))


def test_a_file_and_the_truth_beside_it(loopin: Loopin, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    ran = loopin("simulate", *FILE, "--out", path)

    assert ran.code == 0, ran.err
    events = path.read_text().splitlines()
    assert f"{len(events):,}" in ran.out
    assert "20 users, 2 days, seed 3" in ran.out
    assert re.search(r"│ from +│ +2026-03-02 00:00:00\+00:00 │", ran.out)
    assert re.search(r"│ to +│ +2026-03-03 23:00:00\+00:00 │", ran.out)
    assert str(tmp_path / "truth") in ran.out
    assert json.loads((tmp_path / "truth" / "parameters.json").read_text())["start"] == "2026-03-02"


def test_standard_output_holds_events_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "loopin_deploy", "simulate", *FILE, "--out", "-", "--truth", tmp_path / "t"],
        capture_output=True,
        text=True,
        timeout=300,
        env=clean_environment(LOOPIN_DATA_DIR=str(tmp_path)),
        check=True,
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["project"] for event in events} == {"demo"}
    assert "What was simulated" in done.stderr
    assert (tmp_path / "t" / "users.ndjson").exists()


def test_history_up_to_now_reaches_kafka_and_a_second_run_goes_on(
    loopin: Loopin, broker: str, raw: str, tmp_path: Path
) -> None:
    options = (*SMALL, "--progress", tmp_path / "progress.json")
    first = loopin("simulate", *options)
    second = loopin("simulate", *options, "--end", "now")

    assert first.code == second.code == 0, first.err + second.err
    events = published(broker, raw)
    assert set(Counter(event["uuid"] for event in events).values()) == {1}
    progress = json.loads((tmp_path / "progress.json").read_text())
    assert progress["acknowledged"] == len(events) > 100
    assert shown(first, "events") == shown(second, "done before")
    assert shown(second, "done before") + shown(second, "events") == len(events)
    assert shown(first, "not acknowledged") == shown(second, "not acknowledged") == 0


def test_live_goes_on_until_it_is_told_to_stop(
    broker: str, raw: str, topic_prefix: str, tmp_path: Path
) -> None:
    """The process waits for the next event's time; SIGTERM ends it in good order."""
    progress = tmp_path / "progress.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "loopin_deploy", "simulate", *SMALL, "--live", "--progress", progress],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(
            LOOPIN_KAFKA_BOOTSTRAP=broker, LOOPIN_TOPIC_PREFIX=topic_prefix, LOOPIN_DATA_DIR=str(tmp_path)
        ),
    )
    try:
        while not _some_acknowledged(progress):
            with suppress(subprocess.TimeoutExpired):
                raise AssertionError(process.wait(0.1))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert "What was simulated" in out
    assert json.loads(progress.read_text())["acknowledged"] == len(published(broker, raw))


def _some_acknowledged(progress: Path) -> bool:
    return progress.exists() and json.loads(progress.read_text())["acknowledged"] > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((*FILE, "--end", "now"), "Give --end now, or --start DATE, or neither."),
        ((*SMALL, "--end", "later"), "Give --end now"),
        ((*SMALL, "--start", "[red]"), "Give --start a day such as 2026-01-31."),
        ((*FILE, "--users", "0"), "Give 1 to 10,000,000 users."),
        ((*FILE, "--days", "0"), "Give 1 to 1,800 days."),
        ((*SMALL, "--days", "99999999999"), "Give 1 to 1,800 days."),
        ((*FILE, "--seed", "-1"), "Give a seed of 0 or more"),
        ((*FILE, "--rate", "0"), "Give a rate above 0"),
        ((*FILE, "--speed", "fast"), "Give --speed a number above 0, or max."),
        ((*FILE, "--speed", "0"), "Give a speed above 0, or max."),
        ((*FILE, "--project", "a b"), "The project must be 1 to 64 letters"),
        ((*SMALL, "--start", "2199-01-01", "--live", "--out", "-"), "Give --start a day in the past"),
        ((*SMALL, "--start", "2199-01-01"), "events of the future can only go to a file"),
        ((*SMALL, "--start", "1999-01-01"), "older than five years is refused"),
        ((*FILE, "--out", "/no/such/folder/x"), "/no/such/folder/x a file that can be written"),
        ((*FILE, "--out", "-", "--progress", "x"), "Leave --progress out"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    options: tuple[str, ...], words: str, loopin: Loopin
) -> None:
    ran = loopin("simulate", *options)

    assert words in ran.refused()


def test_a_topic_that_was_never_made_is_said_at_once(loopin: Loopin, broker: str) -> None:
    assert "run `loopin topics apply`" in loopin("simulate", *SMALL).refused()


def test_a_run_that_the_broker_ended_is_an_error(
    loopin: Loopin, raw: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Summary(3, 0, 2, 1_772_409_600_000, 0.5, False, "The broker went [/away]: run it again.")
    monkeypatch.setattr(Simulation, "run", lambda _: ended)

    ran = loopin("simulate", *SMALL)

    assert ran.code == 1
    assert ran.err.splitlines()[-1] == "Error: The broker went [/away]: run it again."


def test_a_history_that_was_interrupted_is_no_success(
    loopin: Loopin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Simulation.run

    def interrupted(simulation: Simulation) -> Summary:
        signal.raise_signal(signal.SIGINT)
        return before(simulation)

    monkeypatch.setattr(Simulation, "run", interrupted)
    handler = signal.getsignal(signal.SIGINT)

    assert loopin("simulate", *FILE, "--out", tmp_path / "x.ndjson").code == 130
    assert signal.getsignal(signal.SIGINT) is handler
    assert (tmp_path / "x.ndjson").read_bytes() == b""
