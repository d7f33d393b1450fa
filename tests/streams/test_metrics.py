"""What workers tell Prometheus, against numbers that are known without them."""

from __future__ import annotations

import json
import time
import uuid
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric

from loopin_streams.kafka.marker import Counts, Marker
from loopin_streams.kafka.runner import Runner
from loopin_streams.metrics import (
    LAG_METRICS,
    STREAM_METRICS,
    LagCollector,
    RunnerCollector,
    register_process,
)
from tests.plain_http import ask
from tests.streams.installation import Installation, wait_until
from tests.streams.scraped import Scraped, address

GOOD, BROKEN, REPEATED, LATE = 300, 7, 20, 5
USERS = 30
A_MONTH_MS = 30 * 86_400_000


def body(user: str, **fields: Any) -> bytes:
    """An event that happens now, with a uuid of its own."""
    now = int(time.time() * 1000)
    event = {"project": "demo", "event": "click", "distinct_id": user, "timestamp": now}
    return json.dumps(event | {"uuid": str(uuid.uuid4())} | fields).encode()


def published() -> list[tuple[str, bytes]]:
    """Good events of every user, some of them twice, and broken ones in between."""
    good = [(f"u{at % USERS}", body(f"u{at % USERS}")) for at in range(GOOD)]
    broken = [(f"u{at}", b"{broken %d" % at) for at in range(BROKEN)]
    return [*good[: GOOD // 2], *broken, *good[GOOD // 2 :], *good[:REPEATED]]


def test_a_worker_counts_what_was_published(installation: Installation) -> None:
    worker = installation.start()
    url = address(worker)
    installation.publish(published())
    everything = GOOD + BROKEN + REPEATED

    def scrape() -> Scraped:
        status, text = ask(f"{url}/metrics")
        assert status == 200
        return Scraped.of(text)

    wait_until(
        lambda: scrape().total("loopin_events_read_total", consumer="enrich") == everything,
        f"{everything} records are read",
    )
    # Their windows are known by now, so that an event of last month is too late for all of them.
    now = int(time.time() * 1000)
    late = [(f"u{at}", body(f"u{at}", timestamp=now - A_MONTH_MS)) for at in range(LATE)]
    installation.publish(late)
    wait_until(
        lambda: scrape().total("loopin_events_read_total", consumer="enrich") == everything + LATE,
        "late ones too",
    )
    wait_until(
        lambda: scrape().total("loopin_consumer_lag_events") == 0.0,
        "nothing waits, neither of events nor of windows",
    )

    found = scrape()

    enrich = {"consumer": "enrich"}
    assert found.by("loopin_events_dead_lettered_total", "reason", **enrich) == {"not_json": BROKEN}
    assert found.by("loopin_events_dropped_total", "reason", **enrich) == {"duplicate": REPEATED}
    assert found.by("loopin_events_late_total", "window", **enrich) == {"day": LATE}
    assert found.total("loopin_events_passed_total", **enrich) == GOOD + LATE
    assert len(found.by("loopin_events_read_total", "partition", **enrich)) == 2
    assert found.total("loopin_partitions_open", **enrich) == 2
    assert found.total("loopin_consumer_lag_seconds", **enrich) == 0
    assert found.total("loopin_consumer_stalled_partitions") == 0
    held = found.by("loopin_state_entries", "kind", **enrich)
    assert (held["profiles"], held["seen"]) == (USERS, GOOD + LATE)
    assert held["windows"] >= 2 * 3, "a minute, an hour and a day in each partition"
    assert held["series"] > held["windows"]
    events = found.by("loopin_step_events_total", "step")
    assert events["decode"] == events["state"] == everything + LATE
    assert events["validate"] == GOOD + REPEATED + LATE, "broken ones have ended at decode"
    assert events["encode"] == GOOD + LATE, "repeated ones at duplicate"
    assert all(seconds >= 0 for seconds in found.by("loopin_step_cpu_seconds_total", "step").values())
    assert found.total("loopin_batch_events_sum", **enrich) == everything + LATE
    batches = found.total("loopin_batch_events_count", **enrich)
    assert batches is not None
    assert batches >= (everything + LATE) / 100, "the worker was told to take 100 at a time"
    assert found.total("loopin_batch_duration_seconds_count", **enrich) == batches
    transactions = found.total("loopin_transaction_duration_seconds_count", **enrich)
    assert transactions is not None
    assert transactions >= batches
    assert found.total("loopin_restore_duration_seconds_count", **enrich) == 2
    assert 50 < (found.total("loopin_watermark_delay_seconds", **enrich) or 0) < 200
    assert (found.total("process_resident_memory_bytes") or 0) > 20 << 20
    assert found.total("loopin_role_info", role="stream") == 1
    installation.publish([(f"u{at}", b"{") for at in range(40)])
    wait_until(
        lambda: (scrape().total("loopin_dead_letter_ratio", **enrich) or 0) > BROKEN / GOOD,
        "the broken ones of the last minute weigh",
    )


def partition(counts: Counts, watermark_ms: int | None = None, **held: int) -> Any:
    marker = Marker(topic_id="t", position=0, counts=counts, watermark=watermark_ms)
    return SimpleNamespace(marker=marker, absorber=SimpleNamespace(holds=lambda: held))


def exposed(partitions: dict[int, Any]) -> list[str]:
    runner: Any = SimpleNamespace(job=SimpleNamespace(name="enrich"), partitions=partitions)
    registry = CollectorRegistry()
    registry.register(RunnerCollector([cast(Runner, runner)], lambda: {"decode": (0.25, 100)}))
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_the_markers_counts_by_partition_and_reason() -> None:
    counts = Counts(
        read=10, passed=6, dead_lettered={"not_json": 1}, dropped={"duplicate": 3}, late={"hour": 2}
    )
    lines = exposed({0: partition(counts, seen=4), 3: partition(Counts(read=1, passed=1), seen=1)})
    assert lines == [
        'loopin_events_read_total{consumer="enrich",partition="0"} 10.0',
        'loopin_events_read_total{consumer="enrich",partition="3"} 1.0',
        'loopin_events_passed_total{consumer="enrich",partition="0"} 6.0',
        'loopin_events_passed_total{consumer="enrich",partition="3"} 1.0',
        'loopin_events_dropped_total{consumer="enrich",partition="0",reason="duplicate"} 3.0',
        'loopin_events_dead_lettered_total{consumer="enrich",partition="0",reason="not_json"} 1.0',
        'loopin_events_late_total{consumer="enrich",partition="0",window="hour"} 2.0',
        'loopin_partitions_open{consumer="enrich"} 2.0',
        'loopin_state_entries{consumer="enrich",kind="seen"} 5.0',
        'loopin_step_cpu_seconds_total{step="decode"} 0.25',
        'loopin_step_events_total{step="decode"} 100.0',
    ]


def test_the_least_watermark_counts() -> None:
    now_ms = int(time.time() * 1000)
    lines = exposed(
        {
            0: partition(Counts(), now_ms - 60_000),
            1: partition(Counts(), now_ms - 90_000),
            2: partition(Counts()),
        }
    )
    delay = next(line for line in lines if line.startswith("loopin_watermark_delay_seconds"))
    assert float(delay.split()[-1]) == pytest.approx(90, abs=5)


def test_a_worker_without_partitions_counts_nothing() -> None:
    assert 'loopin_partitions_open{consumer="enrich"} 0.0' in exposed({})
    assert not [line for line in exposed({}) if line.startswith("loopin_events")]


def families(*collectors: Any) -> dict[str, Metric]:
    return {family.name: family for collector in collectors for family in collector.collect()}


def test_every_declared_metric_is_collected_and_no_other() -> None:
    runner: Any = SimpleNamespace(job=SimpleNamespace(name="enrich"), partitions={})
    watch: Any = SimpleNamespace(lag=lambda _: None)
    found = families(RunnerCollector([runner], dict), LagCollector(watch, ["enrich"]))
    declared = {one.name: one for one in (*STREAM_METRICS, *LAG_METRICS)}
    assert found.keys() == declared.keys()
    for name, one in declared.items():
        assert (found[name].type, found[name].documentation) == (one.kind, one.help)


def test_every_role_tells_its_name_and_its_memory() -> None:
    registry = CollectorRegistry()
    register_process(registry, "sink")
    found = Scraped.of(generate_latest(registry).decode())
    assert found.total("loopin_role_info", role="sink") == 1
    assert (found.total("process_resident_memory_bytes") or 0) > 1 << 20
    assert found.total("process_cpu_seconds_total") is not None
