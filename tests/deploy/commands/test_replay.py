from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from loopin_producers.replay import Replay, Summary
from loopin_schemas.topics import RAW
from tests.deploy.command_line import Loopin

ROWS = "event,distinct_id,timestamp,price\n" + "".join(
    f"view,u{n},2024-05-01T00:00:{n:02}Z,{n}\n" for n in range(5)
)


@pytest.fixture
def raw(broker: str, topic_prefix: str, loopin: Loopin) -> str:
    """The topic of raw events, empty."""
    assert loopin("topics", "apply").code == 0
    return f"{topic_prefix}{RAW.name}"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    return path


def published(broker: str, topic: str) -> list[dict[str, Any]]:
    """What lies on both partitions, read by another client than the one that wrote it."""
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "unused", "auto.offset.reset": "earliest"})
    places = [TopicPartition(topic, partition, 0) for partition in range(2)]
    consumer.assign(places)
    wanted = sum(consumer.get_watermark_offsets(place, timeout=60)[1] for place in places)
    found: list[dict[str, Any]] = []
    while len(found) < wanted:
        found += [json.loads(message.value()) for message in consumer.consume(100, 0.5)]
    consumer.close()
    return found


def test_every_row_is_published(loopin: Loopin, broker: str, raw: str, rows: Path) -> None:
    ran = loopin("replay", rows, "--project", "shop")

    assert ran.code == 0
    assert ran.out.startswith("5 published, 0 bad lines, 0 done before, 0 not acknowledged, ")
    events = published(broker, raw)
    assert sorted(event["distinct_id"] for event in events) == [f"u{n}" for n in range(5)]
    assert {event["project"] for event in events} == {"shop"}
    assert {event["properties"]["price"] for event in events} == {str(n) for n in range(5)}


def test_a_second_run_publishes_nothing(
    loopin: Loopin, broker: str, raw: str, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPIN_PROJECT", "shop")
    options = ("--progress", tmp_path / "deep" / "progress.json", "--shift-to", "now")

    first = loopin("replay", rows, *options)
    second = loopin("replay", rows, *options)

    assert first.out.startswith("5 published, 0 bad lines, 0 done before")
    assert second.code == 0
    assert second.out.startswith("0 published, 0 bad lines, 5 done before")
    assert len(published(broker, raw)) == 5


def test_bad_lines_are_shown_with_their_number_and_passed_over(
    loopin: Loopin, broker: str, raw: str, tmp_path: Path
) -> None:
    good = '{"event": "view", "distinct_id": "u1", "timestamp": "2024-05-01T00:00:00Z"}'
    lines = [good, "[red]not json[/nothing]", '{"event": "\\u001b[2J"}', "", good, '{"a": "\x1b[2J', "\udcff"]
    path = tmp_path / "[red]mixed\x1b[2J.ndjson.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode("utf-8", "surrogateescape")))

    ran = loopin("replay", path, "--project", "shop")

    assert ran.code == 0
    assert ran.out.startswith("2 published, 4 bad lines, ")
    assert [line.split(":")[0] for line in ran.err.splitlines() if line.startswith("line ")] == [
        *("line 2", "line 3", "line 6", "line 7")
    ]
    assert "\x1b" not in ran.err + ran.out
    assert len(published(broker, raw)) == 2


def test_a_map_says_which_column_is_what(loopin: Loopin, broker: str, raw: str, tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text('[columns]\nevent = "action"\ndistinct_id = "who"\n')
    (tmp_path / "rows.csv").write_text("action,who\nbought,anna\n")

    ran = loopin("replay", tmp_path / "rows.csv", "--project", "shop", "--map", tmp_path / "map.toml")

    assert ran.code == 0
    assert [(event["event"], event["distinct_id"]) for event in published(broker, raw)] == [
        ("bought", "anna")
    ]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("absent.csv", None, "No such file"),
        ("[red]x[/y].csv", None, "[red]x[/y].csv: No such file"),
        ("rows.txt", b"a", "Rename rows.txt to end in one of .csv,"),
        ("empty.csv", b"", "Give empty.csv a first line"),
        ("twice.csv", b"a,a\n1,2\n", "Rename one of the columns called 'a'"),
        ("other.csv", b"[/a],b\n1,2\n", "it has [/a], b."),
        ("cut.csv.gz", gzip.compress(ROWS.encode() * 9, mtime=0)[:-9], "Get cut.csv.gz again"),
        ("no.parquet", b"PAR1no", "Get no.parquet again"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    name: str, content: bytes | None, words: str, loopin: Loopin, raw: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    ran = loopin("replay", tmp_path / name, "--project", "shop")

    assert ran.code == 1
    assert words in ran.err.splitlines()[-1]
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"[columns", "Correct map.toml, it is not TOML"),
        (b"\xff", "Correct map.toml, it is not TOML"),
        (b"columns = 1", "Correct the mapping"),
        (b'[columns]\nevent = "event"', "Name the column of distinct_id"),
        (b'[columns]\nevent = "[/x]"\ndistinct_id = "who"', "no column '[/x]'"),
        (b'[columns]\nevent = "event"\ndistinct_id = "who"\n[timestamp]\nzone = "Mars"', "time zone 'Mars'"),
    ],
)
def test_a_map_that_cannot_be_used_is_refused(
    content: bytes | None, words: str, loopin: Loopin, raw: str, rows: Path, tmp_path: Path
) -> None:
    path = tmp_path / "map.toml"
    if content is not None:
        path.write_bytes(content)

    ran = loopin("replay", rows, "--project", "shop", "--map", path)

    assert ran.code == 1
    assert words in ran.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--speed", "fast"], "Give --speed a number above 0, or max."),
        (["--speed", "0"], "Give a speed above 0, or max."),
        (["--speed", "nan"], "Give a speed above 0, or max."),
        (["--shift-to", "tomorrow"], "Give --shift-to now, or leave it out."),
        (["--project", "a b"], "The project must be 1 to 64 letters"),
        (["--project", ""], "The project must be 1 to 64 letters"),
    ],
)
def test_an_option_that_cannot_be_is_refused(
    options: list[str], words: str, loopin: Loopin, raw: str, rows: Path
) -> None:
    ran = loopin("replay", rows, *(["--project", "shop"] if "--project" not in options else []), *options)

    assert ran.code == 1
    assert words in ran.err.splitlines()[-1]


def test_a_project_is_needed(loopin: Loopin, rows: Path) -> None:
    ran = loopin("replay", rows)

    assert ran.code == 2
    assert "--project" in ran.err


def test_a_progress_file_of_another_file_is_refused(
    loopin: Loopin, raw: str, rows: Path, tmp_path: Path
) -> None:
    progress = tmp_path / "progress.json"
    assert loopin("replay", rows, "--project", "shop", "--progress", progress).code == 0
    rows.write_text(ROWS + "view,u9,2024-05-01T00:01:00Z,9\n")

    ran = loopin("replay", rows, "--project", "shop", "--progress", progress)

    assert ran.code == 1
    assert "belongs to the replay of another file" in ran.err.splitlines()[-1]


def test_publishing_that_is_switched_off_is_said(
    loopin: Loopin, raw: str, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPIN_ENABLED", "false")

    assert "Set LOOPIN_ENABLED=true" in loopin("replay", rows, "--project", "shop").err


def test_a_topic_that_was_never_made_is_said_at_once(loopin: Loopin, broker: str, rows: Path) -> None:
    assert "run `loopin topics apply`" in loopin("replay", rows, "--project", "shop").refused()


def test_a_broker_that_does_not_answer_is_said_at_once(loopin: Loopin, nobody: str, rows: Path) -> None:
    assert f"No Kafka broker answers at {nobody}" in loopin("replay", rows, "--project", "shop").refused()


def test_a_run_that_the_broker_ended_is_an_error(
    loopin: Loopin, raw: str, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Summary(3, 0, 2, 0, 5, 0, 0.5, False, "The broker went [/away]: run the replay again.")
    monkeypatch.setattr(Replay, "run", lambda _: ended)

    ran = loopin("replay", rows, "--project", "shop")

    assert ran.code == 1
    assert ran.out == "3 published, 0 bad lines, 0 done before, 2 not acknowledged, 0.5 s.\n"
    assert ran.err.splitlines()[-1] == "Error: The broker went [/away]: run the replay again."
