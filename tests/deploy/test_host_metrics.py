"""What roles measure is what the system says by itself, and reaches the broker as events of the catalogue."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer
from structlog.testing import capture_logs

from loopin_deploy.host_metrics import HOST, Meter, measured
from loopin_deploy.kafka import LocalKafka
from loopin_deploy.settings import HostMetricsSettings
from loopin_deploy.settings_docs import SECTIONS
from loopin_schemas import Event
from loopin_schemas.catalogue import check_properties_types
from loopin_schemas.codec import decode, decode_object
from loopin_schemas.topics import RAW
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin

WHAT = [
    *(("sink", what) for what in ("cpu_usage", "memory_usage_mb", "open_files")),
    *((HOST, what) for what in ("cpu_usage", "memory_usage", "disk_usage")),
]


def test_it_measures_what_the_system_says(tmp_path: Path) -> None:
    meter = Meter("sink", tmp_path)
    begun = time.process_time()
    while time.process_time() - begun < 0.1:
        pass
    found = {(each.component, each.metric_type): each.value for each in meter.measure()}
    assert list(found) == WHAT
    assert found["sink", "cpu_usage"] > 0
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert found["sink", "memory_usage_mb"] == pytest.approx(resident / 1e6, rel=0.2)
    assert found["sink", "open_files"] == pytest.approx(len(os.listdir("/proc/self/fd")), abs=5)
    total, used, free = shutil.disk_usage(tmp_path)
    assert found[HOST, "disk_usage"] == pytest.approx(100 * used / (used + free), abs=2)
    for what in ("cpu_usage", "memory_usage"):
        assert 0 <= found[HOST, what] <= 100
    assert found[HOST, "memory_usage"] > 0


@pytest.mark.kafka
async def test_a_role_publishes_it(kafka: LocalKafka, topic_prefix: str) -> None:
    broker = KafkaSettings(kafka_bootstrap=kafka.bootstrap, topic_prefix=topic_prefix, partitions=1)
    TopicAdmin(broker).apply()
    settings = HostMetricsSettings(host_metrics_interval_s=0.05, host_metrics_project="ops")
    async with measured("sink", settings, broker):
        events = await asyncio.to_thread(read, broker, len(WHAT))
    told = [decode_object(event.properties) for event in events]
    assert [(each["component"], each["metric_type"]) for each in told[: len(WHAT)]] == WHAT
    for event, properties in zip(events, told, strict=True):
        assert (event.event, event.project, event.distinct_id) == ("system_metric", "ops", "system")
        assert not check_properties_types("system_metric", properties)
        assert (properties["role"], properties["host"]) == ("sink", os.uname().nodename)


async def test_none_where_the_interval_is_0() -> None:
    nobody = KafkaSettings(kafka_bootstrap="127.0.0.1:1")
    before = asyncio.all_tasks()
    async with measured("sink", HostMetricsSettings(host_metrics_interval_s=0), nobody):
        assert asyncio.all_tasks() == before


async def test_a_disk_that_is_not_there_ends_no_role(tmp_path: Path) -> None:
    nobody = KafkaSettings(kafka_bootstrap="127.0.0.1:1")
    settings = HostMetricsSettings(host_metrics_interval_s=0.001, host_metrics_disk=tmp_path / "gone")
    with capture_logs() as logs:
        async with measured("sink", settings, nobody), asyncio.timeout(60):
            while len(logs) < 2:  # noqa: ASYNC110 - the log sets no event
                await asyncio.sleep(0.01)
    assert {each["event"] for each in logs} == {"host_not_measured"}


def read(broker: KafkaSettings, number: int) -> list[Event]:
    """At least that many events of the raw topic."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.kafka_bootstrap,
            "group.id": f"{broker.topic_prefix}test",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([broker.topic(RAW.name)])
    found: list[Event] = []
    deadline = time.monotonic() + 120
    try:
        while len(found) < number:
            assert time.monotonic() < deadline, found
            found += values(consumer.consume(100, 0.2))
    finally:
        consumer.close()
    return found


def values(messages: Iterable[Any]) -> list[Event]:
    return [decode(message.value(), Event) for message in messages if message.error() is None]


def test_the_documentation_names_every_role_that_measures() -> None:
    [roles] = [section.roles for section in SECTIONS if section.settings is HostMetricsSettings]
    text = (Path(__file__).parents[2] / "docs" / "resources.md").read_text()
    [row] = [line for line in text.splitlines() if line.startswith("| the role: ")]
    assert re.findall("`([a-z]+)`", row.split("|")[1]) == list(roles)
