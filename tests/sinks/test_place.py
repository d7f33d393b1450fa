"""Where a partition is read on from, and when it is refused."""

from __future__ import annotations

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from loopin_sinks.place import Place, place_of
from loopin_sinks.progress import Progress
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.reader import Log

TOPIC_ID = "0b5a1c70-6d3b-4b6e-9a51-3f1f0a2b7c11"
AT = TopicPartition("events.enriched", 0)


def note(offset: int, end: int | None = None, doubtful_to: int | None = None) -> OffsetAndMetadata:
    return OffsetAndMetadata(offset, Progress(TOPIC_ID, end, doubtful_to).text())


async def place(found: OffsetAndMetadata | None, kept: Log, stored: int | None = None) -> Place:
    async def stored_up_to(partition: int) -> int:
        assert partition == AT.partition
        assert stored is not None, "the note says all, and asking takes long"
        return stored

    return await place_of(AT, found, kept, TOPIC_ID, stored_up_to)


LOG = Log(10, 20)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (note(10), Place(10, 10, 10)),
        (note(20), Place(20, 20, 20)),
        (note(12, 20), Place(12, 20, 12)),
        (note(12, 14, 20), Place(12, 14, 20)),
        (note(12, None, 20), Place(12, 12, 20)),
    ],
)
async def test_a_note_says_where(found: OffsetAndMetadata, expected: Place) -> None:
    assert await place(found, LOG) == expected


@pytest.mark.parametrize(
    ("found", "stored", "expected"),
    [
        (None, 0, Place(10, 10, 10)),
        (None, 10, Place(10, 10, 10)),
        (None, 20, Place(10, 10, 20)),
        (OffsetAndMetadata(12, ""), 16, Place(12, 12, 16)),
        (OffsetAndMetadata(12, ""), 11, Place(12, 12, 12)),
    ],
)
async def test_without_a_note_the_store_says_what_may_be_there(
    found: OffsetAndMetadata | None, stored: int, expected: Place
) -> None:
    assert await place(found, LOG, stored) == expected


@pytest.mark.parametrize(
    ("found", "stored", "code"),
    [
        (note(9), None, "log_starts_after_marker"),
        (note(9, 12), None, "log_starts_after_marker"),
        (note(21), None, "marker_beyond_log"),
        (note(19, 21), None, "marker_beyond_log"),
        (note(12, 14, 21), None, "marker_beyond_log"),
        (None, 9, "log_starts_after_marker"),
        (None, 21, "marker_beyond_log"),
        (OffsetAndMetadata(12, ""), 9, "log_starts_after_marker"),
        (OffsetAndMetadata(12, ""), 21, "marker_beyond_log"),
        (OffsetAndMetadata(9, ""), 12, "log_starts_after_marker"),
        (OffsetAndMetadata(12, Progress("another").text()), None, "topic_recreated"),
    ],
)
async def test_what_is_missing_is_not_passed_over(
    found: OffsetAndMetadata | None, stored: int | None, code: str
) -> None:
    with pytest.raises(RefusedToOpen, match="stop the sinks and run `loopin sink accept-loss`") as refusal:
        await place(found, LOG, stored)
    assert refusal.value.code == code
