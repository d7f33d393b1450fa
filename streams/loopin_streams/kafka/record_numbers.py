"""What a record says of how far the transaction has come that wrote it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from loopin_schemas.codec import decode
from loopin_schemas.topics import (
    DLQ,
    ENRICH_STATE,
    ENRICHED,
    IDENTITY_LINKS,
    MERGE_STATE,
    METRICS,
    PERSON_MERGES,
    PERSONS,
    RAW,
    WINDOWS,
)
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.marker import MARKER_KEY
from loopin_streams.kafka.settings import KafkaSettings

Number = Callable[[Record], int | None]
"""How far a record's transaction has come, at least; None where the record does not say."""

REVISION_KEY: Final = b"p"
"""Key of the merge's progress on its state topic."""


class _Position(msgspec.Struct):
    position: int


class _Revision(msgspec.Struct):
    revision: int = 0


class _Event(msgspec.Struct):
    raw_offset: int = msgspec.field(name="_raw_offset")


class _Letter(msgspec.Struct):
    topic: str
    partition: int
    offset: int


class _Link(msgspec.Struct):
    raw_partition: int | None = msgspec.field(default=None, name="_raw_partition")
    raw_offset: int = msgspec.field(default=0, name="_raw_offset")


class _Decided(msgspec.Struct):
    link_offset: int


def marker_position(record: Record) -> int | None:
    """The position of a marker; other records of a state topic say nothing."""
    if record.key != MARKER_KEY:
        return None
    return decode(record.value, _Position).position if record.value else 0


def numbers_of(settings: KafkaSettings, partition: int) -> dict[str, Number]:
    """What the records tell that work on an input partition writes, by topic without prefix."""
    raw = settings.topic(RAW.name)

    def progress(record: Record) -> int | None:
        if record.key != REVISION_KEY:
            return None
        return decode(record.value, _Revision).revision if record.value else 0

    def letter(record: Record) -> int | None:
        about = decode(record.value or b"", _Letter)
        # A sink buries records of other topics here.
        return about.offset + 1 if (about.topic, about.partition) == (raw, partition) else None

    def partials(record: Record) -> int | None:
        mine = record.key == b"%d" % partition
        return decode(record.value or b"", _Position).position if mine else None

    def link(record: Record) -> int | None:
        about = decode(record.value or b"", _Link)
        return about.raw_offset + 1 if about.raw_partition == partition else None

    def decided(record: Record) -> int | None:
        return decode(record.value, _Decided).link_offset + 1 if record.value else None

    return {
        ENRICH_STATE.name: marker_position,
        ENRICHED.name: _if_readable(lambda record: decode(record.value or b"", _Event).raw_offset + 1),
        DLQ.name: _if_readable(letter),
        WINDOWS.name: _if_readable(partials),
        IDENTITY_LINKS.name: _if_readable(link),
        PERSONS.name: _if_readable(decided),
        PERSON_MERGES.name: _if_readable(decided),
        MERGE_STATE.name: progress,
        METRICS.name: _if_readable(lambda record: decode(record.value or b"", _Revision).revision),
    }


def _if_readable(number: Number) -> Number:
    def said(record: Record) -> int | None:
        try:
            return number(record)
        except (ValueError, RecursionError):
            return None

    return said
