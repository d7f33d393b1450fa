"""From ``config`` to the history of what is configured: the topic keeps the newest record of an item only."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from time import time
from typing import Final, NamedTuple
from uuid import uuid4

import pyarrow as pa

from loopin_schemas.config import KINDS, decode_config
from loopin_schemas.topics import CONFIG
from loopin_sinks.latest_sink import LatestSink
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store
from loopin_streams.kafka.batch import Record

CONFIG_HISTORY: Final = "config_history"

WITHOUT_BODY: Final = frozenset({"api_key"})
"""Kinds whose bodies are not stored: a hash of a key is for those who check keys."""

_MS: Final = pa.timestamp("ms", "UTC")
HISTORY_SCHEMA: Final = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("version", pa.string(), nullable=False),
        pa.field("by", pa.string(), nullable=False),
        pa.field("at", _MS, nullable=False),
        pa.field("removed", pa.bool_(), nullable=False),
        pa.field("body", pa.string(), nullable=False),
        pa.field("_topic_id", pa.string(), nullable=False),
        pa.field("_offset", pa.int64(), nullable=False),
        pa.field("_stored_at", _MS, nullable=False),
    ]
)


class Change(NamedTuple):
    """One record: what an item is since; ``at`` is epoch ms, who removed one is not known."""

    kind: str
    id: str
    version: str
    by: str
    at: int
    removed: bool
    body: str
    topic_id: str
    offset: int


class ConfigHistorySink(LatestSink[int, Change]):
    """Stores every record, by its offset, at most once in ``metric_interval_s``."""

    def __init__(self, settings: SinkSettings, store: Store, topic_id: str) -> None:
        """``topic_id`` is Kafka's id of ``config``."""
        super().__init__(
            settings,
            topic=CONFIG,
            topic_id=topic_id,
            group="clickhouse-config",
            table=CONFIG_HISTORY,
            interval_s=settings.metric_interval_s,
        )
        self._store = store

    def _read(self, record: Record) -> tuple[int, Change]:
        key = record.key or b""
        if record.value is None:
            kind, _, id = key.decode("utf-8", "backslashreplace").partition(":")
            return record.offset, self._change(record, kind, id, removed=True)
        found, _ = decode_config(key, record.value)
        # What this release does not know may hold what must not be stored.
        told = found.kind in KINDS and found.kind not in WITHOUT_BODY
        change = self._change(record, found.kind, found.id, removed=False)
        body = bytes(found.body).decode() if told else ""
        return record.offset, change._replace(version=found.version, by=found.by, body=body)

    def _change(self, record: Record, kind: str, id: str, *, removed: bool) -> Change:
        return Change(kind, id, "", "", record.timestamp, removed, "", self._topic_id, record.offset)

    def _replaces(self, held: Change, value: Change) -> bool:
        return True

    async def _insert(self, values: Collection[Change]) -> int:
        rows = await asyncio.to_thread(history_to_arrow, values, int(time() * 1000))
        # Each attempt has its own token: the same rows twice are replaced by themselves.
        await self._store.insert(CONFIG_HISTORY, rows, token=str(uuid4()))
        return len(values)


def history_to_arrow(changes: Collection[Change], stored_at_ms: int) -> pa.Table:
    """Rows of ``HISTORY_SCHEMA``, one a change."""
    columns = [*zip(*changes, strict=True), [stored_at_ms] * len(changes)]
    arrays = [
        pa.array(list(values), type=field.type) for values, field in zip(columns, HISTORY_SCHEMA, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=HISTORY_SCHEMA)
