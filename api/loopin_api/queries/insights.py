"""Insights as the store has them, with what people say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from loopin_api.timespan import Timespan
from loopin_schemas.insight import Insight, InsightType, Priority, TargetType
from loopin_sinks.insights.stored import insight_of
from loopin_sinks.store import Store

InsightState = Literal["open", "dismissed", "expired", "withdrawn"]

_FOUND: Final = """
FROM (
    SELECT *, toUnixTimestamp64Milli(dismissed_at) > 0 AS is_dismissed,
        toUnixTimestamp64Milli(rated_at) > 0 AS is_rated,
        multiIf(is_dismissed, 'dismissed', withdrawn, 'withdrawn',
            expires_at <= {now:DateTime64(3, 'UTC')}, 'expired', 'open') AS state
    FROM (SELECT * FROM insights FINAL WHERE project = {project:String} AND {only}) AS found
    LEFT JOIN (
        SELECT id AS of,
            maxIf(at, mark = 'dismissed') AS dismissed_at,
            argMaxIf((by, comment), at, mark = 'dismissed') AS dismissed_by,
            maxIf(at, mark = 'rated') AS rated_at,
            argMaxIf((useful, by, comment), at, mark = 'rated') AS rated
        FROM insight_marks FINAL WHERE project = {project:String} AND {marked} GROUP BY id
    ) AS marks ON marks.of = found.id
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which insights: those that were of interest at some time of ``span``."""

    span: Timespan
    insight_type: InsightType | None = None
    target_type: TargetType | None = None
    target_id: str | None = None
    priority: Priority | None = None
    is_actionable: bool | None = None
    state: InsightState | None = None


@dataclass(frozen=True, slots=True)
class Dismissal:
    """Who is done with an insight, and since when."""

    by: str
    at: datetime
    comment: str


@dataclass(frozen=True, slots=True)
class Rating:
    """What somebody thinks of an insight."""

    useful: bool
    by: str
    at: datetime
    comment: str


@dataclass(frozen=True, slots=True)
class Known:
    """An insight, what it is now, and the newest of what people say of it."""

    insight: Insight
    state: InsightState
    dismissed: Dismissal | None
    rating: Rating | None


async def insights(
    store: Store, project: str, wanted: Wanted, now: datetime, limit: int, offset: int
) -> tuple[int, list[Known]]:
    """How many insights there are, and some of them, those that were found last first.

    Raises:
        StoreError: the store did not answer.
    """
    tests, bound = _tests(wanted)
    found = f"{_found('1', '1')} WHERE {' AND '.join(tests)}"
    bound |= {"project": project, "now": now}
    [counted] = await store.query(f"SELECT count() AS number {found}", bound)
    page = {"limit": limit, "offset": offset, **bound}
    order = "ORDER BY created_at DESC, id LIMIT {limit:UInt32} OFFSET {offset:UInt64}"
    rows = await store.query(f"SELECT * {found} {order}", page)
    return counted["number"], [_known(row) for row in rows]


async def insight(store: Store, project: str, id: str, now: datetime) -> Known | None:
    """The insight of this id; None where there is none. Raises StoreError."""
    one = "id = {id:String}"
    rows = await store.query(f"SELECT * {_found(one, one)}", {"project": project, "id": id, "now": now})
    return _known(rows[0]) if rows else None


def _found(only: str, marked: str) -> str:
    return _FOUND.replace("{only}", only).replace("{marked}", marked)


def _tests(wanted: Wanted) -> tuple[list[str], dict[str, object]]:
    tests = ["created_at < {end:DateTime64(3, 'UTC')}", "expires_at > {start:DateTime64(3, 'UTC')}"]
    bound: dict[str, object] = {"start": wanted.span.start, "end": wanted.span.end}
    for name in ("insight_type", "target_type", "target_id", "priority", "state"):
        value = getattr(wanted, name)
        if value is not None:
            tests.append(f"{name} = {{{name}:String}}")
            bound[name] = value
    if wanted.is_actionable is not None:
        tests.append("is_actionable = {actionable:Bool}")
        bound["actionable"] = wanted.is_actionable
    return tests, bound


def _known(row: Mapping[str, Any]) -> Known:
    dismissed = Dismissal(row["dismissed_by"][0], row["dismissed_at"], row["dismissed_by"][1])
    useful, by, comment = row["rated"]
    return Known(
        insight_of(row),
        row["state"],
        dismissed if row["is_dismissed"] else None,
        Rating(useful, by, row["rated_at"], comment) if row["is_rated"] else None,
    )
