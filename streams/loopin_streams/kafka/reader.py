"""Reading partitions' committed records from their start to their end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from loopin_streams.kafka.batch import Record


@dataclass(frozen=True, slots=True)
class Log:
    """First offset kept, and the one after the last committed record."""

    start: int
    end: int


class Followed(NamedTuple):
    """What came next: its records, and the offset after them.

    ``complete_ms`` is when the broker said that this was all there is (epoch ms), None while it has not said
    so of this position.
    """

    records: Sequence[Record]
    position: int
    complete_ms: int | None


FOLLOW_POLL_MS = 200


class Reader:
    """An ungrouped consumer of some partitions, for restoring state and for inspection.

    It reads committed records only, unless told otherwise; ``wait_ms`` is how long the broker may keep a
    fetch for which there is nothing yet. Use as an async context manager; one read at a time. The partitions
    are assigned once, because aiokafka 0.14 never ends a consumer that is stopped just after its assignment
    changed.
    """

    def __init__(
        self,
        bootstrap: str,
        partitions: Sequence[tuple[str, int]],
        *,
        committed: bool = True,
        wait_ms: int = 100,
    ) -> None:
        self._partitions = [TopicPartition(topic, partition) for topic, partition in partitions]
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            isolation_level="read_committed" if committed else "read_uncommitted",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=wait_ms,
            max_partition_fetch_bytes=4 << 20,
        )

    async def __aenter__(self) -> Reader:
        try:
            await self._consumer.start()
        except BaseException:
            # Cancelled while it connects (a revocation during an opening): `async with` would not stop it.
            await self._consumer.stop()
            raise
        self._consumer.assign(self._partitions)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def log(self, topic: str, partition: int) -> Log:
        """The partition's range of committed offsets."""
        at = TopicPartition(topic, partition)
        start = await self._consumer.beginning_offsets([at])
        end = await self._consumer.end_offsets([at])
        return Log(start[at], end[at])

    async def ends(self) -> dict[tuple[str, int], int]:
        """The end of each partition, as :meth:`log` says it."""
        found = await self._consumer.end_offsets(self._partitions)
        return {(at.topic, at.partition): int(end) for at, end in found.items()}

    async def offset_at(self, topic: str, partition: int, at_ms: int) -> int | None:
        """The first offset whose record is of that time (epoch ms) or later; None where there is none."""
        at = TopicPartition(topic, partition)
        found = (await self._consumer.offsets_for_times({at: max(0, at_ms)}))[at]
        return None if found is None else int(found.offset)

    async def blocks(
        self, topic: str, partition: int, *, start: int | None = None, end: int | None = None
    ) -> AsyncGenerator[Sequence[Record], None]:
        """Committed records with ``start`` <= offset < ``end``, in blocks; by default all there are now."""
        at = TopicPartition(topic, partition)
        log = await self.log(topic, partition)
        stop = log.end if end is None else min(end, log.end)
        self._consumer.seek(at, log.start if start is None else max(start, log.start))
        while await self._consumer.position(at) < stop:
            found = await self._consumer.getmany(at, timeout_ms=500, max_records=5000)
            for records in found.values():
                yield [record for record in records if record.offset < stop]

    async def follow(
        self, topic: str, partition: int, start: int | None = None
    ) -> AsyncGenerator[Followed, None]:
        """Committed records from ``start`` (by default the first) on, and whatever is committed later.

        Yields several times a second, also when nothing comes. Where ``start`` is not in the log (any more),
        it goes on at the log's first record.
        """
        first = (await self.log(topic, partition)).start if start is None else start
        steps = self.follow_all({(topic, partition): first})
        async with aclosing(steps):
            async for step in steps:
                yield step[topic, partition]

    async def follow_all(
        self, starts: Mapping[tuple[str, int], int]
    ) -> AsyncGenerator[Mapping[tuple[str, int], Followed], None]:
        """The same of several partitions at once, from their ``starts`` on; each step tells of every one."""
        wanted = [TopicPartition(*at) for at in starts]
        for at in wanted:
            self._consumer.seek(at, starts[at.topic, at.partition])
        while True:
            found = await self._consumer.getmany(*wanted, timeout_ms=FOLLOW_POLL_MS, max_records=5000)
            yield {(at.topic, at.partition): await self._followed(at, found.get(at, ())) for at in wanted}

    async def _followed(self, at: TopicPartition, records: Sequence[Record]) -> Followed:
        position = await self._consumer.position(at)
        end = self._consumer.last_stable_offset(at)
        complete = end is not None and position == end
        return Followed(records, position, self._consumer.last_poll_timestamp(at) if complete else None)

    async def holds_any(self, topic: str, partition: int) -> bool:
        """Whether the partition holds a committed record."""
        blocks = self.blocks(topic, partition)
        async with aclosing(blocks):
            async for block in blocks:
                if block:
                    return True
        return False

    async def read(self, topic: str, partition: int) -> list[Record]:
        """Every committed record of the partition."""
        return [record async for block in self.blocks(topic, partition) for record in block]
