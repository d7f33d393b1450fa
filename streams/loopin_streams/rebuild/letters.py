"""What the dead letters of one partition say of its raw records."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from loopin_schemas.codec import decoder
from loopin_schemas.topics import DLQ, RAW
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.windows.grains import MINUTE_MS


class _Letter(msgspec.Struct):
    """The part of a dead letter that is looked at."""

    reason: str
    topic: str
    topic_id: str
    partition: int
    offset: int
    first_seen: int
    project: str | None = None


_decode = decoder(_Letter).decode


@dataclass(slots=True)
class Letters:
    """Raw records that became dead letters.

    ``end`` is the offset after the last one of the topic there is now, ``by_reason`` counts them, and
    ``rejected`` by project, minute of the append time (since 1970) and reason. ``unlogged`` counts those
    whose records the raw log no longer holds, by project and minute.
    """

    end: int = 0
    unlogged: dict[tuple[str, int], int] = field(default_factory=dict)
    by_reason: dict[str, int] = field(default_factory=dict)
    rejected: dict[tuple[str, int, str], int] = field(default_factory=dict)


async def read_letters_of(reader: Reader, settings: KafkaSettings, partition: int, topic_id: str) -> Letters:
    """All there are; ``topic_id`` is Kafka's id of ``events.raw``."""
    found = Letters()
    raw = settings.topic(RAW.name)
    start = (await reader.log(raw, partition)).start
    async for block in reader.blocks(settings.topic(DLQ.name), partition):
        for record in block:
            try:
                letter = _decode(record.value or b"")
            except (ValueError, RecursionError):
                # Nobody's letter of ours; `loopin dlq list` says so.
                continue
            # The sink buries what it cannot read here, too.
            if letter.topic == raw and letter.partition == partition:
                _take(found, letter, logged=letter.topic_id == topic_id and letter.offset >= start)
                if letter.topic_id == topic_id:
                    found.end = max(found.end, letter.offset + 1)
    return found


def _take(found: Letters, letter: _Letter, *, logged: bool) -> None:
    found.by_reason[letter.reason] = found.by_reason.get(letter.reason, 0) + 1
    project, minute = letter.project or "", letter.first_seen // MINUTE_MS
    about = project, minute, letter.reason
    found.rejected[about] = found.rejected.get(about, 0) + 1
    if not logged:
        found.unlogged[project, minute] = found.unlogged.get((project, minute), 0) + 1
