"""Stores for tests: the embedded engine, and a server that speaks ClickHouse's HTTP interface over it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from loopin_sinks.store import Store, StoreSettings, open_store
from tests.clickhouse_http import PASSWORD, USER, ClickHouseHttp, clickhouse_server


@pytest.fixture
def clickhouse_http(tmp_path: Path) -> Iterator[ClickHouseHttp]:
    """A running server; ``requests`` holds the arguments of each request it got."""
    with clickhouse_server(tmp_path / "server") as server:
        yield server


@pytest.fixture
def embedded_settings(tmp_path: Path) -> StoreSettings:
    return StoreSettings(data_dir=tmp_path / "data", query_timeout_s=1)


@pytest.fixture
def server_settings(clickhouse_http: ClickHouseHttp) -> StoreSettings:
    return StoreSettings.model_validate(
        {
            "clickhouse_url": f"http://127.0.0.1:{clickhouse_http.server_port}",
            "clickhouse_user": USER,
            "clickhouse_password": PASSWORD,
            "query_timeout_s": 1,
        }
    )


@pytest.fixture
async def embedded(embedded_settings: StoreSettings) -> AsyncIterator[Store]:
    """The store on the embedded engine, empty."""
    store = open_store(embedded_settings)
    yield store
    await store.close()


@pytest.fixture(params=["embedded", "server"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Each form of the store in turn: they behave alike."""
    store = open_store(request.getfixturevalue(f"{request.param}_settings"))
    yield store
    await store.close()
