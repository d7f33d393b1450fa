"""The uuids of the last hours, to drop what a client sent twice.

At-least-once clients, HTTP retries and resumed replays publish an event again under the same uuid. Each
committed batch also writes the 64-bit hashes of its uuids as one record on ``seen``; reading that partition
back restores the set. With 2M hashes of 64 bits kept, a new event is taken for a duplicate by chance with
probability 2e6 / 2^64, about 1e-13.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.errors import RefusedToOpen

Hashes = npt.NDArray[np.uint64]

HOUR_MS = 3_600_000

WINDOW_MS = 6 * HOUR_MS
"""How long a uuid is remembered, by the broker's append time, unless the settings say otherwise."""

LIMIT = 2_000_000
"""Most uuids remembered in one partition (16 MB), unless the settings say otherwise."""

MAX_LIMIT = 8_000_000
"""The topic ``seen`` keeps no more (64 MB a partition)."""

_SPAN_MS = HOUR_MS
"""Runs are merged within this span, and expire as one."""


def uuid_hash(project: str, uuid: str) -> int:
    """The 64-bit hash of an event's identity; a uuid is one project's own."""
    return int.from_bytes(blake2b(f"{project}\0{uuid}".encode(), digest_size=8).digest(), "little")


class Seen:
    """Remembered hashes as a few sorted arrays, looked up in bulk."""

    def __init__(self, window_ms: int = WINDOW_MS, limit: int = LIMIT) -> None:
        self._window_ms = window_ms
        self._limit = limit
        self._runs: list[tuple[int, int, Hashes]] = []

    def __len__(self) -> int:
        return sum(len(run) for _, _, run in self._runs)

    def known(self, hashes: Sequence[int]) -> list[bool]:
        """For each hash, whether it is remembered."""
        wanted = np.array(hashes, dtype=np.uint64)
        found = np.zeros(len(wanted), dtype=bool)
        for _, _, run in self._runs:
            at = np.searchsorted(run, wanted)
            at[at == len(run)] = 0
            found |= run[at] == wanted
        return [bool(hit) for hit in found]

    def add(self, hashes: Iterable[int], at_ms: int) -> bytes:
        """Remember a batch's hashes, appended at ``at_ms``; returns the record for the topic ``seen``."""
        run = np.unique(np.fromiter(hashes, dtype=np.uint64))
        if len(run):
            self._append(run, at_ms)
        return at_ms.to_bytes(8, "little") + run.astype("<u8").tobytes()

    def restore(self, records: Iterable[Record]) -> None:
        """Remember what the records of the topic ``seen`` hold.

        Raises:
            RefusedToOpen: ``state_unreadable`` or ``state_version``.
        """
        for record in records:
            at_ms, run = _readable(record)
            if len(run):
                self._append(run, at_ms)

    def _append(self, run: Hashes, at_ms: int) -> None:
        first = last = at_ms
        # Merging like a log-structured tree keeps the runs few and each hash moved a few times only.
        while self._runs:
            begin, end, previous = self._runs[-1]
            if len(previous) > 2 * len(run) or max(end, last) - min(begin, first) > _SPAN_MS:
                break
            # Runs are forgotten whole: one that held most of the limit would take the latest uuids along.
            if len(previous) + len(run) > self._limit // 4:
                break
            self._runs.pop()
            run = np.sort(np.concatenate((previous, run)))
            first, last = min(begin, first), max(end, last)
        self._runs.append((first, last, run))
        self._forget(last - self._window_ms)

    def _forget(self, before_ms: int) -> None:
        self._runs = [run for run in self._runs if run[1] >= before_ms]
        while len(self._runs) > 1 and len(self) > self._limit:
            self._runs.pop(0)


def _readable(record: Record) -> tuple[int, Hashes]:
    value = record.value or b""
    if len(value) < 8 or len(value) % 8:
        raise RefusedToOpen(
            "state_unreadable",
            f"The record at offset {record.offset} of the topic seen cannot be read: stop the workers and "
            "run `loopin state rebuild enrich`.",
        )
    # No time takes the eighth byte: a later format says there which one it is.
    if value[7]:
        raise RefusedToOpen(
            "state_version",
            "The topic seen was written by a newer version of this program: run that version, or stop the "
            "workers and run `loopin state rebuild enrich`.",
        )
    return int.from_bytes(value[:8], "little"), np.frombuffer(value, "<u8", offset=8).astype(np.uint64)
