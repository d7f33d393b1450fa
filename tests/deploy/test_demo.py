from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from loopin_deploy import demo
from loopin_deploy.api_client import ApiClient
from loopin_deploy.demo import COMMUNITY, REPEATS, SHOP, Demo, Result
from loopin_deploy.errors import DeployError
from loopin_deploy.own_secrets import load_or_create_secrets
from loopin_deploy.stack import Stack
from loopin_deploy.stack_state import StackState
from loopin_deploy.supervisor import Supervisor
from loopin_producers import DeliveryFailed, Loopin
from loopin_producers.broken_records import broken_records
from loopin_producers.channel import Done
from loopin_producers.replay import Summary
from loopin_streams.kafka.marker import Counts
from loopin_streams.kafka.topic_admin import TopicAdmin, TopicInfo

PARTITIONS = 16
"""Other than the settings' default."""

ROWS = [
    {"event": "view", "distinct_id": "a", "sentiment_label": ""},
    {"event": "view", "distinct_id": "b", "sentiment_label": ""},
    {"event": "review", "distinct_id": "b", "sentiment_label": "positive"},
]


def result(**fields: Any) -> Result:
    known: dict[str, Any] = {
        **{"published": 10, "enriched": 7, "stored": 7, "dead_lettered": 2, "dropped": {"duplicate": 1}},
        **{"events_per_s": 5.0, "p50_ms": None, "p99_ms": None},
    }
    return Result(**(known | fields))


def test_a_run_adds_up_when_every_event_is_accounted_for() -> None:
    assert result().adds_up
    assert result(dropped={"duplicate": 1, "sampled": 2}, published=12).adds_up
    assert not result(stored=6).adds_up
    assert not result(published=11).adds_up


class System:
    """Counts and stored events as the demo sees them, one state a look; the last one stays."""

    def __init__(self, *states: tuple[Counts, int]) -> None:
        self.states = list(states)
        self.shown: list[tuple[int, int]] = []
        self.looks = 0
        self.lags = [(0, 0)]

    def health(self) -> dict[str, Any]:
        """(stream, sink) lags, one pair a look; the last one stays."""
        stream, sink = self.lags[0]
        if len(self.lags) > 1:
            self.lags.pop(0)
        return {"components": {"stream": {"lag": stream}, "sink": {"lag": sink}}}

    async def counts(self, bootstrap: str, state_topic: str, partitions: int) -> Counts:
        assert (state_topic, partitions) == ("loopin.enrich.state", PARTITIONS)
        return self.states[0][0]

    def overview(self) -> dict[str, int]:
        # The second project's answer ends a look; all is stored in the first.
        self.looks += 1
        if self.looks % 2:
            return {"tracked_events": self.states[0][1]}
        if len(self.states) > 1:
            self.states.pop(0)
        return {"tracked_events": 0}


Run = Callable[[System, int], Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run(system, published)``: the demo over a system whose states are given."""
    secrets = load_or_create_secrets(tmp_path / "secrets.json", (SHOP, COMMUNITY))
    stack = Stack(StackState(1, "127.0.0.1:1", "http://x", "http://y"), secrets, cast(Supervisor, None))
    monkeypatch.setattr(demo, "_POLL_S", 0.001)
    monkeypatch.setattr(ApiClient, "latency_ms", lambda _: {"0.5": 3.0})

    def run(system: System, published: int) -> Result:
        monkeypatch.setattr(demo, "job_counts", system.counts)
        monkeypatch.setattr(TopicAdmin, "describe", lambda _: {"enrich.state": TopicInfo("t", PARTITIONS)})
        monkeypatch.setattr(ApiClient, "overview", lambda _: system.overview())
        monkeypatch.setattr(ApiClient, "health", lambda _: system.health())
        one = Demo(
            stack,
            tmp_path,
            on_replayed=lambda _: None,
            on_stored=lambda *pair: system.shown.append(pair),
        )
        monkeypatch.setattr(one, "_publish", lambda: published)
        return asyncio.run(one.run())

    return run


def counts(read: int, passed: int, dead: int = 0, duplicates: int = 0) -> Counts:
    return Counts(
        read=read,
        passed=passed,
        dead_lettered={"not_json": dead} if dead else {},
        dropped={"duplicate": duplicates} if duplicates else {},
    )


def test_a_run_begins_when_what_an_earlier_one_left_is_stored(run: Run) -> None:
    system = System((counts(100, 90, 7, 3), 90), (counts(110, 97, 9, 4), 97))
    system.lags = [(40, 0), (7, 12), (0, 3), (0, 0)]
    done = run(system, 10)
    assert done.adds_up
    assert system.lags == [(0, 0)], "it began with a backlog"


def test_a_run_counts_only_what_it_added_itself(run: Run) -> None:
    system = System(
        (counts(100, 90, 7, 3), 90),
        (counts(104, 93, 8, 3), 91),
        (counts(110, 97, 9, 4), 92),
        (counts(110, 97, 9, 4), 97),
    )

    done = run(system, 10)

    assert done == result(
        published=10, enriched=7, stored=7, dead_lettered=2, events_per_s=done.events_per_s, p50_ms=3.0
    )
    assert done.adds_up
    assert system.shown == [(1, 9), (2, 7), (7, 7)]


def test_nothing_published_is_settled_at_once(run: Run) -> None:
    done = run(System((counts(5, 5), 5), (counts(5, 5), 5)), 0)

    assert (done.published, done.enriched, done.stored, done.dropped) == (0, 0, 0, {})
    assert done.adds_up


def test_a_system_in_which_nothing_moves_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "STALL_S", 0.02)

    with pytest.raises(DeployError, match=r"Nothing has moved for 0 s \(3 of 10 events read\)") as raised:
        run(System((counts(5, 5), 5), (counts(8, 8), 5)), 10)

    assert raised.value.code == "demo_stalled"


def test_samples_count_what_the_export_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ApiClient, "exported", lambda _: iter(ROWS))
    monkeypatch.setattr(
        ApiClient, "overview", lambda _: {"active_users_today": 2, "total_revenue": 12.5, "tracked_events": 3}
    )
    secrets = load_or_create_secrets(tmp_path / "secrets.json", (SHOP, COMMUNITY))
    stack = Stack(StackState(1, "a:1", "http://x", "http://y"), secrets, cast(Supervisor, None))

    shop, community = Demo(stack, tmp_path, on_replayed=print, on_stored=print).samples()

    assert (shop.project, community.project) == (SHOP, COMMUNITY)
    assert (shop.events, shop.users, shop.active_today, shop.revenue) == (3, 2, 2, 12.5)
    assert shop.top_events == [("view", 2), ("review", 1)]
    assert shop.sentiments == {"positive": 1}


def test_a_replay_stops_at_the_next_progress_after_stop(tmp_path: Path) -> None:
    secrets = load_or_create_secrets(tmp_path / "secrets.json", (SHOP, COMMUNITY))
    stack = Stack(StackState(1, "a:1", "http://x", "http://y"), secrets, cast(Supervisor, None))
    seen: list[Summary] = []
    one = Demo(stack, tmp_path, on_replayed=seen.append, on_stored=print)
    now = Summary(1, 0, 0, 0, 9, 0, 0.1, False)

    one._progress(now)
    one.stop()
    with pytest.raises(asyncio.CancelledError):
        one._progress(now)

    assert seen == [now, now]


class Broker:
    """Stands in for the client: acknowledges each record at once."""

    project = COMMUNITY
    disabled = False
    max_queue_size = 1000

    def __init__(self) -> None:
        self.values: list[bytes] = []

    def wait_for_room(self, limit: int, timeout: float) -> bool:
        return True

    def flush(self, timeout: float) -> int:
        return 0

    def publish_record(self, key: bytes, value: bytes, done: Done) -> None:
        self.values.append(value)
        done(None, 0, 0)


def uuids(values: list[bytes]) -> list[str]:
    """Of the records that are events with one; broken ones have none."""
    return [value.decode().split('"uuid":"')[1][:36] for value in values if b'"uuid":"' in value]


def test_each_run_brings_the_community_up_to_now_with_repeats_and_broken_records(tmp_path: Path) -> None:
    secrets = load_or_create_secrets(tmp_path / "secrets.json", (SHOP, COMMUNITY))
    stack = Stack(StackState(1, "a:1", "http://x", "http://y"), secrets, cast(Supervisor, None))
    broken = len(list(broken_records(COMMUNITY)))
    noon_ms = 1_772_452_800_000
    runs = []
    for now_ms in (noon_ms, noon_ms, noon_ms + 6 * 3_600_000):
        client = Broker()
        Demo(stack, tmp_path, on_replayed=print, on_stored=print)._simulate(cast(Loopin, client), now_ms)
        assert len(client.values) - len(uuids(client.values)) == broken
        runs.append(uuids(client.values))

    first, again, later = runs
    assert len(first) - len(set(first)) == REPEATS
    assert first[-REPEATS:] == first[-2 * REPEATS : -REPEATS]
    assert len(first) > 3_000
    assert again == []
    assert len(later) - len(set(later)) == REPEATS
    assert not set(first) & set(later)
    assert len(later) < len(first) / 4


def test_a_community_that_cannot_be_published_is_said(tmp_path: Path) -> None:
    secrets = load_or_create_secrets(tmp_path / "secrets.json", (SHOP, COMMUNITY))
    stack = Stack(StackState(1, "a:1", "http://x", "http://y"), secrets, cast(Supervisor, None))
    client = Broker()
    failure = DeliveryFailed("The broker is gone", kafka_error="_ALL_BROKERS_DOWN")
    client.publish_record = lambda key, value, done: done(failure, 0, 0)  # type: ignore[method-assign]

    with pytest.raises(DeployError, match=r"run the simulation again") as raised:
        Demo(stack, tmp_path, on_replayed=print, on_stored=print)._simulate(
            cast(Loopin, client), 1_772_452_800_000
        )

    assert raised.value.code == "simulation_ended"
