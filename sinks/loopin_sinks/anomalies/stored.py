"""The table ``anomalies``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from loopin_schemas.anomaly import Anomaly, AnomalyKind
from loopin_sinks.anomalies.rows import anomaly_of
from loopin_sinks.store import Store

_FOUND: Final = "FROM anomalies FINAL WHERE project = {project:String}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which anomalies: those raised in [start, end), of a kind, of a user."""

    start: datetime | None = None
    end: datetime | None = None
    kind: AnomalyKind | None = None
    distinct_id: str | None = None

    def tests(self) -> tuple[list[str], dict[str, Any]]:
        """As conditions in SQL, and what they bind."""
        all_of: tuple[tuple[str, object], ...] = (
            ("at >= {start:DateTime64(3, 'UTC')}", self.start),
            ("at < {end:DateTime64(3, 'UTC')}", self.end),
            ("kind = {kind:String}", self.kind),
            ("distinct_id = {distinct_id:String}", self.distinct_id),
        )
        names = ("start", "end", "kind", "distinct_id")
        given = [(test, name, value) for (test, value), name in zip(all_of, names, strict=True) if value]
        return [test for test, _, _ in given], {name: value for _, name, value in given}


async def anomalies(
    store: Store, project: str, wanted: Wanted, limit: int, offset: int = 0
) -> Sequence[Anomaly]:
    """Some of a project's anomalies, newest first. Raises StoreError."""
    tests, bound = wanted.tests()
    rows = await store.query(
        f"SELECT * {' AND '.join([_FOUND, *tests])} ORDER BY at DESC, kind, distinct_id "
        "LIMIT {limit:UInt32} OFFSET {offset:UInt64}",
        {"project": project, "limit": limit, "offset": offset, **bound},
    )
    return [anomaly_of(row) for row in rows]


async def number_of_anomalies(store: Store, project: str, wanted: Wanted) -> int:
    """How many there are. Raises StoreError."""
    tests, bound = wanted.tests()
    [row] = await store.query(
        f"SELECT count() AS number {' AND '.join([_FOUND, *tests])}", {"project": project, **bound}
    )
    return int(row["number"])
