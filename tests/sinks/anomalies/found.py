"""Anomalies as the stream tells them."""

from __future__ import annotations

from typing import Any

from loopin_schemas.anomaly import Anomaly, OddFeature

T = 1_768_473_000_000
"""2026-01-15T10:30Z, epoch ms."""


def some_anomaly(at: int = T, **fields: Any) -> Anomaly:
    """Of somebody who was in London, and in New York an hour later."""
    given: dict[str, Any] = {
        "project": "shop",
        "distinct_id": "asha",
        "kind": "impossible_travel",
        "since": at - 3_600_000,
        "score": 5470.0,
        "threshold": 1000.0,
        "features": (
            OddFeature(name="speed_kmh", value=5470.0, usual=1000.0, weight=1.0),
            OddFeature(name="distance_km", value=5570.0),
            OddFeature(name="minutes_between", value=60.0),
        ),
        "detector": "rules 1",
        "raw_partition": 2,
        "raw_offset": 4711,
        "event_name": "$pageview",
    }
    return Anomaly(at=at, **{**given, **fields})
