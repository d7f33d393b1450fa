"""Input that would mislead a stream: clocks that run ahead, a backlog, records in the wrong partition."""

from __future__ import annotations

import json
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.faults.oracle import WindowKey
from tests.streams.conftest import Run, Scenario
from tests.streams.exactly_once import event
from tests.streams.installation import Installation, wait_until
from tests.streams.rebuild import damage
from tests.streams.rebuild.dated import HOUR, MINUTE, date_by_clients, now_ms, publish_dated
from tests.streams.rebuild.numbers import (
    expected_of,
    markers,
    newest,
    published,
    raw_records,
    varied,
    wait_all_absorbed,
    wait_numbers,
)


def enriched(installation: Installation) -> list[dict[str, Any]]:
    return [
        json.loads(record.value() or b"") for part in installation.read("events.enriched") for record in part
    ]


def watermarks(installation: Installation) -> list[int]:
    found = [marker for marker in markers(installation) if marker is not None]
    return [marker["watermark"] for marker in found]


# A client whose clock runs ahead.


def a_clock_that_runs_23_hours_ahead(installation: Installation) -> None:
    """It closes nobody's windows and moves no watermark; its own events count in the windows it names."""
    ahead = 23 * HOUR - 5 * MINUTE
    worker = installation.start()
    for seed in range(3):
        at = now_ms()
        wrong = [(f"w{n % 3}", event(f"w{n % 3}", timestamp=at + ahead + n)) for n in range(30)]
        installation.publish([*varied(100, seed), *wrong, *varied(100, 10 + seed)])
        wait_all_absorbed(installation)
        assert max(watermarks(installation)) <= now_ms() - MINUTE
    wait_numbers(installation)
    assert worker.terminate() == 0
    events = enriched(installation)
    assert not [each for each in events if "late" in each]
    assert sum(each["timestamp"] > now_ms() + 22 * HOUR for each in events) == 90
    # A new worker restores the same.
    installation.publish(varied(100, 20))
    installation.start()
    wait_numbers(installation)


# A backlog.


def a_backlog_of_hours_after_downtime(installation: Installation) -> None:
    """Windows close by the events' times while the backlog lasts, each with its final numbers."""
    date_by_clients(installation)
    begun = now_ms() - 5 * HOUR
    bodies = varied(600, 1)
    publish_dated(installation, [(begun + at * 30_000, user, body) for at, (user, body) in enumerate(bodies)])
    # Small batches, so that the backlog is seen from within.
    worker = installation.start(max_events=20, linger_s=0)
    wait_numbers(installation)
    wait_until(lambda: {"minute", "hour"} <= {key.grain for key, _ in _closed(installation)}, "windows close")
    assert worker.terminate() == 0
    assert not [each for each in enriched(installation) if "late" in each]
    _assert_watermarks_follow_the_events(installation)
    final = expected_of(raw_records(installation)).windows
    for key, count in _closed(installation):
        assert count == final[key].count, f"{key} was closed early"


def _closed(installation: Installation) -> list[tuple[WindowKey, int]]:
    """The counts of windows, but for those of the stream itself, whenever they were published as closed."""
    rows = [json.loads(record.value() or b"") for part in installation.read("metrics") for record in part]
    return [
        (
            WindowKey(
                *(row["project"], row["metric"], row.get("dimension", ""), row.get("value", "")),
                *(row["grain"], row["start"]),
            ),
            row["count"],
        )
        for row in rows
        if row.get("closed") and not row["metric"].startswith("records_")
    ]


def _assert_watermarks_follow_the_events(installation: Installation) -> None:
    """No marker that stands before the log's end names a later time than the events it has absorbed."""
    raw = installation.read("events.raw")
    for number, part in enumerate(installation.read("enrich.state")):
        before = {"position": 0}
        for record in part:
            if record.key() != b"m":
                continue
            marker = json.loads(record.value() or b"{}")
            absorbed = [r.timestamp()[1] for r in raw[number] if r.offset() < marker["position"]]
            if len(absorbed) < len(raw[number]):
                assert marker.get("watermark", 0) <= max(absorbed, default=0) - MINUTE
            assert marker["position"] >= before["position"]
            before = marker


# Records in the wrong partition.


def records_in_the_wrong_partition(installation: Installation) -> None:
    """Each is moved once and counted once, and a user's stay in the order they came in."""
    installation.publish(varied(200, 1))
    worker = installation.start(max_events=7)
    wait_numbers(installation)
    homes = {
        key.decode(): number for number, part in enumerate(newest(installation, "profiles")) for key in part
    }
    known = [user.partition(":")[2] for user in homes][:4]
    strangers = [f"s{number}" for number in range(6)]
    producer = Producer(
        {"bootstrap.servers": installation.settings.kafka_bootstrap, "enable.idempotence": True}
    )
    topic = installation.settings.topic("events.raw")
    sent: dict[str, list[int]] = {}
    for at in range(300):
        user = [*known, *strangers][at % 10]
        sent.setdefault(user, []).append(at)
        # Some without a uuid: the one derived from their first place must stay.
        uuid = {} if at % 3 else {"uuid": None}
        fields = {"properties": {"at": at}} | uuid
        body = {k: v for k, v in json.loads(event(user, **fields)).items() if v is not None}
        partition = 1 - homes[f"demo:{user}"] if user in known else 1
        producer.produce(topic, json.dumps(body), key=f"demo:{user}", partition=partition)
    assert producer.flush(60) == 0
    wait_all_absorbed(installation)
    wait_until(lambda: len(_marked(installation, sent)) == 300, "all have been enriched")
    wait_all_absorbed(installation)
    number = len(enriched(installation))
    wait_until(lambda: _events_of_days(installation) == number, "the windows count each event once")
    assert worker.terminate() == 0
    found = _marked(installation, sent)
    for user, order in sent.items():
        mine = [(number, at) for number, name, at in found if name == user]
        assert len({number for number, _ in mine}) == 1, f"{user} is in two partitions"
        assert [at for _, at in mine] == order
    moved = sum((m or {})["counts"].get("dropped", {}).get("moved", 0) for m in markers(installation))
    right = sum(1 for number, name, _ in found if name in strangers and number == 1)
    assert moved == 300 - right
    assert 0 < right < 180, "strangers belong to both partitions"
    events = {user: count for user, count in _profile_events(installation).items() if user in strangers}
    assert events == {user: len(sent[user]) for user in strangers}
    # What was moved is moved no more by the next worker.
    installation.publish(varied(50, 2))
    installation.start()
    wait_all_absorbed(installation)
    assert sum((m or {})["counts"].get("dropped", {}).get("moved", 0) for m in markers(installation)) == moved


def _events_of_days(installation: Installation) -> int:
    return sum(
        measures.count
        for key, measures in published(installation).items()
        if (key.metric, key.dimension, key.grain) == ("events", "", "day")
    )


def _marked(installation: Installation, users: dict[str, list[int]]) -> list[tuple[int, str, int]]:
    """Partition, user and number of the enriched events that carry one, in order."""
    return [
        (number, each["distinct_id"], each["properties"]["at"])
        for number, part in enumerate(installation.read("events.enriched"))
        for each in (json.loads(record.value() or b"") for record in part)
        if "at" in each.get("properties", {}) and each["distinct_id"] in users
    ]


def _profile_events(installation: Installation) -> dict[str, int]:
    return {
        key.decode().partition(":")[2]: json.loads(record.value() or b"")["events"]
        for part in newest(installation, "profiles")
        for key, record in part.items()
    }


# A partition whose state is refused, beside one that is well.


def a_newer_worker_beside_an_older_one(installation: Installation) -> None:
    """What a newer version has written is left alone; the other partition goes on."""
    installation.publish(varied(200, 1))
    worker = installation.start()
    wait_numbers(installation)
    assert worker.terminate() == 0
    newer = newest(installation, "enrich.state")[0][b"m"].value() or b""
    damage.write(installation, "enrich.state", 0, b"m", newer[:-1] + b',"version":2,"later":[1]}')
    before = [len(part) for part in installation.read("enrich.state")]
    installation.publish(varied(200, 2))
    worker = installation.start()
    raw = installation.read("events.raw")
    wait_until(
        lambda: (markers(installation)[1] or {})["position"] > (raw[1][-1].offset() or 0),
        "the other partition is absorbed",
    )
    wait_until(lambda: "code=state_version" in worker.said(), "it refuses the partition")
    assert "run that version" in worker.said()
    assert not worker.ended
    after = [len(part) for part in installation.read("enrich.state")]
    assert after[0] == before[0]
    assert after[1] > before[1]


SCENARIOS: dict[str, Scenario] = {
    "clock ahead": a_clock_that_runs_23_hours_ahead,
    "backlog": a_backlog_of_hours_after_downtime,
    "wrong partition": records_in_the_wrong_partition,
    "two versions": a_newer_worker_beside_an_older_one,
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_trouble(side_by_side: Run, scenario: Scenario) -> None:
    side_by_side(scenario)
