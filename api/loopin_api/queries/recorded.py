"""Rows that are events themselves, such as errors, with what people put right of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from loopin_api.timespan import Timespan
from loopin_schemas.codec import decode_object
from loopin_schemas.corrections import Correction
from loopin_schemas.metrics.definition import Events
from loopin_sinks.metric_values.scope import Scope, from_epoch_ms
from loopin_sinks.metric_values.sql import MS, Query
from loopin_sinks.store import Store
from loopin_streams.kafka.config_state import Item

Kind = Literal["String", "Float64", "UInt8"]

Corrected = Mapping[str, Item[Correction]]
"""Corrections by the uuid of their event."""

_EVER: Final = datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Record:
    """One event as it is stored; ``user`` is its distinct_id."""

    id: str
    event: str
    user: str
    at: datetime
    properties: Mapping[str, Any]
    fingerprint: str
    level: str


class RecordQuery(Query):
    """A statement over one project's events of some names, in which corrections count."""

    def __init__(self, project: str, of: Events, corrected: Corrected) -> None:
        # Whoever met an error, it happened: bots' and the project's own people's are no others.
        super().__init__(Scope(project, UTC, _EVER, bots=True))
        self._of = of
        self._corrected = corrected

    def field(self, name: str, stored: str, kind: Kind) -> str:
        """What a field holds: ``stored``, SQL of this type, or what overrides it; ``""`` for null."""
        told = {
            id: item.body.values[name] for id, item in self._corrected.items() if name in item.body.values
        }
        if not told:
            return stored
        values = [_bound(value) for value in told.values()]
        ids, others = self.bind(list(told), "Array(String)"), self.bind(values, f"Array({kind})")
        return f"transform(toString(uuid), {ids}, {others}, {stored})"

    def stored(self, span: Timespan | None) -> str:
        """From which rows: those of the span that nobody has deleted."""
        since, until = (None, _EVER) if span is None else (span.start, span.end)
        found = self.events(self._of, since, until)
        gone = [id for id, item in self._corrected.items() if item.body.deleted]
        return f"{found} AND toString(uuid) NOT IN {self.bind(gone, 'Array(String)')}" if gone else found


def _bound(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return "" if value is None else value


class Records:
    """One project's events of some names, whose ids are their uuids."""

    def __init__(self, store: Store, project: str, of: Events, corrected: Corrected) -> None:
        self._store = store
        self._project = project
        self._of = of
        self._corrected = corrected

    def query(self) -> RecordQuery:
        """A statement to bind tests to, for ``page``."""
        return RecordQuery(self._project, self._of, self._corrected)

    async def page(
        self, query: RecordQuery, span: Timespan, tests: Sequence[str], order: str, size: int, offset: int
    ) -> tuple[int, list[Record]]:
        """How many rows pass all tests, and a page of them; ``order`` and the tests are SQL of ``query``.

        Raises:
            StoreError: the store did not answer.
        """
        found = " AND ".join([query.stored(span), *tests])
        limit, skipped = query.bind(size, "UInt32"), query.bind(offset, "UInt32")
        # The properties are read of the page's rows alone.
        (counted,), chosen = await asyncio.gather(
            query.rows(self._store, f"SELECT count() AS rows FROM {found}"),
            query.rows(
                self._store,
                f"SELECT toString(uuid) AS id FROM {found} ORDER BY {order}, uuid "
                f"LIMIT {limit} OFFSET {skipped}",
            ),
        )
        by_id = {record.id: record for record in await self.many([row["id"] for row in chosen])}
        return counted["rows"], [by_id[row["id"]] for row in chosen if row["id"] in by_id]

    async def one(self, id: str) -> Record | None:
        """The row of this uuid. Raises StoreError."""
        return next(iter(await self.many([id])), None)

    async def many(self, ids: Sequence[str]) -> list[Record]:
        """The rows of these uuids, in any order. Raises StoreError."""
        if not ids:
            return []
        query = self.query()
        rows = await query.rows(
            self._store,
            f"""
            SELECT DISTINCT toString(uuid) AS id, toString(event) AS name, distinct_id, {MS} AS at,
                properties, error_fingerprint, toString(error_level) AS level
            FROM {query.stored(None)} AND uuid IN {query.bind(list(ids), "Array(UUID)")}
            """,
        )
        return [
            Record(
                row["id"],
                row["name"],
                row["distinct_id"],
                from_epoch_ms(row["at"]),
                decode_object(row["properties"].encode()),
                row["error_fingerprint"],
                row["level"],
            )
            for row in rows
        ]
