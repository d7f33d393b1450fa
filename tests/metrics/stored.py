"""A world as the product has it: its persons in the store, its zone, money and people in the settings."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa

from loopin_api.settings import ApiSettings
from loopin_sinks.persons.mapping import PERSON_IDS
from loopin_sinks.persons.rows import IDS_SCHEMA
from loopin_sinks.store import Store
from tests.metrics.plain import World


async def store_persons(store: Store, of: World) -> None:
    """Store who is whose person."""
    rows = [
        {"project": of.project, "distinct_id": each, "person": person, "revision": 1, "_stored_at": of.now}
        for each, person in of.person_of.items()
    ]
    await store.insert(PERSON_IDS, pa.Table.from_pylist(rows, schema=IDS_SCHEMA), token="persons")


async def expire(store: Store, of: World, until: date) -> None:
    """Remove the events of earlier days as retention does; that there were some is known by what was kept."""
    bound = {"project": of.project, "until": of.midnight(until), "start": of.midnight(until - timedelta(60))}
    await store.command("DELETE FROM events WHERE timestamp < {until:DateTime64(3, 'UTC')}", bound)
    await store.command(
        """
        INSERT INTO metric_values (project, metric, grain, start, value, calculated_at, _retention_days)
        SELECT {project:String}, 'dau', 'day', {start:DateTime64(3, 'UTC')}, 1, now64(3), 3650
        """,
        bound,
    )


def settings_of(of: World, settings: ApiSettings) -> ApiSettings:
    """The settings of an API that counts as the world does."""
    return settings.model_copy(
        update={
            "project_timezone": str(of.zone),
            "currency": of.currency,
            "exchange_rates": {code: dict(rates) for code, rates in of.rates.items()},
            "internal_users": tuple(of.internal),
        }
    )
