"""Stores for tests, one for each form.

``embedded`` is the engine in this process, ``server`` a store on a server that speaks ClickHouse's HTTP
interface over that engine, ``real`` a store on the ClickHouse server that LOOPIN_TEST_CLICKHOUSE_URL names,
if it names one. There each test has a database of its own, made beside LOOPIN_TEST_CLICKHOUSE_DATABASE by
LOOPIN_TEST_CLICKHOUSE_USER with LOOPIN_TEST_CLICKHOUSE_PASSWORD.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from clickhouse_connect import get_client

from loopin_deploy.kafka import LocalKafka
from loopin_sinks.migrate import migrate
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store, StoreSettings, open_store
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.clickhouse import PASSWORD, USER, ClickHouseServer, clickhouse_server
from tests.migrated import fill
from tests.sinks.topics_to_store import TopicsToStore
from tests.transactions import Transactions

QUERY_TIMEOUT_S = 10

FORMS = ["embedded", "server"]
if os.environ.get("LOOPIN_TEST_CLICKHOUSE_URL"):
    FORMS.append("real")


@pytest.fixture
def clickhouse(tmp_path: Path) -> Iterator[ClickHouseServer]:
    """A running server; ``requests`` holds the arguments of each query it got."""
    with clickhouse_server(tmp_path / "server") as server:
        yield server


@pytest.fixture
def embedded_settings(tmp_path: Path) -> StoreSettings:
    return StoreSettings(data_dir=tmp_path / "data", query_timeout_s=QUERY_TIMEOUT_S)


@pytest.fixture
def server_settings(clickhouse: ClickHouseServer) -> StoreSettings:
    return _settings(clickhouse.url, USER, PASSWORD, "default")


@pytest.fixture
def real_settings() -> Iterator[StoreSettings]:
    url = os.environ.get("LOOPIN_TEST_CLICKHOUSE_URL")
    if not url:
        pytest.skip("LOOPIN_TEST_CLICKHOUSE_URL names no ClickHouse server")
    user = os.environ.get("LOOPIN_TEST_CLICKHOUSE_USER", "default")
    password = os.environ.get("LOOPIN_TEST_CLICKHOUSE_PASSWORD", "")
    around = os.environ.get("LOOPIN_TEST_CLICKHOUSE_DATABASE", "default")
    parts = urlsplit(url)
    with get_client(
        interface=parts.scheme,
        host=parts.hostname,
        port=parts.port or 0,
        username=user,
        password=password,
        database=around,
    ) as client:
        own = f"{around}_test_{uuid.uuid4().hex[:12]}"
        client.command(f"CREATE DATABASE {own}")
        yield _settings(url, user, password, own)
        client.command(f"DROP DATABASE {own} SYNC")


def _settings(url: str, user: str, password: str, database: str) -> StoreSettings:
    return StoreSettings.model_validate(
        {
            "clickhouse_url": url,
            "clickhouse_user": user,
            "clickhouse_password": password,
            "clickhouse_database": database,
            "query_timeout_s": QUERY_TIMEOUT_S,
        }
    )


@pytest.fixture
async def embedded(embedded_settings: StoreSettings) -> AsyncIterator[Store]:
    """The store on the embedded engine, empty."""
    store = open_store(embedded_settings)
    yield store
    await store.close()


@pytest.fixture
async def server(server_settings: StoreSettings) -> AsyncIterator[Store]:
    """The store on the test server, empty."""
    store = open_store(server_settings)
    yield store
    await store.close()


@pytest.fixture(params=FORMS)
def store_settings(request: pytest.FixtureRequest) -> StoreSettings:
    """Each form of the store in turn, empty."""
    settings: StoreSettings = request.getfixturevalue(f"{request.param}_settings")
    return settings


@pytest.fixture
async def store(store_settings: StoreSettings) -> AsyncIterator[Store]:
    """Each form of the store in turn: they behave alike."""
    store = open_store(store_settings)
    yield store
    await store.close()


@pytest.fixture
def stocked(tmp_path: Path, migrated: Path, embedded_settings: StoreSettings) -> None:
    """Engines of this test find the tables there: migrating takes thirty times as long. Asked for first."""
    fill(embedded_settings, migrated)
    shutil.copytree(embedded_settings.store_path, tmp_path / "server", symlinks=True)


@pytest.fixture
async def tables(stocked: None, store: Store, store_settings: StoreSettings) -> Store:
    """Each form of the store in turn, with its tables."""
    await migrate(store, store_settings)  # nothing is left to do but on a real server
    return store


@pytest.fixture
def topics_to_store(
    kafka: LocalKafka,
    topic_prefix: str,
    embedded: Store,
    embedded_settings: StoreSettings,
    migrated: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> TopicsToStore:
    """Topics, tables, and short intervals."""
    monkeypatch.setattr("loopin_sinks.latest_sink.RETRY_S", 0.05)
    settings = SinkSettings.model_validate(
        {
            "kafka_bootstrap": kafka.bootstrap,
            "topic_prefix": topic_prefix,
            "partitions": 2,
            "session_timeout_s": 6,
            "metric_interval_s": 0.05,
            "profile_interval_s": 0.05,
        }
    )
    admin = TopicAdmin(settings)
    admin.apply()
    fill(embedded_settings, migrated)
    writer = Transactions(kafka.bootstrap, f"{topic_prefix}writer")
    ids = {name: info.id for name, info in admin.describe().items()}
    return TopicsToStore(settings, embedded_settings, embedded, ids, writer)
