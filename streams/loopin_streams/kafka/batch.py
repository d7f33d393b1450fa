"""A run of records of one input partition, the unit that the lane delivers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
    may be empty when the range holds nothing else. ``size`` is the bytes of all values.
    """

    topic: str
    partition: int
    start: int
    end: int
    records: Sequence[Record]
    size: int = field(init=False)

    def __post_init__(self) -> None:
        # Asked for several times of each batch; frozen classes are set this way.
        object.__setattr__(self, "size", sum([len(record.value or b"") for record in self.records]))

    def split(self, max_events: int, max_bytes: int) -> Iterator[Batch]:
        """The same range in batches of at most ``max_events`` records and about ``max_bytes`` of values."""
        if len(self.records) <= max_events and self.size <= max_bytes:
            yield self
            return
        start, first, size = self.start, 0, 0
        for at, record in enumerate(self.records):
            length = len(record.value or b"")
            if at > first and (at - first >= max_events or size + length > max_bytes):
                yield Batch(self.topic, self.partition, start, record.offset, self.records[first:at])
                start, first, size = record.offset, at, 0
            size += length
        yield Batch(self.topic, self.partition, start, self.end, self.records[first:])
