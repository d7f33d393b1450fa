"""The newest records for the topic ``seen``, as many as are remembered."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

RECORD_BYTES: Final = 8
"""Of the time that begins a record, and of each hash."""


class LastHashes:
    """Keeps the newest ``limit`` hashes and forgets the records before, so that memory is bounded."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._records: deque[bytes] = deque()
        self._held = 0

    @property
    def records(self) -> Sequence[bytes]:
        """Those that are left, oldest first."""
        return self._records

    def add(self, record: bytes) -> None:
        """Append a record that is newer than all before."""
        self._records.append(record)
        self._held += _hashes(record)
        while self._held - _hashes(self._records[0]) >= self._limit:
            self._held -= _hashes(self._records.popleft())


def _hashes(record: bytes) -> int:
    return len(record) // RECORD_BYTES - 1
