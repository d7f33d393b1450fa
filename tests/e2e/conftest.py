"""A running system: a stream worker and two sinks, on a server that speaks ClickHouse's HTTP interface."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from loopin_deploy.kafka import LocalKafka
from tests.clickhouse import PASSWORD, USER, clickhouse_server
from tests.deploy.command_line import clean_environment, run_process
from tests.e2e.receiving import Receiving, receiving

PARTITIONS = 2


@pytest.fixture
def environment(kafka: LocalKafka, topic_prefix: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """An installation with topics, tables and short intervals."""
    with clickhouse_server(tmp_path / "server") as clickhouse:
        environment = {
            "LOOPIN_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "LOOPIN_TOPIC_PREFIX": topic_prefix,
            "LOOPIN_PARTITIONS": str(PARTITIONS),
            "LOOPIN_CLICKHOUSE_URL": clickhouse.url,
            "LOOPIN_CLICKHOUSE_USER": USER,
            "LOOPIN_CLICKHOUSE_PASSWORD": PASSWORD,
            "LOOPIN_DATA_DIR": str(tmp_path / "data"),
            "LOOPIN_HOST_METRICS_INTERVAL_S": "0",
            "LOOPIN_HEALTH_PORT": "0",
            "LOOPIN_INSERT_INTERVAL_S": "0.1",
            "LOOPIN_METRIC_INTERVAL_S": "0.2",
            "LOOPIN_REPAIR_INTERVAL_S": "0.2",
            "LOOPIN_RETENTION_DAYS": "200",
        }
        for command in (("topics", "apply"), ("migrate",)):
            ran = run_process(*command, env=environment)
            assert ran.code == 0, ran
        yield environment


@pytest.fixture
def roles(environment: dict[str, str], tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A stream worker and two sinks, of which one repairs."""
    with ExitStack() as cleanup:
        started = []
        for at, name in enumerate(("stream", "sink", "sink")):
            log = cleanup.enter_context((tmp_path / f"{name}-{at}.log").open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-m", "loopin_deploy", "run", name],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=clean_environment(**environment),
            )
            cleanup.enter_context(process)
            cleanup.callback(process.kill)
            started.append(process)
        yield started


@pytest.fixture(scope="module")
def system(kafka: LocalKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiving]:
    """The whole system with its API and a write key, shared by the tests of a module."""
    with receiving(kafka, tmp_path_factory.mktemp("system")) as running:
        yield running


@pytest.fixture
def user() -> str:
    """A user whom no other test knows."""
    return f"user-{uuid.uuid4()}"
