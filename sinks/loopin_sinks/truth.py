"""The table ``events`` as a rebuild of the stream's state reads it (``loopin_streams.rebuild.truth``)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any, Final

from loopin_schemas.codec import decode_object
from loopin_schemas.event import EnrichedEvent
from loopin_schemas.topics import event_key
from loopin_sinks.repair.recompute import REPAIR_REVISION
from loopin_sinks.repair.requests import request_repairs
from loopin_sinks.store import Store
from loopin_sinks.window_rows import METRIC_WINDOWS, WindowRef
from loopin_sinks.writer import TABLE
from loopin_streams.rebuild.truth import Extent, Place, Share, Span, StoredEvent, WindowId
from loopin_streams.windows.grains import GRAINS, HOUR_MS
from loopin_streams.windows.series import OTHER

SPAN_EVENTS: Final = 500_000
"""Events sorted at once, unless one hour holds more."""

_OF_SHARE: Final = (
    "kafkaMurmurHash(concat(toString(project), ':', distinct_id)) % {partitions:UInt32} = {partition:UInt32}"
)
"""Kafka's default partitioner, in the engine."""

_RECEIVED: Final = "toUnixTimestamp64Milli(received_at)"
_WITHIN: Final = (
    "received_at >= fromUnixTimestamp64Milli({start:Int64}, 'UTC') "
    "AND received_at < fromUnixTimestamp64Milli({end:Int64}, 'UTC')"
)
_END: Final = 1 << 52
"""A time that no clock shows."""

_GRAINS: Final = "[" + ", ".join(f"('{grain.name}', {grain.size_ms})" for grain in GRAINS) + "]"


class StoredTruth:
    """The stored events of all projects."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def extents(self) -> dict[str, Extent]:
        """What there is of each project."""
        rows = await self._rows(
            "SELECT toString(project), toUnixTimestamp64Milli(min(timestamp)), count() "
            f"FROM {TABLE} GROUP BY project"
        )
        return {str(project): Extent(int(oldest), int(events)) for project, oldest, events in rows}

    async def newest(self) -> dict[int, int]:
        """The greatest min(event time, append time) of each raw partition, epoch ms."""
        rows = await self._rows(
            "SELECT _raw_partition, toUnixTimestamp64Milli(max(least(timestamp, received_at))) "
            f"FROM {TABLE} GROUP BY _raw_partition"
        )
        return {int(partition): int(newest) for partition, newest in rows}

    async def passed(self, partition: int) -> int:
        """How many events came from a raw partition."""
        rows = await self._rows(
            f"SELECT count() FROM {TABLE} WHERE _raw_partition = {{partition:UInt32}}", partition=partition
        )
        return int(rows[0][0])

    async def latest(self, partition: int) -> Place | None:
        """The event of a raw partition that was appended last."""
        rows = await self._rows(
            f"SELECT _raw_offset, toString(uuid), {_RECEIVED} FROM {TABLE} "
            "WHERE _raw_partition = {partition:UInt32} ORDER BY received_at DESC, _raw_offset DESC LIMIT 1",
            partition=partition,
        )
        return _place(rows)

    async def before(self, partition: int, offset: int, *, since: int = 0) -> Place | None:
        """The event with the greatest offset below ``offset``, of those appended at ``since`` or later."""
        rows = await self._rows(
            f"SELECT _raw_offset, toString(uuid), {_RECEIVED} FROM {TABLE} "
            f"WHERE _raw_partition = {{partition:UInt32}} AND _raw_offset < {{offset:Int64}} AND {_WITHIN} "
            "ORDER BY _raw_offset DESC, received_at DESC LIMIT 1",
            partition=partition,
            offset=offset,
            start=since,
            end=_END,
        )
        return _place(rows)

    async def spans(self, share: Share) -> list[Span]:
        """Ranges of append times that together hold all events of these users, oldest first."""
        hours = await self._rows(
            f"SELECT toUnixTimestamp(toStartOfHour(received_at)) AS hour, count() FROM {TABLE} "
            f"WHERE {_OF_SHARE} GROUP BY hour ORDER BY hour",
            **share._asdict(),
        )
        return _spans([(int(hour) * 1000, int(events)) for hour, events in hours])

    async def events(self, share: Share, span: Span) -> AsyncGenerator[list[StoredEvent], None]:
        """The events of these users in the order of their arrival, in blocks."""
        sql = (
            "SELECT toString(project), toString(event), distinct_id, toUnixTimestamp64Milli(timestamp), "
            f"{_RECEIVED}, sentiment, _raw_partition, _raw_offset, properties "
            f"FROM {TABLE} WHERE {_OF_SHARE} AND {_WITHIN} "
            "ORDER BY received_at, _raw_partition, _raw_offset"
        )
        known = {"start": span.start, "end": span.end, **share._asdict()}
        last: tuple[Any, ...] = ()
        async with aclosing(self._blocks(sql, known)) as blocks:
            async for rows in blocks:
                found = []
                for row in rows:
                    # The engine replaces a row that was stored twice some time or other; here it is one now.
                    place = row[4:8]
                    if place != last:
                        found.append(_event(row))
                        last = place
                yield found

    async def identities(
        self, share: Share, *, since: int
    ) -> AsyncGenerator[list[tuple[int, str, str]], None]:
        """Append time, project and uuid of the events appended at ``since`` or later, oldest first."""
        sql = (
            f"SELECT {_RECEIVED}, toString(project), toString(uuid) FROM {TABLE} "
            f"WHERE {_OF_SHARE} AND {_WITHIN} ORDER BY received_at"
        )
        async with aclosing(self._blocks(sql, {"start": since, "end": _END, **share._asdict()})) as blocks:
            async for rows in blocks:
                yield [(int(received), str(project), str(uuid)) for received, project, uuid in rows]

    async def received(self, share: Share, *, start: int, end: int) -> dict[tuple[str, int], int]:
        """How many events were appended from ``start`` to before ``end``, by project and minute."""
        rows = await self._rows(
            f"SELECT toString(project), intDiv({_RECEIVED}, 60000) AS minute, count() FROM {TABLE} "
            f"WHERE _raw_partition % {{partitions:UInt32}} = {{partition:UInt32}} AND {_WITHIN} "
            "GROUP BY project, minute",
            start=start,
            end=end,
            **share._asdict(),
        )
        return {(str(project), int(minute)): int(events) for project, minute, events in rows}

    async def windows_of(self, *, start: int, end: int) -> set[WindowId]:
        """The windows of the events that were appended from ``start`` to before ``end``."""
        rows = await self._rows(
            "SELECT DISTINCT toString(project), of.1, intDiv(toUnixTimestamp64Milli(timestamp), of.2) * of.2 "
            f"FROM {TABLE} ARRAY JOIN {_GRAINS} AS of WHERE {_WITHIN}",
            start=start,
            end=end,
        )
        return {(str(project), grain, int(at)) for project, grain, at in rows}

    async def settled(self, *, since: int) -> set[WindowId]:
        """Windows that were repaired, which outranks the stream; or that have the series ``$other``.

        Which values went there depends on the order of arrival in a partition. Only those that begin at
        ``since`` (epoch ms) or later.
        """
        rows = await self._rows(
            "SELECT DISTINCT toString(project), toString(grain), toUnixTimestamp(start) "
            f"FROM {METRIC_WINDOWS} "
            "WHERE start >= toDateTime({since:Int64}, 'UTC') "
            "AND (revision >= {repairs:UInt64} OR dimension_value = {other:String})",
            since=max(0, since) // 1000,
            repairs=REPAIR_REVISION,
            other=OTHER,
        )
        return {(str(project), grain, int(start) * 1000) for project, grain, start in rows}

    async def identified(self) -> AsyncGenerator[tuple[str, str], None]:
        """Project and distinct_id of those that an ``$identify`` was about."""
        sql = f"SELECT DISTINCT toString(project), distinct_id FROM {TABLE} WHERE event = '$identify'"
        async with aclosing(self._blocks(sql, {})) as blocks:
            async for rows in blocks:
                for project, distinct_id in rows:
                    yield str(project), str(distinct_id)

    async def ask_for_repairs(self, windows: Iterable[WindowId]) -> None:
        """Have these windows recomputed from the events, once no stream will change them any more."""
        await request_repairs(self._store, {WindowRef(*window) for window in windows})

    async def _rows(self, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
        async with aclosing(self._blocks(sql, parameters)) as blocks:
            return [row async for rows in blocks for row in rows]

    async def _blocks(
        self, sql: str, parameters: dict[str, object]
    ) -> AsyncGenerator[list[tuple[Any, ...]], None]:
        # A stream, because a query's time is bounded for people who wait for it.
        async with self._store.stream(sql, parameters) as rows:
            async for block in rows:
                yield block


def _event(row: tuple[Any, ...]) -> StoredEvent:
    project, event, distinct_id, timestamp, received_at, sentiment, partition, offset, properties = row
    return StoredEvent(
        event_key(project, distinct_id),
        EnrichedEvent(
            uuid="",
            project=project,
            event=event,
            distinct_id=distinct_id,
            timestamp=timestamp,
            received_at=received_at,
            sentiment=sentiment,
            raw_partition=partition,
            raw_offset=offset,
        ),
        decode_object(properties) if properties else {},
    )


def _place(rows: list[tuple[Any, ...]]) -> Place | None:
    return Place(*rows[0]) if rows else None


def _spans(hours: list[tuple[int, int]]) -> list[Span]:
    """Whole hours, joined up to ``SPAN_EVENTS``."""
    spans: list[Span] = []
    for hour, events in hours:
        if spans and spans[-1].events + events <= SPAN_EVENTS:
            spans[-1] = Span(spans[-1].start, hour + HOUR_MS, spans[-1].events + events)
        else:
            spans.append(Span(hour, hour + HOUR_MS, events))
    return spans
