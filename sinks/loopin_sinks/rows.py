"""Enriched events as rows of table ``events``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from loopin_schemas import EnrichedEvent

_MS = pa.timestamp("ms", "UTC")

EVENTS_SCHEMA = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("uuid", pa.string(), nullable=False),
        pa.field("event", pa.string(), nullable=False),
        pa.field("distinct_id", pa.string(), nullable=False),
        pa.field("timestamp", _MS, nullable=False),
        pa.field("received_at", _MS, nullable=False),
        pa.field("original_timestamp", _MS),
        pa.field("sent_at", _MS),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("properties", pa.binary(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("parent_uuid", pa.string()),
        pa.field("sentiment", pa.float64()),
        pa.field("sentiment_label", pa.string(), nullable=False),
        pa.field("warnings", pa.list_(pa.string()), nullable=False),
        pa.field("late", pa.string(), nullable=False),
        pa.field("_raw_partition", pa.uint32(), nullable=False),
        pa.field("_raw_offset", pa.int64(), nullable=False),
        pa.field("_origin", pa.string(), nullable=False),
        pa.field("_topic_id", pa.string(), nullable=False),
        pa.field("_partition", pa.uint32(), nullable=False),
        pa.field("_offset", pa.int64(), nullable=False),
        pa.field("_stored_at", _MS, nullable=False),
        pa.field("_retention_days", pa.uint16(), nullable=False),
    ]
)
"""The columns that an insert fills, in the table's order; the engine computes the others."""


class _Same(NamedTuple):
    """A column's value, where all rows have the same."""

    value: object


EARLIEST_MS = -2_208_988_800_000
"""1900-01-01T00:00Z, the earliest time that DateTime64 holds."""

END_MS = 10_413_792_000_000
"""2300-01-01T00:00Z, where DateTime64 ends."""


def to_arrow(
    events: Sequence[EnrichedEvent],
    partition: int,
    offsets: Sequence[int],
    topic_id: str,
    retention: Callable[[str], int],
    stored_at_ms: int,
) -> pa.Table:
    """Rows of ``EVENTS_SCHEMA``, one for each event, in order.

    ``offsets`` are those of the events in ``partition`` of events.enriched, whose Kafka topic id (as UUID
    text) is ``topic_id``. ``retention`` gives a project's days. What an event lacks is NULL for times,
    numbers and parent_uuid, else ``''``. A client's claim of a time that DateTime64 cannot hold is NULL too.

    Raises:
        ValueError: there are not as many offsets as events.
    """
    count = len(events)
    if len(offsets) != count:
        raise ValueError(f"{count} events came with {len(offsets)} offsets")
    projects = [e.project for e in events]
    days = {project: retention(project) for project in set(projects)}
    columns: tuple[Sequence[object] | _Same, ...] = (
        projects if len(days) > 1 or not projects else _Same(projects[0]),
        [e.uuid for e in events],
        [e.event for e in events],
        [e.distinct_id for e in events],
        [e.timestamp for e in events],
        [e.received_at for e in events],
        [_storable(e.original_timestamp) for e in events],
        [_storable(e.sent_at) for e in events],
        [e.session_id or "" for e in events],
        [bytes(e.properties) for e in events],
        [e.source for e in events],
        [e.parent_uuid for e in events],
        [e.sentiment for e in events],
        [e.sentiment_label or "" for e in events],
        [e.warnings for e in events],
        [e.late or "" for e in events],
        [e.raw_partition for e in events],
        [e.raw_offset for e in events],
        [e.origin or "" for e in events],
        _Same(topic_id),
        _Same(partition),
        offsets,
        _Same(stored_at_ms),
        _Same(days[projects[0]]) if len(days) == 1 else [days[project] for project in projects],
    )
    arrays = [_array(values, field.type, count) for values, field in zip(columns, EVENTS_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=EVENTS_SCHEMA)


def _array(values: Sequence[object] | _Same, kind: pa.DataType, count: int) -> pa.Array:
    if isinstance(values, _Same):
        return pa.repeat(pa.scalar(values.value, kind), count)
    return pa.array(values, type=kind)


def by_month(table: pa.Table, time_column: str = "timestamp") -> list[tuple[str, pa.Table]]:
    """The rows of each month (UTC) of a time, as ``("202601", rows)``, months and rows in order.

    A month is a partition of the table: an insert into one of them is atomic, into several it is not.
    """
    if table.num_rows == 0:
        return []
    times = table[time_column]
    months = pc.add(pc.multiply(pc.year(times), 100), pc.month(times))
    found = sorted(pc.unique(months).to_pylist())
    if len(found) == 1:
        return [(str(found[0]), table)]
    return [(str(month), table.filter(pc.equal(months, month))) for month in found]


def _storable(claimed_ms: int | None) -> int | None:
    if claimed_ms is None or not EARLIEST_MS <= claimed_ms < END_MS:
        return None
    return claimed_ms
