"""From the compacted topic ``profiles`` to the table ``profiles``, at a bounded rate."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from time import time
from typing import Final
from uuid import uuid4

import pyarrow as pa

from loopin_schemas.codec import decoder
from loopin_schemas.profile import Profile
from loopin_schemas.topics import PROFILES as TOPIC
from loopin_sinks.latest_sink import LatestSink
from loopin_sinks.persons.profile_rows import PROFILES, Known, profiles_to_arrow
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store
from loopin_streams.kafka.batch import Record

_decode = decoder(Profile).decode

GROUP: Final = "clickhouse-profiles"
"""Of its consumers, without the installation's prefix."""

GENERATION_BITS: Final = 48
"""A revision is the number of the topic of that name, then the offset in so many bits: profiles of a topic
that was made anew replace those of the one before."""


Unread = tuple[int, bytes, bytes]
"""Offset, key and value of a record."""


class ProfileSink(LatestSink[bytes, Unread]):
    """Stores the newest profile of each user, of ``MAX_WAITING`` users once in ``profile_interval_s``.

    A user's newest record is decoded when it is stored, and those before it never are.
    """

    def __init__(self, settings: SinkSettings, store: Store, topic_id: str) -> None:
        """``topic_id`` is Kafka's id of ``profiles``."""
        super().__init__(
            settings,
            topic=TOPIC,
            topic_id=topic_id,
            group=GROUP,
            table=PROFILES,
            interval_s=settings.profile_interval_s,
            patient=True,
        )
        self._store = store
        self._generation: int | None = None

    def _read(self, record: Record) -> tuple[bytes, Unread] | None:
        if record.value is None:
            # A rebuild has made the user's profile anew; what it says follows.
            return None
        key = record.key or b""
        return key, (record.offset, key, record.value)

    def _replaces(self, held: Unread, value: Unread) -> bool:
        return held[0] <= value[0]

    async def _insert(self, values: Collection[Unread]) -> int:
        if self._generation is None:
            self._generation = await self._number_of_topic()
        base = self._generation << GENERATION_BITS
        rows, unreadable = await asyncio.to_thread(self._rows, values, base)
        for (offset, key, _), error in unreadable:
            # Once, also where the insert fails and is tried again.
            self._waiting.pop(key, None)
            self._leave_out(offset, error)
        if rows.num_rows:
            # Each attempt has its own token: the same rows twice are replaced by their revision.
            await self._store.insert(PROFILES, rows, token=str(uuid4()))
        return len(values) - len(unreadable)

    def _rows(
        self, values: Collection[Unread], base: int
    ) -> tuple[pa.Table, list[tuple[Unread, ValueError | RecursionError]]]:
        """The rows to store, and the records that are of no release; ``base`` is the least revision."""
        known: list[Known] = []
        unreadable: list[tuple[Unread, ValueError | RecursionError]] = []
        for each in values:
            offset, key, value = each
            try:
                project, _, distinct_id = key.decode().partition(":")
                known.append(Known(project, distinct_id, _decode(value), base + offset))
            except (ValueError, RecursionError) as error:
                unreadable.append((each, error))
        return profiles_to_arrow(known, self._topic_id, int(time() * 1000)), unreadable

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
