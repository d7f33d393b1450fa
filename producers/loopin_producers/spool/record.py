"""One event in a segment file.

Layout, big-endian: length of the payload (4 bytes), CRC-32 of the payload (4), payload. The payload is the
event's uuid (16), the time it was captured (8, epoch ns), the length of the key (2), the key, the body. A
length of 0 is where nothing has been written yet.
"""

from __future__ import annotations

from struct import Struct
from typing import Final
from uuid import UUID
from zlib import crc32

import msgspec

HEAD: Final = Struct(">II")
_FIXED: Final = Struct(">16sQH")

MAX_PAYLOAD: Final = 1 << 20
"""A greater length cannot be one: an event has 64 KB at most."""


class SpooledRecord(msgspec.Struct, frozen=True, gc=False):
    """An event as it goes to the broker, its uuid, and when it was captured (epoch ns).

    The garbage collector does not count it: those that wait would make it run, in the callers' threads.
    """

    uuid: str
    captured_ns: int
    key: bytes
    value: bytes


class Unreadable(Exception):
    """The bytes are not those that were written; ``length`` is how many to pass over, 0 if unknown."""

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length


def pack(record: SpooledRecord) -> bytes:
    """The bytes of a record."""
    identity = UUID(record.uuid).bytes
    payload = _FIXED.pack(identity, record.captured_ns, len(record.key)) + record.key + record.value
    return HEAD.pack(len(payload), crc32(payload)) + payload


def unpack(buffer: bytes, start: int) -> tuple[SpooledRecord, int] | None:
    """The record that begins at ``start`` and where it ends, or None where nothing has been written.

    Raises:
        Unreadable: cut off, or not what was written.
    """
    if start + HEAD.size > len(buffer):
        return None
    length, checksum = HEAD.unpack_from(buffer, start)
    if length == 0:
        return None
    if not _FIXED.size <= length <= MAX_PAYLOAD:
        raise Unreadable(0)
    begin = start + HEAD.size
    payload = buffer[begin : begin + length]
    if len(payload) < length:
        raise Unreadable(0)
    if crc32(payload) != checksum:
        raise Unreadable(HEAD.size + length)
    identity, captured_ns, key_length = _FIXED.unpack_from(payload)
    body = _FIXED.size + key_length
    key, value = payload[_FIXED.size : body], payload[body:]
    return SpooledRecord(str(UUID(bytes=identity)), captured_ns, key, value), begin + length
