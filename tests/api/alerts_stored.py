"""Alerts in the store, as the sink puts them there."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from loopin_schemas.alert import Alert
from loopin_schemas.window import MetricWindow
from loopin_sinks.alerts.rows import ALERTS, Recorded, alerts_to_arrow
from loopin_sinks.rows import by_month
from loopin_sinks.store import Store
from loopin_sinks.window_rows import METRIC_WINDOWS, windows_to_arrow
from loopin_streams.projects.project import Retention


async def store_alerts(store: Store, alerts: Sequence[Alert]) -> None:
    rows = alerts_to_arrow([Recorded(alert, offset) for offset, alert in enumerate(alerts)], 0)
    await store.insert(ALERTS, rows, token=str(uuid4()))


async def store_windows(store: Store, windows: Sequence[MetricWindow]) -> None:
    for _, part in by_month(windows_to_arrow(windows, lambda _: Retention(3650), 0), "start"):
        await store.insert(METRIC_WINDOWS, part, token=str(uuid4()))
