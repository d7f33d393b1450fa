"""A run of records of one input partition, the unit that the lane delivers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


class Record(Protocol):
    """The part of aiokafka's ``ConsumerRecord`` that jobs read; ``timestamp`` is epoch ms."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Batch:
    """All committed records of ``partition`` with ``start`` <= offset < ``end``.

    Offsets may be missing in between (transaction markers, aborted records, compaction), and ``records``
    may be empty when the range holds nothing else.
    """

    topic: str
    partition: int
    start: int
    end: int
    records: Sequence[Record]

    def split(self, max_events: int, max_bytes: int) -> Iterator[Batch]:
        """The same range in batches of at most ``max_events`` records and about ``max_bytes`` of values."""
        start, first, size = self.start, 0, 0
        for at, record in enumerate(self.records):
            length = len(record.value or b"")
            if at > first and (at - first >= max_events or size + length > max_bytes):
                yield Batch(self.topic, self.partition, start, record.offset, self.records[first:at])
                start, first, size = record.offset, at, 0
            size += length
        yield Batch(self.topic, self.partition, start, self.end, self.records[first:])
