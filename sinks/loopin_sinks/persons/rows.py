"""The journal of merges as rows of the tables ``person_merges`` and ``person_distinct_ids``."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa

from loopin_schemas.identity import PersonMerge

PERSON_MERGES = "person_merges"

_MS = pa.timestamp("ms", "UTC")

MERGES_SCHEMA = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("distinct_id", pa.string(), nullable=False),
        pa.field("other", pa.string(), nullable=False),
        pa.field("person", pa.string(), nullable=False),
        pa.field("moved", pa.list_(pa.string()), nullable=False),
        pa.field("kept", pa.list_(pa.string()), nullable=False),
        pa.field("event_uuid", pa.string()),
        pa.field("event_at", _MS, nullable=False),
        pa.field("decided_at", _MS, nullable=False),
        pa.field("revision", pa.uint64(), nullable=False),
        pa.field("_stored_at", _MS, nullable=False),
    ]
)

IDS_SCHEMA = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("distinct_id", pa.string(), nullable=False),
        pa.field("person", pa.string(), nullable=False),
        pa.field("revision", pa.uint64(), nullable=False),
        pa.field("_stored_at", _MS, nullable=False),
    ]
)


def merges_to_arrow(merges: Collection[PersonMerge], stored_at_ms: int) -> pa.Table:
    """Rows of ``MERGES_SCHEMA``, one a record."""
    columns: tuple[Sequence[object], ...] = (
        [m.project for m in merges],
        [m.id for m in merges],
        [m.kind for m in merges],
        [m.outcome for m in merges],
        [m.reason or "" for m in merges],
        [m.distinct_id for m in merges],
        [m.other for m in merges],
        [m.person for m in merges],
        [m.moved for m in merges],
        [m.kept for m in merges],
        [m.event_uuid for m in merges],
        [m.event_at for m in merges],
        [m.decided_at for m in merges],
        [m.revision for m in merges],
        [stored_at_ms] * len(merges),
    )
    return table(columns, MERGES_SCHEMA)


def ids_to_arrow(merges: Collection[PersonMerge], stored_at_ms: int) -> pa.Table:
    """Rows of ``IDS_SCHEMA``: for each id that changed its person, who that is now."""
    moved = [(m, distinct_id) for m in merges for distinct_id in m.moved]
    columns: tuple[Sequence[object], ...] = (
        [m.project for m, _ in moved],
        [distinct_id for _, distinct_id in moved],
        [m.person for m, _ in moved],
        [m.revision for m, _ in moved],
        [stored_at_ms] * len(moved),
    )
    return table(columns, IDS_SCHEMA)


def table(columns: Sequence[Sequence[object] | pa.Array], schema: pa.Schema) -> pa.Table:
    """Columns in the order of a schema."""
    arrays = [
        values if isinstance(values, pa.Array) else pa.array(values, type=field.type)
        for values, field in zip(columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
