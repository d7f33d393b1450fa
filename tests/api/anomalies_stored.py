"""Stored anomalies to be asked for."""

from __future__ import annotations

from uuid import uuid4

from loopin_schemas.anomaly import Anomaly
from loopin_sinks.anomalies.rows import ANOMALIES, Recorded, anomalies_to_arrow
from loopin_sinks.store import Store


async def store_anomalies(store: Store, *found: Anomaly) -> None:
    """As the sink stores them."""
    if found:
        rows = anomalies_to_arrow([Recorded(one, number) for number, one in enumerate(found)], 0)
        await store.insert(ANOMALIES, rows, token=str(uuid4()))
