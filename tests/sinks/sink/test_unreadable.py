"""Records that are no enriched event."""

from __future__ import annotations

from loopin_schemas.codec import decode
from loopin_schemas.dead_letter import DeadLetter
from loopin_streams.kafka.reader import Reader
from tests.sinks.enriched import Enriched, running, stored_all


async def test_a_record_that_is_no_event_becomes_a_dead_letter_and_its_neighbours_are_stored(
    enriched: Enriched,
) -> None:
    enriched.publish(10)
    enriched.writer.write(
        [enriched.record(b"not json", 1, b"k" * 5_000), enriched.record(None, 1, b"tombstone")]
    )
    enriched.publish(10)
    sink = enriched.sink()
    async with running(sink):
        await stored_all(enriched, sink)
    assert sink.writer.unreadable == 2
    assert sink.writer.stored_rows == 20
    dlq = enriched.settings.topic("events.dlq")
    async with Reader(enriched.settings.kafka_bootstrap, [(dlq, 1)]) as reader:
        letters = [decode(record.value or b"", DeadLetter) for record in await reader.read(dlq, 1)]
    assert [(letter.reason, letter.step, letter.body) for letter in letters] == [
        ("unreadable", "sink", b"not json"),
        ("unreadable", "sink", b""),
    ]
    assert letters[0].key == b"k" * 1024
