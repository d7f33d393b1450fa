"""From the compacted topic ``profiles`` to the table ``profiles``, at a bounded rate."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from time import time
from typing import Final
from uuid import uuid4

from loopin_schemas.codec import decode
from loopin_schemas.profile import Profile
from loopin_schemas.topics import PROFILES as TOPIC
from loopin_sinks.latest_sink import LatestSink
from loopin_sinks.persons.profile_rows import PROFILES, Known, profiles_to_arrow
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store
from loopin_streams.kafka.batch import Record

GENERATION_BITS: Final = 48
"""A revision is the number of the topic of that name, then the offset in so many bits: profiles of a topic
that was made anew replace those of the one before."""


class ProfileSink(LatestSink[bytes, Known]):
    """Stores the newest profile of each user, of ``MAX_WAITING`` users once in ``profile_interval_s``."""

    def __init__(self, settings: SinkSettings, store: Store, topic_id: str) -> None:
        """``topic_id`` is Kafka's id of ``profiles``."""
        super().__init__(
            settings,
            topic=TOPIC,
            topic_id=topic_id,
            group="clickhouse-profiles",
            table=PROFILES,
            interval_s=settings.profile_interval_s,
            patient=True,
        )
        self._store = store
        self._generation: int | None = None

    def _read(self, record: Record) -> tuple[bytes, Known] | None:
        if record.value is None:
            # A rebuild has made the user's profile anew; what it says follows.
            return None
        key = record.key or b""
        project, _, distinct_id = key.decode().partition(":")
        return key, Known(project, distinct_id, decode(record.value, Profile), record.offset)

    def _replaces(self, held: Known, value: Known) -> bool:
        return held.revision <= value.revision

    async def _insert(self, values: Collection[Known]) -> None:
        if self._generation is None:
            self._generation = await self._number_of_topic()
        base = self._generation << GENERATION_BITS
        numbered = [known._replace(revision=base + known.revision) for known in values]
        rows = await asyncio.to_thread(profiles_to_arrow, numbered, self._topic_id, int(time() * 1000))
        # Each attempt has its own token: the same rows twice are replaced by their revision.
        await self._store.insert(PROFILES, rows, token=str(uuid4()))

    async def _number_of_topic(self) -> int:
        """How many topics of that name the store has profiles of, before this one."""
        [row] = await self._store.query(
            f"SELECT max(bitShiftRight(revision, {GENERATION_BITS})) AS newest, "
            f"maxIf(bitShiftRight(revision, {GENERATION_BITS}), _topic_id = {{topic:UUID}}) AS own, "
            "countIf(_topic_id = {topic:UUID}) > 0 AS known, count() > 0 AS others "
            f"FROM {PROFILES}",
            {"topic": self._topic_id},
        )
        if row["known"]:
            return int(row["own"])
        return int(row["newest"]) + 1 if row["others"] else 0
