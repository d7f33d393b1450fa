"""Where the store is, and how long each project's events are kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from loopin_sinks.store import StoreSettings


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in StoreSettings.model_fields:
        monkeypatch.delenv(f"LOOPIN_{name.upper()}", raising=False)
    monkeypatch.delenv("ANALYTICS_RETENTION_DAYS", raising=False)


def test_the_store_is_embedded_unless_a_server_is_named(tmp_path: Path) -> None:
    settings = StoreSettings(data_dir=tmp_path)
    assert settings.embedded
    assert settings.store_path == tmp_path / "store"
    assert not StoreSettings(clickhouse_url="https://clickhouse.internal:8443").embedded


def test_an_argument_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPIN_STORE_MEMORY_MB", "400")
    assert StoreSettings(store_memory_mb=500).store_memory_mb == 500


def test_the_password_is_not_printed() -> None:
    settings = StoreSettings.model_validate({"clickhouse_password": "hidden"})
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    "given",
    [
        {"clickhouse_url": "clickhouse:9000"},
        {"clickhouse_url": "http://"},
        {"clickhouse_url": "http://user:password@host:8123"},
        {"clickhouse_url": "http://host:8123/?database=x"},
        {"clickhouse_database": "x; DROP TABLE events"},
        {"store_cluster": "x' SYNC"},
        {"store_engine": "Log"},
    ],
)
def test_unusable_settings_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        StoreSettings.model_validate(given)
