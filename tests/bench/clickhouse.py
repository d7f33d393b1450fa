"""Where the peers write in J2: ClickHouse's embedded engine in their own process, with this project's tables.

Rows are built by the same code as in this project's sink, and inserted as Arrow into the same table.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from time import time

import clickhouse_connect
import pyarrow as pa

from loopin_schemas.event import EnrichedEvent
from loopin_sinks.migrate import MIGRATIONS, statements
from loopin_sinks.rows import to_arrow
from loopin_sinks.store.settings import StoreSettings
from tests.bench.subject import Order, Progress, say
from tests.bench.whole import WindowRow

FLUSH_S = 0.5
"""Longest time that rows wait, as in this project's sink."""

MAX_ROWS = 50_000
"""Most rows of an insert, as there."""

WINDOWS_TABLE = """
CREATE TABLE bench_windows
(
    dimension LowCardinality(String), value String, start Int64,
    count UInt64, revenue Float64, scored UInt64, mood Float64, users UInt64, version UInt64
)
ENGINE = ReplacingMergeTree(version) ORDER BY (dimension, value, start)
"""

_TOPIC_ID = "00000000-0000-4000-8000-000000000000"


class Store:
    """The tables ``events`` and ``bench_windows``; not for several threads.

    ``progress`` advances by the rows stored. Says ``settled`` once all windows up to ``order.last_ms`` are
    stored and all events are worked off.
    """

    def __init__(self, order: Order, progress: Progress) -> None:
        self._order = order
        self._progress = progress
        self._offsets = count()
        self._version = count()
        self._windows: set[tuple[str, str, int]] = set()
        self._client = clickhouse_connect.get_client(interface="chdb", path=f"{order.folder}/store")
        for name in MIGRATIONS:
            for statement in statements(name, StoreSettings()):
                self._client.command(statement)
        self._client.command(WINDOWS_TABLE)

    def add_events(self, events: Sequence[EnrichedEvent]) -> None:
        """Insert rows; they are queryable when this returns."""
        if not events:
            return
        offsets = [next(self._offsets) for _ in events]
        rows = to_arrow(events, 0, offsets, _TOPIC_ID, lambda _: 90, int(time() * 1000))
        self._client.insert_arrow("events", rows)
        self._progress.add(len(events))

    def add_windows(self, rows: Sequence[WindowRow]) -> None:
        """Insert windows; the newest row of each counts."""
        if not rows:
            return
        columns = {name: [getattr(row, name) for row in rows] for name in WindowRow.__struct_fields__}
        columns["version"] = [next(self._version) for _ in rows]
        self._client.insert_arrow("bench_windows", pa.table(columns))
        self._windows |= {
            (row.dimension, row.value, row.start) for row in rows if row.start <= self._order.last_ms
        }
        if self._progress.complete and len(self._windows) == self._order.windows:
            say("settled")
