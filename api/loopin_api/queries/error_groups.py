"""Errors of one fingerprint as one: how many, whom they met, since when, and whether they came back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from loopin_api.queries.errors import NOBODY, OF_ERRORS, Groups, level
from loopin_api.queries.recorded import Corrected, RecordQuery
from loopin_api.timespan import Timespan
from loopin_schemas.corrections import ErrorGroup
from loopin_sinks.metric_values.scope import epoch_ms, from_epoch_ms
from loopin_sinks.metric_values.sql import MS, PERSON, of_persons
from loopin_sinks.store import Store

Level = Literal["debug", "info", "warning", "error", "critical"]
LEVELS: Final[tuple[Level, ...]] = ("critical", "error", "warning", "info", "debug")
"""The most severe first."""

Status = Literal["open", "resolved", "regressed"]
Order = Literal["last_seen", "first_seen", "count", "users"]


@dataclass(frozen=True, slots=True)
class Group:
    """The errors of a fingerprint: counts within the span asked for, ``first`` and ``last`` at any time."""

    fingerprint: str
    count: int
    users: int
    levels: Mapping[Level, int]
    first: datetime
    last: datetime
    latest: str
    decided: ErrorGroup | None

    @property
    def status(self) -> Status:
        """Whether errors came after the group was resolved."""
        if self.decided is None or not self.decided.resolved:
            return "open"
        return "regressed" if epoch_ms(self.last) > self.decided.at else "resolved"

    @property
    def level(self) -> Level:
        """The most severe there is."""
        return next(each for each in LEVELS if self.levels[each])


@dataclass(frozen=True, slots=True)
class Choice:
    """Which groups are asked for, and in which order."""

    fingerprint: str | None = None
    level: Level | None = None
    status: Status | None = None
    order: Order = "last_seen"
    descending: bool = True


async def error_groups(
    store: Store,
    project: str,
    span: Timespan | None,
    choice: Choice,
    corrected: Corrected,
    decided: Groups,
    size: int,
    offset: int,
) -> tuple[int, list[Group]]:
    """How many groups have errors in the span, and a page of them.

    Raises:
        StoreError: the store did not answer.
    """
    query = RecordQuery(project, OF_ERRORS, corrected)
    within = "true"
    if span is not None:
        within = f"timestamp >= {query.moment(span.start)} AND timestamp < {query.moment(span.end)}"
    severity = level(query)
    if choice.level is not None:
        within += f" AND {severity} = {query.bind(choice.level, 'String')}"
    tests = [query.stored(None), "error_fingerprint != ''"]
    if choice.fingerprint is not None:
        tests.append(f"error_fingerprint = {query.bind(choice.fingerprint, 'String')}")
    found = f"""
        SELECT error_fingerprint AS fingerprint, user, distinct_id != {query.bind(NOBODY, "String")} AS known,
            {severity} AS level, countIf({within}) AS n, min({MS}) AS first, max({MS}) AS last,
            argMax(toString(uuid), (timestamp, uuid)) AS latest
        FROM {" AND ".join(tests)} GROUP BY fingerprint, user, known, level
    """
    levels = ", ".join(f"sumIf(found.n, found.level = '{each}') AS {each}" for each in LEVELS)
    chosen = ["count > 0"]
    if choice.status is not None:
        chosen.append(f"{_status(query, decided)} = {query.bind(choice.status, 'String')}")
    order = f"{choice.order} {'DESC' if choice.descending else 'ASC'}"
    rows = await query.rows(
        store,
        f"""
        SELECT *, count() OVER () AS groups FROM (
            SELECT found.fingerprint AS fingerprint, sum(found.n) AS count, {levels},
                uniqExactIf({PERSON}, found.known AND found.n > 0) AS users,
                min(found.first) AS first_seen, max(found.last) AS last_seen,
                argMax(found.latest, (found.last, found.latest)) AS latest
            FROM {of_persons(found)} GROUP BY fingerprint
        )
        WHERE {" AND ".join(chosen)} ORDER BY {order}, fingerprint
        LIMIT {query.bind(size, "UInt32")} OFFSET {query.bind(offset, "UInt32")}
        """,
    )
    return rows[0]["groups"] if rows else 0, [_group(row, decided) for row in rows]


def _status(query: RecordQuery, decided: Groups) -> str:
    """``Group.status`` in SQL."""
    resolved = {known: item.body.at for known, item in decided.items() if item.body.resolved}
    known = query.bind([*resolved, ""], "Array(String)")
    at = query.bind([*resolved.values(), -1], "Array(Int64)")
    since = f"transform(fingerprint, {known}, {at}, toInt64(-1))"
    return f"multiIf({since} < 0, 'open', last_seen > {since}, 'regressed', 'resolved')"


def _group(row: Mapping[str, Any], decided: Groups) -> Group:
    known = decided.get(row["fingerprint"])
    return Group(
        fingerprint=row["fingerprint"],
        count=row["count"],
        users=row["users"],
        levels={each: row[each] for each in LEVELS},
        first=from_epoch_ms(row["first_seen"]),
        last=from_epoch_ms(row["last_seen"]),
        latest=row["latest"],
        decided=None if known is None else known.body,
    )
