"""One event in a segment file.

Layout, big-endian: a mark (4 bytes), the record's number in its segment (4), the length of the payload (4),
the CRC-32 of number, length and payload (4), payload. The payload is the event's uuid (16), the time it was
captured (8, epoch ns), the length of the key (2), the key, the body.

The mark is where reading goes on behind damage, and the numbers tell how many records the damage has cost.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple
from uuid import UUID
from zlib import crc32

import msgspec

_MARK: Final = b"\xf5\xc7LR"
"""No UTF-8 text holds its first byte, so no event's body looks like a record."""

_HEAD: Final = Struct(">4sIII")
_NUMBERED: Final = Struct(">II")
_FIXED: Final = Struct(">16sQH")

_MAX_PAYLOAD: Final = 1 << 20
"""A greater length cannot be one: an event has 64 KB at most."""


class SpooledRecord(msgspec.Struct, frozen=True, gc=False):
    """An event as it goes to the broker, its uuid, and when it was captured (epoch ns).

    The garbage collector does not count it: those that wait would make it run, in the callers' threads.
    """

    uuid: str
    captured_ns: int
    key: bytes
    value: bytes


class Found(NamedTuple):
    """A record that was read back, its number in its segment, and where it ends."""

    record: SpooledRecord
    number: int
    end: int


def packed_size(record: SpooledRecord) -> int:
    """Bytes of the record in a segment."""
    return _HEAD.size + _FIXED.size + len(record.key) + len(record.value)


def pack(record: SpooledRecord, number: int) -> bytes:
    """The bytes of a record that is the ``number``-th of its segment, from 0."""
    identity = UUID(record.uuid).bytes
    payload = _FIXED.pack(identity, record.captured_ns, len(record.key)) + record.key + record.value
    length = len(payload)
    return _HEAD.pack(_MARK, number, length, _checksum(number, length, payload)) + payload


def next_record(buffer: bytes, start: int) -> Found | None:
    """The first record at ``start`` or behind it that is what was written, or None."""
    while (start := buffer.find(_MARK, start)) >= 0:
        found = _unpack(buffer, start)
        if found is not None:
            return found
        start += 1
    return None


def _unpack(buffer: bytes, start: int) -> Found | None:
    if start + _HEAD.size > len(buffer):
        return None
    _, number, length, checksum = _HEAD.unpack_from(buffer, start)
    begin = start + _HEAD.size
    if not _FIXED.size <= length <= _MAX_PAYLOAD or begin + length > len(buffer):
        return None
    payload = buffer[begin : begin + length]
    if _checksum(number, length, payload) != checksum:
        return None
    identity, captured_ns, key_length = _FIXED.unpack_from(payload)
    body = _FIXED.size + key_length
    key, value = payload[_FIXED.size : body], payload[body:]
    return Found(SpooledRecord(str(UUID(bytes=identity)), captured_ns, key, value), number, begin + length)


def _checksum(number: int, length: int, payload: bytes) -> int:
    return crc32(payload, crc32(_NUMBERED.pack(number, length)))
