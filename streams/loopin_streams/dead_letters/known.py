"""What has been replayed, read from ``dlq.replayed``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from msgspec import DecodeError

from loopin_schemas.codec import decode
from loopin_schemas.dead_letter import Replayed
from loopin_schemas.topics import REPLAYED
from loopin_streams.enrich.seen import uuid_hash
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin


async def read_replayed(settings: KafkaSettings) -> AsyncGenerator[Replayed, None]:
    """Every replay of a letter that is known; none where there is no such topic (yet)."""
    if REPLAYED.name not in await asyncio.to_thread(TopicAdmin(settings).describe):
        return
    topic = settings.topic(REPLAYED.name)
    async with Reader(settings.kafka_bootstrap, [(topic, 0)]) as reader:
        async for block in reader.blocks(topic, 0):
            for record in block:
                if record.key is not None:
                    yield _decoded(record.key.decode("utf-8", "replace"), record.value or b"")


class Known:
    """The replays so far, as a replay asks for them."""

    def __init__(self) -> None:
        self._first_seen: dict[str, int] = {}
        self._origins: dict[int, str] = {}

    def add(self, replayed: Replayed) -> None:
        """Remember one."""
        self._first_seen[replayed.place] = replayed.first_seen
        if replayed.uuid:
            self._origins.setdefault(uuid_hash(replayed.project, replayed.uuid), replayed.origin)

    def __contains__(self, place: str) -> bool:
        """Whether the letter of the record at ``place`` has been replayed."""
        return place in self._first_seen

    def first_seen(self, place: str) -> int | None:
        """When the first record of the chain arrived (epoch ms), if the record at ``place`` was replayed."""
        return self._first_seen.get(place) or None

    def repeats(self, replayed: Replayed) -> bool:
        """Whether the same event was replayed from another letter: a client's duplicate.

        Its own chain does not count, in which the event has failed again.
        """
        held = self._origins.get(uuid_hash(replayed.project, replayed.uuid))
        return held is not None and held != replayed.origin


def _decoded(place: str, value: bytes) -> Replayed:
    try:
        return decode(value, Replayed)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        # Nobody's record of ours, but its key alone is reason enough not to publish a second time.
        return Replayed(place=place, origin=place, project="", uuid="", first_seen=0, replayed_at=0)
