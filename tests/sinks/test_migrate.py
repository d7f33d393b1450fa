"""Migrations: applied once, never changed, and the table that the code believes in."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from loopin_sinks.migrate import MIGRATIONS, MigrationError, checksum, migrate, statements
from loopin_sinks.store import Store, StoreSettings, open_store
from loopin_sinks.store.properties import PROPERTY_COLUMNS

SHIPPED = {
    "0000_schema_migrations": "019c2ed0b191c5c60d570151c20a392905cfc69f1ae7004b37a052100e452a62",
    "0001_events": "ffb2d87a5943b1e8f34b11c5fbab63e56e630ba9f92896993187f198694e1ec0",
    "0002_events_origin": "b8ff0242b5e8b6a1217d05447d77724035e3f07430fd273fdee7ec665eec2f41",
    "0003_metric_windows": "aa9e84a0b73ba222e4056616e8e8d2ee44d2fa58708dd5b30061dc1bb988eaf8",
    "0004_events_deduplication_window": "fdac5ac8734773ad9291231947b67329f02826a0dbc5816540842bdc82ff3ec9",
    "0005_persons": "b5968a14ab7b4e747a4dd951b48b3c269f586cf00556e085bba14cc121cbae5e",
    "0006_enrichment": "416bfc7d480c5927bf9a10ff1e3cecf3d8c2fa4d7d5181593706e4a446d9d0f5",
    "0007_alerts": "14c6c31c0d2e4cee121f7f500a64cf70ef2faafc1c4a02b4518b70a52fee3d2e",
    "0008_rollups": "85596edba49c41a08bfa5664414d1633a5e03a84e58e1b6dbea10fe384af8032",
    "0009_resources": "832d501f52ae811f74d0566b76d3f05a3f63cfe264cfbd3317f5ae896e6819b2",
    "0010_tasks": "0c44826f3c43b1c349b9fe8624f3dbd9b8e2681853cddcf2bceea9fe97de659c",
    "0011_event_days": "d7943faf2ea6b0521b1a5bd58031a0712e3699ecb01abb36dfe0ac0aa8e74cb4",
    "0012_kept_by_project": "1886d30949b7b330b82c913eeababe97dedfefaf547534eb773ff35fbf4e939d",
    "0013_places": "38a98491cd3cc928d8563e85492832e1055a8e97cb7edbe4751a275046e30104",
    "0014_user_measures": "3fef9f40f6af070d71ea87a0f4631775cfd3fbd0ea950dca04b73a472ddb85f0",
    "0015_metric_history": "1b93a2444803c57f94a12de0e779fd00af54e3e834313517cca10e1a06e4e567",
    "0016_insights": "1265e36f7c56f96fb470c2a00406269b262dd88aee9b5c09b5a2bcf4c5b12b70",
    "0017_sentiment": "94a115ace5e7ddabc348b4b2ee105bb8fbcf81f36207748ddffc1401bf8794e7",
    "0018_forecasts": "cbe6c6a5a9596a3290feb19b458915e41305738ae1947fb71f0c6b6ab4895be7",
    "0019_personas": "18715ee4618feb03a6c1447e9014988badf327383e8d1d29204cf279a331b4e9",
    "0020_recommendations": "b78cba1aa333fa4d9b7a3f6e5cad08beb6e1a9ef9ac478bb67365fe33bac2ba1",
    "0021_insight_marks": "dc71310ced62875dbd2b50a46d7ddcdcfa6149e06fe9b4500b422fe00d3a63a3",
    "0022_scores": "f8aadcf90cef9c85149d5e5010d89825305f801113788ce50d3ae7e6f99a06f6",
    "0023_habits": "7364dcaccd51a33ea813c1beecd63508b15650c00755c5d253689be71cb20413",
    "0024_anomalies": "09789661f18b83d21ab0ec8b07789ebbf5ebdddc8e87d56a5fb48d5bc0cdccd7",
    "0025_metric_anomalies": "eb409b5d948820fd4d2d004692fba16582665f2152e8f1a5dbdb7ea72f428534",
}
"""SHA-256 of each file as shipped. A shipped file never changes: write a new migration instead."""


def test_shipped_files_never_change() -> None:
    assert {name: checksum(name) for name in MIGRATIONS} == SHIPPED


def test_every_file_is_listed_in_order() -> None:
    folder = files("loopin_sinks").joinpath("migrations")
    assert sorted(entry.name for entry in folder.iterdir()) == [f"{name}.sql" for name in MIGRATIONS]


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    return StoreSettings(data_dir=tmp_path)


async def test_a_store_is_migrated_once(store: Store, settings: StoreSettings) -> None:
    assert await migrate(store, settings) == list(MIGRATIONS)
    assert await migrate(store, settings) == []
    kept = await store.query(
        "SELECT name, toString(checksum) AS checksum FROM schema_migrations ORDER BY name"
    )
    assert kept == [{"name": name, "checksum": SHIPPED[name]} for name in MIGRATIONS]
    recent = "SELECT count() AS c FROM schema_migrations WHERE applied_at > now64() - INTERVAL 1 MINUTE"
    assert await store.query(recent) == [{"c": len(MIGRATIONS)}]


async def test_migrations_outlive_a_restart(embedded_settings: StoreSettings) -> None:
    for expected in (list(MIGRATIONS), []):
        store = open_store(embedded_settings)
        assert await migrate(store, embedded_settings) == expected
        await store.close()


async def test_a_migration_killed_before_it_was_recorded_is_repeated(
    embedded: Store, settings: StoreSettings
) -> None:
    await migrate(embedded, settings)
    await embedded.command(
        "ALTER TABLE schema_migrations DELETE WHERE name != '0000_schema_migrations' "
        "SETTINGS mutations_sync = 2"
    )
    assert await migrate(embedded, settings) == list(MIGRATIONS[1:])


async def test_rows_of_an_earlier_release_have_no_origin(
    embedded: Store, settings: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopin_sinks.migrate.MIGRATIONS", MIGRATIONS[:2])
    await migrate(embedded, settings)
    await embedded.command("INSERT INTO events (project, uuid) SELECT 'demo', generateUUIDv4()")
    monkeypatch.undo()
    assert await migrate(embedded, settings) == list(MIGRATIONS[2:])
    assert await embedded.query("SELECT project, _origin FROM events") == [{"project": "demo", "_origin": ""}]


async def test_a_changed_migration_is_refused(embedded: Store, settings: StoreSettings) -> None:
    await migrate(embedded, settings)
    await embedded.command(
        "ALTER TABLE schema_migrations UPDATE checksum = repeat('0', 64) WHERE name = '0001_events' "
        "SETTINGS mutations_sync = 2"
    )
    with pytest.raises(MigrationError, match="0001_events is not the one") as error:
        await migrate(embedded, settings)
    assert (error.value.code, error.value.migration) == ("migration_changed", "0001_events")


async def test_a_newer_releases_store_is_refused(embedded: Store, settings: StoreSettings) -> None:
    await migrate(embedded, settings)
    await embedded.command("INSERT INTO schema_migrations SELECT '9999_later', repeat('0', 64), now64(3)")
    with pytest.raises(MigrationError, match="newer release") as error:
        await migrate(embedded, settings)
    assert error.value.code == "migration_unknown"


def test_one_setting_chooses_engine_and_cluster() -> None:
    plain = StoreSettings()
    replicated = StoreSettings(store_engine="ReplicatedMergeTree", store_cluster="analytics")
    [events] = statements("0001_events", plain)
    assert "ENGINE = ReplacingMergeTree\n" in events
    assert "CLUSTER" not in events
    [events] = statements("0001_events", replicated)
    assert "ENGINE = ReplicatedReplacingMergeTree\n" in events
    assert "CREATE TABLE IF NOT EXISTS events ON CLUSTER 'analytics'\n" in events
    for name in MIGRATIONS:
        assert not any("{{" in statement for statement in statements(name, replicated))


async def test_the_events_table_is_laid_out_as_measured(embedded: Store, settings: StoreSettings) -> None:
    await migrate(embedded, settings)
    [table] = await embedded.query(
        "SELECT engine, sorting_key, primary_key, partition_key, create_table_query "
        "FROM system.tables WHERE name = 'events' AND database = currentDatabase()"
    )
    create = table.pop("create_table_query")
    assert table == {
        "engine": "ReplacingMergeTree",
        "sorting_key": "project, toDate(timestamp), event, user, timestamp, cityHash64(uuid)",
        "primary_key": "project, toDate(timestamp), event, user",
        "partition_key": "toYYYYMM(timestamp)",
    }
    assert "TTL toDateTime(timestamp) + toIntervalDay(_retention_days)" in create
    assert "SETTINGS non_replicated_deduplication_window = 100000," in create
    assert "replicated_deduplication_window_seconds = 604800" in create
    assert "`user` UInt64 MATERIALIZED cityHash64(distinct_id)" in create


async def test_property_columns_are_those_of_the_list(embedded: Store, settings: StoreSettings) -> None:
    await migrate(embedded, settings)
    described = await embedded.query("DESCRIBE TABLE events")
    materialized = {row["name"]: row["type"] for row in described if row["default_type"] == "MATERIALIZED"}
    assert materialized.pop("user") == "UInt64"
    assert materialized.pop("error_fingerprint") == "String"
    assert materialized.pop("error_level") == "LowCardinality(String)"
    places = {name: materialized.pop(name) for name in ("latitude", "longitude", "accuracy_km")}
    assert set(places.values()) == {"Nullable(Float64)"}
    assert materialized == {column.name: column.type for column in PROPERTY_COLUMNS}
    otherwise = {column.name: column.otherwise for column in PROPERTY_COLUMNS}
    for row in described:
        if row["name"] in materialized:
            text, other = (
                f"tupleElement(_typed, '{name}')" for name in (row["name"], otherwise[row["name"]])
            )
            number = f"toFloat64OrNull({text})"
            expressions = {
                "Nullable(Float64)": f"if(isFinite({number}), {number}, NULL)",
                "Nullable(Int32)": f"accurateCastOrNull({number}, 'Int32')",
                "Bool": f"{other} = 'true'",
            }
            if otherwise[row["name"]] and row["type"] != "Bool":
                text = f"if({text} != '', {text}, {other})"
            assert row["default_expression"] == expressions.get(row["type"], text)
