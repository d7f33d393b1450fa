"""Where a raw partition's log and the stored events meet."""

from __future__ import annotations

from contextlib import aclosing
from typing import NamedTuple

from loopin_schemas.errors import InvalidEvent
from loopin_schemas.validation import decode_event
from loopin_streams.enrich.draft import Origin
from loopin_streams.enrich.steps.decode import derived_uuid
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.marker import Marker
from loopin_streams.kafka.reader import Log, Reader
from loopin_streams.rebuild.truth import Place, Truth


class Position(NamedTuple):
    """Where the raw log goes on after the stored events.

    ``offset`` is the first record whose outcome is not on the derived topics, or the log's start where that
    comes later; then ``lost`` is the greatest number of records that nobody has absorbed. ``since`` is the
    append time (epoch ms) of the first record kept, ``waiting`` that of the first one from ``offset`` on;
    None where there is none.
    """

    offset: int
    lost: int
    since: int | None
    waiting: int | None


async def find_position(
    reader: Reader, truth: Truth, origin: Origin, *, marker: Marker | None, letters_end: int
) -> Position:
    """Compare the log with the store.

    ``marker`` is the job's last one, if it can be read. ``letters_end`` is the offset after the last dead
    letter of this topic.
    """
    log = await reader.log(origin.topic, origin.partition)
    first = await _first(reader, origin, log.start, log)
    since = None if first is None else first.timestamp
    end = await _absorbed(_Logs(reader, truth, origin, log), since, marker, letters_end)
    offset = max(end, log.start)
    waiting = await _first(reader, origin, offset, log)
    return Position(
        offset,
        lost=offset - end,
        since=since,
        waiting=None if waiting is None else waiting.timestamp,
    )


class _Logs(NamedTuple):
    """The raw log and the stored events beside it."""

    reader: Reader
    truth: Truth
    origin: Origin
    log: Log

    async def stored(self, below: int, *, since: int = 0) -> Place | None:
        """The event with the greatest offset below ``below`` that the log still reaches back to."""
        found = await self.truth.before(self.origin.partition, below, since=since)
        return found if found is not None and found.offset >= self.log.start else None

    async def holds(self, place: Place) -> bool:
        """Whether the record at an event's offset is the one that the event came from."""
        blocks = self.reader.blocks(
            self.origin.topic, self.origin.partition, start=place.offset, end=place.offset + 1
        )
        found = [record async for block in blocks for record in block]
        return bool(found) and _uuid_of(found[0], self.origin) == place.uuid


async def _absorbed(logs: _Logs, since: int | None, marker: Marker | None, letters_end: int) -> int:
    """The offset after the last record that has had its outcome."""
    log = logs.log
    # Events of an earlier topic of this name may have greater offsets, but they are older than the log.
    last = None if since is None else await logs.stored(log.end, since=since)
    if last is not None and await logs.holds(last):
        end = last.offset + 1
    else:
        end = await _parted(logs)
        if last is not None:
            # The broker has lost the log's end, and others have written there since.
            return end
    if marker is None:
        end = end or await _before_start(logs)
    elif marker.topic_id == logs.origin.topic_id:
        # Drops leave no trace but in the marker.
        end = max(end, min(marker.position, log.end))
    return max(end, min(letters_end, log.end))


async def _parted(logs: _Logs) -> int:
    """Where the log and the events part: 0 if nothing of this log is stored."""
    agreed, apart, end = logs.log.start - 1, logs.log.end, 0
    while agreed + 1 < apart:
        middle = (agreed + apart) // 2
        place = await logs.stored(middle + 1)
        if place is None or place.offset <= agreed:
            agreed = middle
        elif await logs.holds(place):
            agreed, end = middle, place.offset + 1
        else:
            apart = place.offset
    return end


async def _before_start(logs: _Logs) -> int:
    """Where the events end, if that can be before the log's start; else they are of another topic."""
    latest = await logs.truth.latest(logs.origin.partition)
    return latest.offset + 1 if latest is not None and latest.offset < logs.log.start else 0


async def _first(reader: Reader, origin: Origin, start: int, log: Log) -> Record | None:
    blocks = reader.blocks(origin.topic, origin.partition, start=start, end=log.end)
    async with aclosing(blocks):
        async for block in blocks:
            if block:
                return block[0]
    return None


def _uuid_of(record: Record, origin: Origin) -> str | None:
    try:
        return decode_event(record.value or b"").uuid or derived_uuid(origin, record.offset)
    except InvalidEvent:
        return None
