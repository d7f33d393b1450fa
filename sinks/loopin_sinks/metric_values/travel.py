"""How fast persons moved from event to event, in SQL: :mod:`loopin_schemas.scores.impossible_travel`."""

from __future__ import annotations

from typing import Final

from loopin_schemas.scores.impossible_travel import EARTH_RADIUS_KM, LEAST_S, LOOKBACK_S, UNKNOWN_KM

LOOKBACK_MS: Final = int(LOOKBACK_S * 1000) + 1
"""How long before a time its events' predecessors may lie, ms."""

LOCATED: Final = "(abs(latitude) <= 90 AND abs(longitude) <= 180)"
"""Whether a row of ``events`` says where it comes from."""

OFF: Final = f"greatest(0, ifNull(accuracy_km, {UNKNOWN_KM}))"
"""How far off that may be, km."""

_HALF: Final = (
    "(pow(sin(radians(latitude - was.2) / 2), 2) "
    "+ cos(radians(was.2)) * cos(radians(latitude)) * pow(sin(radians(longitude - was.3) / 2), 2))"
)
_DISTANCE: Final = f"(2 * {EARTH_RADIUS_KM} * asin(least(1, sqrt({_HALF}))))"


def with_speed(found: str, columns: str) -> str:
    """The rows of a query with the ``columns`` and ``speed``: km/h since the person's event before.

    ``found`` has ``person``, ``ms`` (epoch ms), ``latitude``, ``longitude``, ``off`` and ``uuid``; a person's
    first event has speed 0.
    """
    return f"""
        SELECT {columns},
            if(was.1 = 0, 0, greatest(0, {_DISTANCE} - was.4 - off)
                / greatest((ms - was.1) / 1000, {LEAST_S}) * 3600) AS speed
        FROM (
            SELECT *, lagInFrame(
                    (ms, assumeNotNull(latitude), assumeNotNull(longitude), assumeNotNull(off)), 1,
                    (toInt64(0), toFloat64(0), toFloat64(0), toFloat64(0))
                ) OVER (
                    PARTITION BY person ORDER BY ms, toString(uuid) ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
                ) AS was
            FROM ({found})
        )
    """
