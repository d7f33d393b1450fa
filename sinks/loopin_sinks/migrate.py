"""Brings a store's tables up to date: numbered SQL files, each applied once and never changed."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from loopin_sinks.store import Store, StoreSettings

MIGRATIONS: tuple[str, ...] = (
    "0000_schema_migrations",
    "0001_events",
    "0002_events_origin",
    "0003_metric_windows",
    "0004_events_deduplication_window",
    "0005_persons",
    "0006_enrichment",
    "0007_alerts",
    "0008_rollups",
    "0009_resources",
    "0010_tasks",
    "0011_event_days",
    "0012_kept_by_project",
    "0013_places",
    "0014_user_measures",
    "0015_metric_history",
    "0016_insights",
    "0017_sentiment",
    "0018_forecasts",
    "0019_personas",
    "0020_recommendations",
    "0021_insight_marks",
    "0022_scores",
    "0023_habits",
    "0024_anomalies",
    "0025_metric_anomalies",
)
"""Names of the files in ``migrations/``, in order. A change to a table is a new line here and a new file."""


class MigrationError(Exception):
    """The store and this release do not fit; the text is one sentence that says what to do.

    Attributes:
        code: ``migration_changed``, or ``migration_unknown`` for a store that a newer release has migrated.
        migration: the migration's name.
    """

    def __init__(self, code: str, migration: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.migration = migration


async def migrate(store: Store, settings: StoreSettings) -> list[str]:
    """Apply what is missing and return the names applied, in order.

    Every statement can run twice, so a run that was killed, or two at once, end in the same tables.

    Raises:
        MigrationError: an applied migration differs from this release's file, or is not part of it.
        StoreError: a statement failed; those before it stay.
    """
    for statement in statements(MIGRATIONS[0], settings):
        await store.command(statement)
    applied = {
        str(row["name"]): str(row["checksum"])
        for row in await store.query(
            "SELECT name, toString(any(checksum)) AS checksum FROM schema_migrations GROUP BY name"
        )
    }
    _check(applied)
    missing = [name for name in MIGRATIONS if name not in applied]
    for name in missing:
        await _apply(store, settings, name)
    return missing


def statements(name: str, settings: StoreSettings) -> list[str]:
    """The SQL statements of a migration, with engines and cluster as the settings say."""
    sql = _source(name).decode()
    for placeholder, text in _placeholders(settings).items():
        sql = sql.replace(placeholder, text)
    lines = [line for line in sql.splitlines() if not line.lstrip().startswith("--")]
    return [part.strip() for part in f"{chr(10).join(lines)}\n".split(";\n") if part.strip()]


def checksum(name: str) -> str:
    """SHA-256 of a migration's file, hexadecimal."""
    return hashlib.sha256(_source(name)).hexdigest()


async def _apply(store: Store, settings: StoreSettings, name: str) -> None:
    for statement in statements(name, settings):
        await store.command(statement)
    await store.command(
        "INSERT INTO schema_migrations (name, checksum, applied_at) "
        "SELECT {name:String}, {checksum:String}, now64(3)",
        {"name": name, "checksum": checksum(name)},
    )


def _check(applied: dict[str, str]) -> None:
    for name, stored in applied.items():
        if name not in MIGRATIONS:
            raise MigrationError(
                "migration_unknown",
                name,
                f"The store has migration {name} of a newer release; upgrade this installation.",
            )
        if stored != checksum(name):
            raise MigrationError(
                "migration_changed",
                name,
                f"Migration {name} is not the one this store was made with; reinstall the release.",
            )


def _placeholders(settings: StoreSettings) -> dict[str, str]:
    cluster = settings.store_cluster
    return {
        "{{on_cluster}}": f"ON CLUSTER '{cluster}'" if cluster else "",
        "{{replicated}}": settings.store_engine.removesuffix("MergeTree"),
    }


def _source(name: str) -> bytes:
    return files("loopin_sinks").joinpath("migrations", f"{name}.sql").read_bytes()
