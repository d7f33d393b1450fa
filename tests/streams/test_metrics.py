from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from prometheus_client import generate_latest

from loopin_streams.kafka.marker import Counts
from loopin_streams.kafka.runner import Runner
from loopin_streams.metrics import registry_of


def exposed(counts: Counts, opened: frozenset[int]) -> list[str]:
    runner: Any = SimpleNamespace(job=SimpleNamespace(name="enrich"), counts=lambda: counts, opened=opened)
    text = generate_latest(registry_of(cast(Runner, runner))).decode()
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_the_markers_counts_by_outcome() -> None:
    counts = Counts(read=10, passed=6, dead_lettered={"not_json": 1}, dropped={"duplicate": 3})
    assert exposed(counts, frozenset({0, 3})) == [
        'loopin_events_read_total{job="enrich"} 10.0',
        'loopin_events_passed_total{job="enrich"} 6.0',
        'loopin_events_dropped_total{job="enrich",reason="duplicate"} 3.0',
        'loopin_events_dead_lettered_total{job="enrich",reason="not_json"} 1.0',
        'loopin_partitions_open{job="enrich"} 2.0',
    ]


def test_a_worker_without_partitions_counts_nothing() -> None:
    assert 'loopin_partitions_open{job="enrich"} 0.0' in exposed(Counts(), frozenset())
