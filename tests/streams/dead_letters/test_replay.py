"""Replays on the real broker: each letter once, whatever happens to them."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from time import time
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from loopin_schemas.dead_letter import DeadLetter, fingerprint
from loopin_streams.dead_letters.letters import LetterId, Selection
from loopin_streams.dead_letters.repair import Left, Ready
from loopin_streams.kafka.outbox import Outbox
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.streams.conftest import Install, Run, Scenario
from tests.streams.dead_letters.dead import FIRST_MS, TOPIC_ID, body, letter
from tests.streams.dead_letters.on_broker import notes, put, raw_events, replay_of, replayed, start
from tests.streams.installation import Installation, wait_until
from tests.streams.kafka.topic_config import set_config

pytestmark = pytest.mark.usefixtures("collected")

LETTERS = 30


def some_letters(number: int = LETTERS, **fields: Any) -> list[DeadLetter]:
    """Letters of valid events, each with a user and a uuid of its own, in both partitions."""
    return [
        letter(
            body(distinct_id=f"u{at}", uuid=f"01a2b3c4-0000-7000-8000-{at:012}"),
            **({"partition": at % 2, "offset": at} | fields),
        )
        for at in range(number)
    ]


def assert_each_once(installation: Installation, number: int = LETTERS) -> None:
    """Every letter's event is on ``events.raw`` once, and noted once."""
    users = Counter(event["distinct_id"] for event in raw_events(installation))
    assert users == {f"u{at}": 1 for at in range(number)}
    assert set(notes(installation)) == {f"{TOPIC_ID}:{at % 2}:{at}" for at in range(number)}


def test_twice_is_once(installation: Installation) -> None:
    put(installation, some_letters())
    first, second = replayed(installation), replayed(installation)
    assert (first.replayed, first.already) == (LETTERS, 0)
    assert (second.replayed, second.already) == (0, LETTERS)
    assert_each_once(installation)
    note = notes(installation)[f"{TOPIC_ID}:0:4"]
    assert note.pop("replayed_at") > 1_700_000_000_000
    assert note == {
        "place": f"{TOPIC_ID}:0:4",
        "origin": f"{TOPIC_ID}:0:4",
        "project": "demo",
        "uuid": "01a2b3c4-0000-7000-8000-000000000004",
        "first_seen": FIRST_MS,
    }


def test_an_event_goes_where_every_client_would_put_it(installation: Installation) -> None:
    installation.publish([(f"u{at}", body(distinct_id=f"u{at}", uuid=None)) for at in range(LETTERS)])
    where = {event["key"]: event["in"] for event in raw_events(installation)}
    put(installation, some_letters())
    replayed(installation)
    again = [event for event in raw_events(installation) if event.get("_origin")]
    assert {event["key"]: event["in"] for event in again} == where
    assert set(where.values()) == {0, 1}


def test_a_users_events_keep_their_order(installation: Installation) -> None:
    put(
        installation,
        [letter(body(uuid=None, properties={"at": at}), partition=1, offset=at) for at in range(1200)],
    )
    assert replayed(installation).replayed == 1200
    assert [event["properties"]["at"] for event in raw_events(installation)] == list(range(1200))


@pytest.fixture(scope="module")
def queue(install: Install) -> Installation:
    installation = install()
    a, b, c = (body(distinct_id=user, uuid=None) for user in "abc")
    put(
        installation,
        [
            letter(a, partition=0, offset=1, reason="too_old", project="shop"),
            letter(b, partition=0, offset=2, last_seen=FIRST_MS + 5, project="shop"),
            letter(c, partition=1, offset=3, last_seen=FIRST_MS + 9),
        ],
    )
    return installation


@pytest.mark.parametrize(
    ("selection", "limit", "users"),
    [
        (Selection(reason="too_old"), None, "a"),
        (Selection(), None, "abc"),
        (Selection(project="shop"), None, "ab"),
        (Selection(project="shop"), 1, "a"),
        (Selection(since=FIRST_MS + 5), None, "bc"),
        (Selection(since=FIRST_MS + 6), None, "c"),
        (Selection(project="shop", since=FIRST_MS + 6), None, ""),
        (Selection(ids=(LetterId(1, 0), LetterId(0, 1), LetterId(0, 1))), None, "cb"),
        (Selection(ids=(LetterId(1, 0), LetterId(7, 0), LetterId(0, 9))), None, "c"),
        (Selection(ids=()), None, ""),
    ],
)
async def test_a_selection_chooses(
    queue: Installation, selection: Selection, limit: int | None, users: str
) -> None:
    told: list[str] = []

    def watch(_: object, outcome: Ready | Left) -> None:
        assert isinstance(outcome, Ready)
        told.append(json.loads(outcome.body)["distinct_id"])

    run = replay_of(queue, selection=selection, limit=limit, watch=watch)
    await run.preview()
    assert "".join(told) == users
    assert raw_events(queue) == []
    assert notes(queue) == {}


async def test_a_limit_goes_on_where_it_stopped(installation: Installation) -> None:
    put(installation, some_letters())
    for _ in range(3):
        run = replay_of(installation, limit=10)
        await run.run()
        assert run.summary.replayed == 10
    assert_each_once(installation)


def test_a_clients_duplicates_count_once(installation: Installation) -> None:
    twice = some_letters(4) + some_letters(4, partition=1, topic_id=TOPIC_ID.replace("6", "7"))
    twice[7] = letter(body(distinct_id="other", project="other", uuid="01a2b3c4-0000-7000-8000-000000000003"))
    twice[7].partition = 1
    put(installation, twice)
    first, second = replayed(installation), replayed(installation)
    assert (first.replayed, first.repeated, not first.left) == (5, 3, True)
    assert (second.replayed, second.already, second.repeated) == (0, 5, 3)
    assert len(raw_events(installation)) == 5


def test_a_record_that_a_sink_wrote_twice_counts_once(installation: Installation) -> None:
    put(installation, [*some_letters(3), *some_letters(3)])
    found = replayed(installation)
    assert (found.replayed, found.already) == (3, 3)
    assert_each_once(installation, 3)


def test_letters_that_outlived_their_time_are_left(installation: Installation) -> None:
    # The broker would let go of them in its own time.
    set_config(installation.settings, "events.dlq", "retention.ms", "-1")
    put(installation, some_letters(1), timestamp=int((time() - 30.01 * 86400) * 1000))
    put(installation, some_letters(2)[1:], timestamp=int((time() - 29.99 * 86400) * 1000))
    found = replayed(installation)
    assert (found.replayed, found.left) == (1, {("unreplayable", "expired"): 1})


def test_a_cut_body_that_the_log_has_lost_is_left(installation: Installation) -> None:
    settings = installation.settings
    installation.publish([("u1", value := body(properties={"a": "x" * 270_000}))])
    [at] = [number for number, records in enumerate(installation.read("events.raw")) if records]
    topic_id = TopicAdmin(settings).describe()["events.raw"].id
    cut = {"size": len(value), "body": value[:262_144], "sha256": fingerprint(value), "partition": at}
    put(
        installation,
        [
            letter(value, **cut, topic_id=topic_id, offset=0),
            letter(value, **cut, topic_id=topic_id, offset=1),
            letter(value, **cut, topic_id=TOPIC_ID, offset=0),
            letter(value, **(cut | {"sha256": fingerprint(b"")}), topic_id=topic_id, offset=0),
        ],
    )
    assert replayed(installation).left == {("invalid", "too_large"): 1, ("unreplayable", "cut"): 3}

    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
    gone = TopicPartition(settings.topic("events.raw"), at, 1)
    for future in admin.delete_records([gone]).values():
        future.result(60)
    assert replayed(installation).left == {("unreplayable", "cut"): 4}


def test_what_is_left_is_told_and_the_rest_goes_on(installation: Installation) -> None:
    bad = [
        letter(b"junk", partition=0, offset=100),
        letter(body(distinct_id="null"), partition=1, offset=101),
        letter(b"[" * 300_000, partition=1, offset=102, body=b"[" * 262_144, size=300_000),
        letter(b'{"_raw_offset": 1}', partition=0, offset=103, step="sink"),
    ]
    put(installation, [*bad[:2], *some_letters(3), *bad[2:]])
    told: dict[int, tuple[str, str]] = {}

    def watch(found: Any, outcome: Ready | Left) -> None:
        if isinstance(outcome, Left):
            told[found.letter.offset] = (outcome.kind, outcome.reason)

    found = replayed(installation, watch=watch)
    assert told == {
        100: ("invalid", "not_json"),
        101: ("invalid", "distinct_id_forbidden"),
        102: ("unreplayable", "cut"),
        103: ("invalid", "enriched_event"),
    }
    assert found.left == Counter(told.values())
    assert_each_once(installation, 3)


def test_nothing_to_replay_is_nothing_done(installation: Installation) -> None:
    found = replayed(installation)
    assert (found.replayed, found.already, not found.left) == (0, 0, True)


async def test_a_note_that_cannot_be_read_still_counts(installation: Installation) -> None:
    put(installation, some_letters(2))
    producer = Producer({"bootstrap.servers": installation.settings.kafka_bootstrap})
    topic = installation.settings.topic("dlq.replayed")
    producer.produce(topic, b"junk", key=f"{TOPIC_ID}:0:0".encode())
    producer.produce(topic, b"junk")
    assert producer.flush(60) == 0
    run = replay_of(installation)
    await run.run()
    assert (run.summary.replayed, run.summary.already) == (1, 1)


def test_what_fails_again_meanwhile_is_not_for_the_same_run(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopin_streams.dead_letters.replay.MAX_LETTERS", 1)
    put(installation, some_letters(1))
    again = letter(body(uuid=None), partition=1, offset=99)
    assert replayed(installation, watch=lambda *_: put(installation, [again])).replayed == 1
    assert replayed(installation).replayed == 1


def test_what_another_replays_until_it_is_fenced_is_known(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(installation, some_letters())
    start = Outbox.start

    async def start_late(outbox: Outbox) -> None:
        monkeypatch.setattr(Outbox, "start", start)
        await replay_of(installation).run()
        await start(outbox)

    monkeypatch.setattr(Outbox, "start", start_late)
    assert replayed(installation).already == LETTERS
    assert_each_once(installation)


# Kills and zombies.


def killed_at(point: str, passing: int, *, committed: int) -> Scenario:
    def scenario(installation: Installation) -> None:
        put(installation, some_letters())
        with start(installation, point, passing, "SIGKILL") as process:
            assert process.wait(300) == -signal.SIGKILL
        found = replayed(installation)
        assert (found.already, found.replayed) == (committed, LETTERS - committed)
        assert_each_once(installation)

    return scenario


def a_second_one_stops_the_first(installation: Installation) -> None:
    put(installation, some_letters())
    with start(installation, "before_commit", 2, "SIGSTOP") as process:
        status = Path(f"/proc/{process.pid}/status")
        wait_until(lambda: "State:\tT" in status.read_text(), "the first one has stopped")
        found = replayed(installation)
        assert (found.already, found.replayed) == (10, 20)
        os.kill(process.pid, signal.SIGCONT)
        assert process.wait(300) == 3
    assert_each_once(installation)
    assert replayed(installation).already == LETTERS


def all_at_once(installation: Installation) -> None:
    put(installation, some_letters())
    processes = [start(installation, "never", 1, "SIGKILL") for _ in range(3)]
    codes = [process.wait(300) for process in processes]
    assert set(codes) <= {0, 3}
    assert 0 in codes
    assert replayed(installation).already == LETTERS
    assert_each_once(installation)


SCENARIOS: dict[str, Scenario] = {
    "killed when a transaction has begun": killed_at("begun", 1, committed=0),
    "killed when events are sent": killed_at("sent:events.raw", 2, committed=0),
    "killed when the notes are sent": killed_at("sent:dlq.replayed", 1, committed=0),
    "killed before the commit": killed_at("before_commit", 2, committed=10),
    "killed after a commit": killed_at("after_commit", 2, committed=20),
    "a second one stops the first": a_second_one_stops_the_first,
    "three at once": all_at_once,
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_each_counts_once(side_by_side: Run, scenario: Scenario) -> None:
    side_by_side(scenario)
