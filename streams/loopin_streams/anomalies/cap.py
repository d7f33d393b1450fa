"""How many anomalies of a project are told in a minute."""

from __future__ import annotations

from typing import Final

import msgspec

from loopin_schemas.codec import decode, encode
from loopin_streams.kafka.marker import STATE_VERSION

MOST: Final = 60
"""Of a project, a minute and a partition; what is beyond is counted only. As many silences come on top: when
these are told depends on the passing of time, and is not to decide what is told of events."""


class _Told(msgspec.Struct):
    minute: int = 0
    by_project: dict[str, int] = {}
    version: int = 1
    silent_minute: int = 0
    silences: dict[str, int] = {}


class Cap:
    """What was told in the newest minute, by project; part of the partition's state."""

    def __init__(self) -> None:
        self._told = _Told(version=STATE_VERSION)
        self._changed = False

    def allows(self, project: str, at: int) -> bool:
        """Whether one more of a project's events may be told at epoch ms ``at``; then it is counted."""
        told, minute = self._told, at // 60_000
        if minute > told.minute:
            told.minute, told.by_project = minute, {}
        return self._counts(told.by_project, project)

    def allows_silence(self, project: str, at: int) -> bool:
        """The same of one more silence."""
        told, minute = self._told, at // 60_000
        if minute > told.silent_minute:
            told.silent_minute, told.silences = minute, {}
        return self._counts(told.silences, project)

    def _counts(self, numbers: dict[str, int], project: str) -> bool:
        number = numbers.get(project, 0)
        if number >= MOST:
            return False
        numbers[project] = number + 1
        self._changed = True
        return True

    def restore(self, body: bytes) -> None:
        """Take in what :meth:`changes` gave; of what cannot be read nothing counts."""
        try:
            self._told = decode(body, _Told)
        except (ValueError, RecursionError):
            self._told = _Told()

    def changes(self) -> bytes | None:
        """What to keep, if it has changed."""
        if not self._changed:
            return None
        self._changed = False
        return encode(self._told)
