"""docs/operations.md: current, and every metric that a role really tells is on it, and no other."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from loopin_api.instruments import Instruments
from loopin_deploy.operations_docs import main, page, sections
from loopin_sinks.alerts.watcher import AlertWatcher
from loopin_sinks.metered_store import MeteredStore
from loopin_sinks.metrics import SinkCollector
from loopin_sinks.notify.tally import NotifyCollector
from loopin_sinks.rollups.metrics import RollupCollector
from loopin_sinks.settings import SinkSettings
from loopin_sinks.tasks.metrics import TaskCollector
from loopin_streams.kafka.config_log import ConfigLog
from loopin_streams.kafka.config_metrics import ConfigCollector
from loopin_streams.kafka.lag import Lag
from loopin_streams.kafka.meter import Meters
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.learning.model_metrics import ModelCollector
from loopin_streams.learning.models import Models
from loopin_streams.metrics import jobs_registry

ROOT = Path(__file__).parents[2]
UNITS = ("seconds", "bytes", "events", "ratio", "info")
"""Base units, and what stands for none."""


def watch() -> Any:
    return SimpleNamespace(lag=lambda _: Lag(), silent_s=lambda _: 0.0, consumers=("enrich",))


def told_by_a_worker() -> CollectorRegistry:
    runner: Any = SimpleNamespace(job=SimpleNamespace(name="enrich"), partitions={})
    return jobs_registry("stream", [runner], dict, watch(), Meters())


def told_by_a_sink() -> CollectorRegistry:
    registry = CollectorRegistry()
    store: Any = None
    MeteredStore(store, registry)
    latency = SimpleNamespace(percentiles=lambda _: [1.0])
    writer = SimpleNamespace(stored_rows=0, unreadable=0, newest_received_ms=None, latency=latency)
    sink: Any = SimpleNamespace(read_records=0, writer=writer)
    windows: Any = SimpleNamespace(table="metric_windows", read_records=0, stored_rows=0, unreadable=0)
    repairer: Any = SimpleNamespace(repaired=0, pending=None, failing=None)
    registry.register(SinkCollector(sink, [windows], repairer, watch(), "enrich"))
    runner: Any = SimpleNamespace(
        ended={("calculate_metrics", "done"): 1},
        succeeded={"calculate_metrics": datetime.now(UTC)},
        failing=None,
    )
    registry.register(TaskCollector(runner))
    roller: Any = SimpleNamespace(rolled=0, behind_s=None, failing=None)
    registry.register(RollupCollector(roller))
    unused: Any = None
    settings = SinkSettings()
    registry.register(
        AlertWatcher(
            settings, store, ConfigLog(settings), scope_of=unused, health=unused, leads=lambda: False
        )
    )
    return registry


def told_by_a_trainer() -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(ModelCollector(Models))
    return registry


def told_by_an_api() -> CollectorRegistry:
    registry = Instruments().registry
    registry.register(ConfigCollector(ConfigLog(KafkaSettings())))
    return registry


def told_by_a_notifier() -> CollectorRegistry:
    registry = CollectorRegistry()
    channel: Any = SimpleNamespace(name="ops", outcomes=Counter(), retries=0, waiting=0, oldest_s=0.0)
    registry.register(NotifyCollector([channel]))
    return registry


def test_the_checked_in_page_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--folder", str(ROOT / "docs")]) == 0, capsys.readouterr().err


def test_the_page_has_what_the_roles_tell_and_no_more() -> None:
    by_others = (told_by_a_trainer(), told_by_a_sink(), told_by_an_api(), told_by_a_notifier())
    registries = (told_by_a_worker(), *by_others)
    told = {
        (family.name, family.type): family.documentation.rstrip(".")
        for registry in registries
        for family in registry.collect()
    }
    documented = {
        (one.name, one.kind): one.help.rstrip(".") for section in sections() for one in section.instruments
    }
    assert documented == told


def test_names_have_a_unit_and_labels_leave_prometheus_its_own() -> None:
    for section in sections():
        for one in section.instruments:
            assert re.fullmatch(r"(loopin|process)(_[a-z]+)+", one.name)
            assert not {"job", "instance"} & set(one.labels)
            assert not re.search(r"_(ms|milliseconds|minutes|percent|kb|mb)(_|$)", one.name)
            if "duration" in one.name or "lag" in one.name or "delay" in one.name:
                assert one.name.endswith(UNITS)
            assert f"| `{one.name}" in page()


def test_alerts_name_metrics_that_exist() -> None:
    alerts = page().partition("## Worth an alert")[2]
    named = set(re.findall(r"loopin_[a-z_]+", alerts))
    known = {
        name
        for section in sections()
        for one in section.instruments
        for name in (one.name, f"{one.name}_total")
    }
    assert named
    assert named - known == set()
