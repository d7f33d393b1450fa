"""From ``person.merges`` to the journal, and to the table that says which person a distinct_id is of."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from time import time
from uuid import uuid4

from loopin_schemas.codec import decode
from loopin_schemas.identity import PersonMerge
from loopin_schemas.topics import PERSON_MERGES as TOPIC
from loopin_sinks.latest_sink import LatestSink
from loopin_sinks.persons.mapping import PERSON_IDS
from loopin_sinks.persons.overlaps import request_overlaps
from loopin_sinks.persons.rows import PERSON_MERGES, ids_to_arrow, merges_to_arrow
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store
from loopin_streams.kafka.batch import Record

Decided = tuple[str, str, str]
"""Project and id of a merge, and its outcome: a merge that was taken back had its effect, too."""


class PersonSink(LatestSink[Decided, PersonMerge]):
    """Stores each decision, and has the windows recomputed that it changes."""

    def __init__(self, settings: SinkSettings, store: Store, topic_id: str) -> None:
        """``topic_id`` is Kafka's id of ``person.merges``."""
        super().__init__(
            settings,
            topic=TOPIC,
            topic_id=topic_id,
            group="clickhouse-persons",
            table=PERSON_MERGES,
            interval_s=settings.metric_interval_s,
        )
        self._store = store

    def _read(self, record: Record) -> tuple[Decided, PersonMerge]:
        merge = decode(record.value or b"", PersonMerge)
        return (merge.project, merge.id, merge.outcome), merge

    def _replaces(self, held: PersonMerge, value: PersonMerge) -> bool:
        return held.revision <= value.revision

    async def _insert(self, values: Collection[PersonMerge]) -> int:
        now_ms = int(time() * 1000)
        ids = await asyncio.to_thread(ids_to_arrow, values, now_ms)
        # Each attempt has its own token: the same rows twice are replaced by their revision.
        if ids.num_rows:
            await self._store.insert(PERSON_IDS, ids, token=str(uuid4()))
        merges = await asyncio.to_thread(merges_to_arrow, values, now_ms)
        await self._store.insert(PERSON_MERGES, merges, token=str(uuid4()))
        # Last: whoever recomputes the windows then knows who is whose person.
        await request_overlaps(self._store, values)
        return len(values)
