"""Writes events down as the lines that travel through a run.

A line is ``time TAB distinct_id TAB event TAB truth``: 13 digits of epoch ms, the wire form of the event,
and the truth about its text or nothing. Lines sort by time as bytes do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from msgspec import Raw

from loopin_producers.simulator.dice import Dice
from loopin_producers.simulator.moods import MoodTruth, Text
from loopin_schemas import Event, encode

_VARIANT_AND_VERSION = 7 << 76 | 2 << 62


class Written(NamedTuple):
    """A line taken apart."""

    at_ms: int
    distinct_id: bytes
    body: bytes
    truth: bytes


class Scribe:
    """Writes a project's events and hands each line on; events before ``start_ms`` are left out."""

    def __init__(self, project: str, start_ms: int, push: Callable[[int, bytes], object]) -> None:
        self._project = project
        self._start_ms = start_ms
        self._push = push
        # Equal worlds in two projects have different ids.
        self._salt = int.from_bytes(blake2b(project.encode(), digest_size=10).digest(), "big") >> 6

    def write(
        self,
        at_ms: int,
        name: str,
        distinct_id: str,
        properties: Mapping[str, Any],
        dice: Dice,
        session_id: str | None = None,
        text: Text | None = None,
    ) -> None:
        """Write an event; its uuid comes from its time and the dice."""
        bits = dice.getrandbits(74) ^ self._salt
        if at_ms < self._start_ms:
            return
        number = at_ms << 80 | (bits >> 62) << 64 | _VARIANT_AND_VERSION | bits & 0x3FFFFFFFFFFFFFFF
        digits = f"{number:032x}"
        uuid = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        event = Event(
            project=self._project,
            event=name,
            distinct_id=distinct_id,
            uuid=uuid,
            timestamp=at_ms,
            session_id=session_id,
            properties=Raw(encode(properties)),
        )
        truth = b"" if text is None else encode(MoodTruth(uuid, text.mood, text.ambiguous))
        self._push(at_ms, b"%013d\t%b\t%b\t%b\n" % (at_ms, distinct_id.encode(), encode(event), truth))


def read_line(line: bytes) -> Written:
    """Take a line apart."""
    at_ms, distinct_id, body, truth = line[:-1].split(b"\t")
    return Written(int(at_ms), distinct_id, body, truth)
