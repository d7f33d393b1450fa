"""``loopin dlq replay`` as a person runs it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from loopin_schemas.codec import encode
from loopin_schemas.dead_letter import DeadLetter
from loopin_schemas.topics import DLQ
from loopin_streams.kafka.errors import Fenced
from loopin_streams.kafka.outbox import Outbox
from tests.deploy.command_line import Loopin, Ran
from tests.deploy.commands.test_dead_letters import HOSTILE, letter
from tests.deploy.commands.test_dead_letters import swept as swept

TOPIC_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
FIRST_MS = 1_700_000_000_000

MEND = """
def fix(event, letter):
    if event.get("distinct_id") == "null":
        event["distinct_id"] = "u1"
        return event
"""


def body(at: int, **fields: Any) -> bytes:
    event = {"project": "shop", "event": "click", "distinct_id": "null", "properties": {"at": at}}
    return json.dumps(event | fields).encode()


class Queue:
    """The dead letters of one test, all in partition 1, and what their replays publish."""

    def __init__(self, broker: str, prefix: str, loopin: Loopin) -> None:
        self._broker, self._prefix, self._loopin = broker, prefix, loopin

    def put(self, *bodies: bytes, **fields: Any) -> None:
        producer = Producer({"bootstrap.servers": self._broker, "linger.ms": 0})
        for offset, value in enumerate(bodies):
            known = {"topic_id": TOPIC_ID, "offset": offset, "project": "shop"}
            one: DeadLetter = letter(value, **(known | fields))
            producer.produce(f"{self._prefix}{DLQ.name}", encode(one), partition=1)
        assert producer.flush(60) == 0

    def replay(self, *arguments: str | Path) -> Ran:
        return self._loopin("dlq", "replay", *arguments)

    def events(self) -> list[dict[str, Any]]:
        """What is on ``events.raw``."""
        return self._read("events.raw", (0, 1))

    def enriched(self) -> list[dict[str, Any]]:
        """What is on ``events.enriched``."""
        return self._read("events.enriched", (0, 1))

    def notes(self) -> list[dict[str, Any]]:
        return self._read("dlq.replayed", (0,))

    def _read(self, topic: str, partitions: Sequence[int]) -> list[dict[str, Any]]:
        settings = {"bootstrap.servers": self._broker, "group.id": "unused", "fetch.wait.max.ms": 10}
        consumer = Consumer(settings | {"enable.partition.eof": True})
        consumer.assign([TopicPartition(f"{self._prefix}{topic}", number, 0) for number in partitions])
        found: list[dict[str, Any]] = []
        left = len(partitions)
        while left:
            for message in consumer.consume(100, 0.2):
                if message.error() is None:
                    found.append(json.loads(message.value()))
                else:
                    left -= 1
        consumer.close()
        return found


@pytest.fixture
def queue(broker: str, topic_prefix: str, loopin: Loopin) -> Queue:
    assert loopin("topics", "apply").code == 0
    return Queue(broker, topic_prefix, loopin)


@pytest.fixture
def mend(tmp_path: Path) -> Path:
    path = tmp_path / "mend.py"
    path.write_text(dedent(MEND))
    return path


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes a shell script the editor; the file is ``$1``."""
    monkeypatch.delenv("VISUAL", raising=False)

    def make(script: str) -> None:
        path = tmp_path / "editor"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("EDITOR", str(path))

    return make


def counts(ran: Ran) -> dict[str, int]:
    """The table at the end."""
    rows = [line.strip("│ ").split("│") for line in ran.out.splitlines() if line.startswith("│")]
    return {name.strip(): int(number.replace(",", "")) for name, number in rows}


def test_a_fix_file_repairs_and_a_second_run_finds_nothing(queue: Queue, mend: Path) -> None:
    queue.put(body(0), body(1, timestamp="2023-11-14T20:00:00Z"))

    first, second = queue.replay("--fix", mend), queue.replay("--fix", mend)

    assert (first.code, first.err) == (0, "")
    assert counts(first) == {"replayed": 2, "skipped: replayed before": 0}
    assert second.code == 0
    assert counts(second) == {"replayed": 0, "skipped: replayed before": 2}
    events = {event["properties"]["at"]: event for event in queue.events()}
    assert len(queue.events()) == 2
    assert {event["distinct_id"] for event in events.values()} == {"u1"}
    assert (events[0]["timestamp"], events[1]["timestamp"]) == (FIRST_MS, "2023-11-14T20:00:00Z")
    assert [event["_origin"] for _, event in sorted(events.items())] == [
        f"{TOPIC_ID}:0:{at}" for at in (0, 1)
    ]
    assert {note["fix"] for note in queue.notes()} == {"mend.py"}


def test_list_and_show_say_what_was_replayed(
    queue: Queue, mend: Path, loopin: Loopin, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.put(body(0), body(1), body(2, distinct_id="u2"))
    queue.replay("--fix", mend, "1:0")
    queue.replay("1:2")

    listed = loopin("dlq", "list").out.splitlines()
    replayed = {row.split("│")[1].strip(): row.split("│")[7].strip() for row in listed if " 1:" in row}
    year = queue.notes()[0]["replayed_at"] // 31_556_952_000 + 1970
    assert replayed["1:1"] == "-"
    assert replayed["1:0"].startswith(f"{year}-")
    [uuid] = [event["uuid"] for event in queue.events() if event["properties"]["at"] == 0]
    assert f"Z as {uuid}, by mend.py\n" in loopin("dlq", "show", "1:0").out
    assert ", as it was\n" in loopin("dlq", "show", "1:2").out
    assert "\nreplayed   -\n" in loopin("dlq", "show", "1:1").out
    monkeypatch.setenv("COLUMNS", "80")
    assert [line.split()[-2] for line in loopin("dlq", "list").out.splitlines() if " 1:" in line] == [
        "yes",
        "-",
        "yes",
    ]


def test_a_dry_run_shows_each_event_and_does_nothing(queue: Queue, mend: Path) -> None:
    queue.put(body(0), body(1, uuid="42"))

    ran = queue.replay("--fix", mend, "--dry-run")

    assert ran.code == 1
    shown = ran.out.splitlines()[0]
    assert shown.startswith('1:0 would be replayed as {"project":"shop","event":"click","distinct_id":"u1"')
    assert f'"timestamp":{FIRST_MS}' in shown
    assert ran.err == "1:1: The uuid is not a UUID; send 8-4-4-4-12 hexadecimal digits, or leave it out.\n"
    assert counts(ran) == {
        "would be replayed": 1,
        "skipped: replayed before": 0,
        "still invalid: uuid_invalid": 1,
    }
    assert queue.events() == queue.notes() == []


def test_as_it_was_what_is_invalid_still_is_left_and_counted_by_reason(queue: Queue) -> None:
    queue.put(body(0), body(1, distinct_id="u1"), b"junk", body(3))

    ran = queue.replay()

    assert ran.code == 1
    assert counts(ran) == {
        "replayed": 1,
        "skipped: replayed before": 0,
        "still invalid: distinct_id_forbidden": 2,
        "still invalid: not_json": 1,
    }
    assert [line.split(": ")[0] for line in ran.err.splitlines()] == ["1:0", "1:2", "1:3"]
    assert [event["properties"]["at"] for event in queue.events()] == [1]
    assert counts(queue.replay("--force"))["replayed"] == 2
    assert len(queue.events()) == 3


def test_options_choose(queue: Queue, mend: Path) -> None:
    queue.put(body(0), reason="too_old")
    queue.put(body(1), offset=1, project="other")
    queue.put(body(2), offset=2, last_seen=FIRST_MS + 3_600_000)

    def done(*options: str) -> int:
        return counts(queue.replay("--fix", mend, "--dry-run", *options))["would be replayed"]

    assert done() == 3
    assert done("--reason", "too_old") == 1
    assert done("--project", "shop") == 2
    assert done("--since", "2023-11-14T23:00:00Z") == 1
    assert done("--since", "2h") == 0
    assert done("--limit", "2") == 2
    assert done("1:1", "1:2", "1:2") == 2


class TestFix:
    @pytest.fixture
    def fix(self, queue: Queue, tmp_path: Path) -> Callable[[str], Ran]:
        def run(source: str) -> Ran:
            path = tmp_path / "fix.py"
            path.write_text(dedent(source))
            return queue.replay("--fix", path)

        return run

    def test_none_leaves_a_letter(self, queue: Queue, fix: Callable[[str], Ran]) -> None:
        queue.put(body(0), body(1, distinct_id="nil"))
        ran = fix(MEND)
        assert (ran.code, ran.err) == (1, "")
        assert counts(ran) == {"replayed": 1, "skipped: replayed before": 0, "left as it is": 1}

    def test_an_error_in_it_leaves_its_letter_only(self, queue: Queue, fix: Callable[[str], Ran]) -> None:
        queue.put(*(body(at) for at in range(30)), body(30, distinct_id="u"))
        ran = fix("def fix(event, letter):\n    return 1 / (event['distinct_id'] != 'null') and event\n")
        assert ran.code == 1
        lines = ran.err.splitlines()
        assert lines[0] == "1:0: fix.py, line 2: ZeroDivisionError: division by zero."
        assert (len(lines), lines[-1]) == (21, "The others that are left are only counted.")
        assert counts(ran) == {"replayed": 1, "skipped: replayed before": 0, "repair failed": 30}
        assert [event["properties"]["at"] for event in queue.events()] == [30]

    def test_an_error_steers_no_terminal(self, queue: Queue, fix: Callable[[str], Ran]) -> None:
        queue.put(body(0))
        ran = fix(f"def fix(event, letter):\n    raise ValueError({HOSTILE!r})\n")
        assert all(c.isprintable() or c == "\n" for c in ran.out + ran.err)

    def test_a_file_that_is_none_is_refused(self, queue: Queue, fix: Callable[[str], Ran]) -> None:
        assert fix("def fix(:").refused() == "fix.py, line 1: SyntaxError: invalid syntax."
        assert fix("").refused() == "fix.py has no function fix: define fix(event, letter)."


class TestEdit:
    def test_each_letter_is_repaired_by_hand(
        self, queue: Queue, editor: Callable[[str], None], tmp_path: Path, loopin: Loopin
    ) -> None:
        queue.put(body(0, properties={"at": 0, "big": 2**70}), body(1), body(2))
        changes = '*1-1*) ;; *1-2*) : > "$1";; *) sed -i s/null/u7/ "$1"'
        editor(f'cp "$1" \'{tmp_path}\'; case "$1" in {changes};; esac')

        ran = queue.replay("--edit")

        assert ran.code == 1
        assert counts(ran) == {"replayed": 1, "skipped: replayed before": 0, "left as it is": 2}
        assert ran.err.splitlines() == [f"1:{at}: It is no JSON." for at in range(3)]
        [event] = queue.events()
        assert (event["distinct_id"], event["properties"]) == ("u7", {"at": 0, "big": 2**70})
        seen = (tmp_path / "letter-1-0.json").read_text()
        assert seen.startswith('{\n  "project": "shop",\n  "event": "click",\n')
        assert json.loads(seen)["distinct_id"] == "null"
        assert ", by edit\n" in loopin("dlq", "show", "1:0").out
        # The second time, only what is left is shown.
        editor('sed -i s/null/u8/ "$1"')
        again = queue.replay("--edit")
        assert again.code == 0
        assert counts(again) == {"replayed": 2, "skipped: replayed before": 1}
        assert counts(queue.replay("--edit")) == {"replayed": 0, "skipped: replayed before": 3}

    def test_bytes_that_are_no_json_can_be_replaced(
        self, queue: Queue, editor: Callable[[str], None]
    ) -> None:
        queue.put(b'{"event": \xff')
        editor(
            "grep -q 'event.*\ufffd' \"$1\" && printf '%s' '"
            + body(0, distinct_id="u1").decode()
            + '\' > "$1"'
        )
        assert queue.replay("--edit", "1:0").code == 0
        assert len(queue.events()) == 1

    def test_what_is_wrong_still_is_left(self, queue: Queue, editor: Callable[[str], None]) -> None:
        queue.put(body(0), body(1))
        editor('case "$1" in *1-0*) echo \'{\' > "$1";; *) sed -i s/null/nil/ "$1";; esac')
        ran = queue.replay("--edit")
        assert ran.code == 1
        assert counts(ran) == {
            "replayed": 0,
            "skipped: replayed before": 0,
            "still invalid: distinct_id_forbidden": 1,
            "still invalid: not_json": 1,
        }
        assert queue.events() == []

    @pytest.mark.parametrize(("again", "users"), [(True, ["u1"]), (False, [])])
    def test_a_person_may_try_again(
        self,
        queue: Queue,
        editor: Callable[[str], None],
        monkeypatch: pytest.MonkeyPatch,
        again: bool,
        users: list[str],
    ) -> None:
        queue.put(body(0))
        editor('if grep -q nil "$1"; then sed -i s/nil/u1/ "$1"; else sed -i s/null/nil/ "$1"; fi')
        asked: list[str] = []

        def confirm(question: str, **_: object) -> bool:
            asked.append(question)
            return again

        monkeypatch.setattr("sys.stdin.isatty", lambda: True)
        monkeypatch.setattr("typer.confirm", confirm)
        ran = queue.replay("--edit")
        assert (ran.code, asked) == (0 if again else 1, ["Edit it again?"])
        assert "would merge unrelated users" in ran.err
        assert [event["distinct_id"] for event in queue.events()] == users

    def test_an_editor_that_fails_replays_nothing(self, queue: Queue, editor: Callable[[str], None]) -> None:
        queue.put(body(0), body(1))
        editor('sed -i s/null/u1/ "$1"; case "$1" in *1-1*) exit 1;; esac')
        ran = queue.replay("--edit")
        assert ran.code == 1
        assert ran.err.splitlines()[-1].endswith("ended with code 1: nothing was replayed.")
        assert queue.events() == []

    def test_a_dry_run_shows_what_was_made_of_it(self, queue: Queue, editor: Callable[[str], None]) -> None:
        queue.put(body(0))
        editor('sed -i s/null/u1/ "$1"')
        ran = queue.replay("--edit", "--dry-run")
        assert ran.out.startswith("1:0 would be replayed as ")
        assert queue.events() == []


def test_letters_of_a_sink_go_back_to_the_sinks(queue: Queue, tmp_path: Path) -> None:
    queue.put(body(0, distinct_id="u1", timestamp=FIRST_MS, _raw_partition=0, _raw_offset="9"), step="sink")
    path = tmp_path / "mend.py"
    path.write_text(
        "def fix(event, letter):\n"
        "    known = {'uuid': '01a2b3c4-0000-7000-8000-00000000000a', 'received_at': event['timestamp']}\n"
        "    return event | known | {'_raw_offset': 9}\n"
    )

    ran = queue.replay()

    assert ran.code == 1
    assert ran.err.startswith("1:0: A sink could not read this record of events.enriched, nor can this")
    assert counts(ran)["still invalid: enriched_event"] == 1
    assert queue.replay("--fix", path).code == 0
    assert counts(queue.replay("--fix", path)) == {"replayed": 0, "skipped: replayed before": 1}
    assert [event["_raw_offset"] for event in queue.enriched()] == [9]
    assert queue.events() == []


def test_a_clients_duplicate_is_counted_apart(queue: Queue, mend: Path) -> None:
    same = "01a2b3c4-0000-7000-8000-00000000000a"
    queue.put(body(0, uuid=same), body(1, uuid=same))

    ran = queue.replay("--fix", mend)

    assert ran.code == 0
    assert counts(ran) == {
        "replayed": 1,
        "skipped: replayed before": 0,
        "skipped: its uuid was replayed from another letter": 1,
    }


def test_a_mistyped_id_is_refused_before_anything_is_done(queue: Queue, mend: Path) -> None:
    queue.put(body(0))

    assert queue.replay("--fix", mend, "1:0", "1:1").refused() == "There is no dead letter 1:1 (any more)."
    assert queue.replay("1-0").refused().startswith("1-0 is no id")
    assert queue.events() == []


def test_options_that_mean_nothing_are_refused(queue: Queue, mend: Path) -> None:
    assert queue.replay("--fix", mend, "--edit").refused() == "Give --fix or --edit, not both."
    assert queue.replay("--since", "soon").refused().startswith("soon is no time: give --since")
    assert queue.replay("--limit", "0").code == 2


def test_without_the_topics_it_says_so(loopin: Loopin, broker: str, topic_prefix: str) -> None:
    sentence = loopin("dlq", "replay").refused()

    assert sentence == f"There is no topic {topic_prefix}events.raw: run `loopin topics apply`."


def test_without_a_broker_it_says_so(loopin: Loopin, nobody: str) -> None:
    assert f"No Kafka broker answers at {nobody}" in loopin("dlq", "replay").refused()


def test_one_that_another_replay_stops_says_so(
    queue: Queue, mend: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.put(body(0))

    async def fenced(*_: object) -> None:
        raise Fenced("as asked")

    monkeypatch.setattr(Outbox, "commit", fenced)
    ran = queue.replay("--fix", mend)
    assert counts(ran)["replayed"] == 0
    assert ran.refused() == (
        "Another `loopin dlq replay` was started, or the broker gave up waiting for this one: what was "
        "replayed stays; run it again for the rest."
    )
