"""What the sink has read of a partition and not stored yet."""

from __future__ import annotations

from collections.abc import Sequence

from loopin_streams.kafka.batch import Record


class Pending:
    """Records of one partition that are read but not stored: ``start`` <= offset < ``end``.

    ``noted`` says whether the committed offset carries the end of a range, ``doubtful`` whether some of
    the records may be stored already, as it is with all before ``doubtful_to``. ``size`` is the bytes of
    their values.
    """

    def __init__(self, start: int, doubtful_to: int = 0) -> None:
        self.start = self.end = start
        self.doubtful_to = doubtful_to
        self.records: list[Record] = []
        self.size = 0
        self.noted = self.doubtful = False

    def take(self, records: Sequence[Record]) -> None:
        self.records += records
        self.size += sum([len(record.value or b"") for record in records])
        self.end = records[-1].offset + 1

    def clear(self) -> None:
        self.start, self.records, self.size, self.doubtful = self.end, [], 0, False
