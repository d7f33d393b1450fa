"""Anomalies as rows of the table ``anomalies``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa

from loopin_schemas.anomaly import Anomaly, OddFeature
from loopin_sinks.metric_values.scope import epoch_ms
from loopin_sinks.persons.rows import table

ANOMALIES: Final = "anomalies"

_MS = pa.timestamp("ms", "UTC")

ANOMALIES_SCHEMA = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("distinct_id", pa.string(), nullable=False),
        pa.field("at", _MS, nullable=False),
        pa.field("since", _MS, nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("threshold", pa.float64(), nullable=False),
        pa.field("feature_names", pa.list_(pa.string()), nullable=False),
        pa.field("feature_values", pa.list_(pa.float64()), nullable=False),
        pa.field("feature_usual", pa.list_(pa.float64()), nullable=False),
        pa.field("feature_weights", pa.list_(pa.float64()), nullable=False),
        pa.field("detector", pa.string(), nullable=False),
        pa.field("event_name", pa.string(), nullable=False),
        pa.field("_raw_partition", pa.uint32(), nullable=False),
        pa.field("_raw_offset", pa.int64(), nullable=False),
        pa.field("revision", pa.uint64(), nullable=False),
        pa.field("_stored_at", _MS, nullable=False),
    ]
)

_AS_THEY_ARE: Final = ("project", "kind", "distinct_id", "score", "threshold", "detector", "event_name")


class Recorded(NamedTuple):
    """A record of the topic, and its offset as its row's revision: of a user all are in one partition."""

    anomaly: Anomaly
    revision: int


def anomalies_to_arrow(records: Collection[Recorded], stored_at_ms: int) -> pa.Table:
    """Rows of ``ANOMALIES_SCHEMA``, one a record."""
    found = [each.anomaly for each in records]
    columns: tuple[Sequence[object], ...] = (
        [a.project for a in found],
        [a.kind for a in found],
        [a.distinct_id for a in found],
        [a.at for a in found],
        [a.since for a in found],
        [a.score for a in found],
        [a.threshold for a in found],
        [[feature.name for feature in a.features] for a in found],
        [[feature.value for feature in a.features] for a in found],
        [[feature.usual for feature in a.features] for a in found],
        [[feature.weight for feature in a.features] for a in found],
        [a.detector for a in found],
        [a.event_name for a in found],
        [a.raw_partition for a in found],
        [a.raw_offset for a in found],
        [each.revision for each in records],
        [stored_at_ms] * len(found),
    )
    return table(columns, ANOMALIES_SCHEMA)


def anomaly_of(row: Mapping[str, Any]) -> Anomaly:
    """The record that a row was made of."""
    features = zip(
        *(row[f"feature_{of}"] for of in ("names", "values", "usual", "weights")),
        strict=True,
    )
    return Anomaly(
        **{name: row[name] for name in _AS_THEY_ARE},
        at=epoch_ms(row["at"]),
        since=epoch_ms(row["since"]),
        features=tuple(
            OddFeature(name=name, value=value, usual=usual, weight=weight)
            for name, value, usual, weight in features
        ),
        raw_partition=row["_raw_partition"],
        raw_offset=row["_raw_offset"],
    )
