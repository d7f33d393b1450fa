"""Removes what has been rolled up anew since."""

from __future__ import annotations

from collections.abc import Mapping

from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.metric_values.sql import Query
from loopin_sinks.rollups.notes import Made, Note
from loopin_sinks.store import Store

_OLDEST = """
    SELECT toInt64(day) AS number, min(version) AS oldest FROM event_days
    WHERE project = {project:String} AND zone = {zone:String} AND NOT by_place GROUP BY number
"""


async def remove_superseded(
    store: Store, scope: Scope, known: Mapping[int, Note], made: Mapping[int, Made]
) -> None:
    """Remove the versions that did not count any more by the last look; who asks meanwhile reads later ones.

    Raises:
        StoreError: some may be left.
    """
    bound = {"project": scope.project, "zone": scope.zone_name}
    oldest = {row["number"]: row["oldest"] for row in await store.query(_OLDEST, bound)}
    counted = {
        day: known[day].version
        for day, version in oldest.items()
        if day in known and version < known[day].version
    }
    sessions = {day: each.newest for day, each in made.items() if each.oldest < each.newest}
    await _remove(store, scope, "event_days", counted)
    await _remove(store, scope, "session_days", sessions)
    if known:
        await _remove_closed(store, scope, max(known), known[max(known)].version)


async def _remove_closed(store: Store, scope: Scope, last: int, version: int) -> None:
    """Remove the sessions of days before the last one, which none asks for any more."""
    query = Query(scope)
    rest = f"""
        project = {{project:String}} AND zone = {query.bind(scope.zone_name, "String")}
            AND (day, version) != (toDate({query.bind(last, "UInt16")}), {query.bind(version, "UInt64")})
    """
    [row] = await query.rows(store, f"SELECT count() AS rows FROM open_sessions WHERE {rest}")
    if row["rows"]:
        await query.command(store, f"DELETE FROM open_sessions WHERE {rest}")


async def _remove(store: Store, scope: Scope, table: str, newest: Mapping[int, int]) -> None:
    """Of each of the days, what is older than its version."""
    if not newest:
        return
    query = Query(scope)
    days = query.bind(list(newest), "Array(UInt16)")
    versions = query.bind(list(newest.values()), "Array(UInt64)")
    await query.command(
        store,
        f"""
        DELETE FROM {table}
        WHERE project = {{project:String}} AND zone = {query.bind(scope.zone_name, "String")}
            AND version < transform(toUInt16(day), {days}, {versions}, toUInt64(0))
        """,
    )
