"""Windows in which one person was counted as several users, or several persons are to be counted again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from loopin_schemas.identity import PersonMerge
from loopin_sinks.persons.mapping import PERSON_IDS
from loopin_sinks.repair.recompute import START
from loopin_sinks.repair.requests import next_version
from loopin_sinks.store import Store
from loopin_sinks.window_rows import WINDOW_REPAIRS

IDS_AT_ONCE: Final = 1_000
"""Distinct_ids of one query, whose text ClickHouse bounds; one merge may have half as many on its own."""

_STARTS: Final = ", ".join(f"('{grain}', toDateTime({start}, 'UTC'))" for grain, start in START.items())

_ASK: Final = f"""
    INSERT INTO {WINDOW_REPAIRS} (project, grain, start, outcome, version, _stored_at)
    SELECT DISTINCT project, of.1, of.2, '', {{version:UInt64}}, now64(3)
"""

_OF_MERGES: Final = f"""
    {_ASK}
    FROM (
        SELECT project, of, merge
        FROM (
            SELECT project, timestamp, user FROM events
            WHERE project IN {{projects:Array(String)}}
                AND user IN (SELECT cityHash64(arrayJoin({{ids:Array(String)}})))
        ) AS events
        INNER JOIN (
            SELECT one.1 AS project, cityHash64(one.2) AS user, one.3 AS merge, one.4 AS side
            FROM (
                SELECT arrayJoin(arrayZip(
                    {{projects:Array(String)}}, {{ids:Array(String)}},
                    {{merges:Array(UInt32)}}, {{sides:Array(UInt8)}}
                )) AS one
            )
        ) AS asked USING (project, user)
        ARRAY JOIN [{_STARTS}] AS of
        GROUP BY project, of, merge HAVING uniqExact(side) > 1
    )
"""

# The days that got events since, whole: what came before may be of the same person.
_SINCE: Final = f"""
    {_ASK}
    FROM (
        SELECT project, of, person
        FROM (
            SELECT project, timestamp, user, _stored_at FROM events
            WHERE (project, toDate(timestamp)) IN (
                SELECT DISTINCT project, toDate(timestamp) FROM events
                WHERE _stored_at >= fromUnixTimestamp64Milli({{since:Int64}}, 'UTC')
            )
        ) AS events
        INNER JOIN (
            SELECT project, user, argMax(person_user, revision) AS person FROM {PERSON_IDS}
            GROUP BY project, user HAVING person != user
            UNION ALL
            SELECT DISTINCT project, person AS user, person FROM (
                SELECT project, user, argMax(person_user, revision) AS person FROM {PERSON_IDS}
                GROUP BY project, user HAVING person != user
            )
        ) AS linked USING (project, user)
        ARRAY JOIN [{_STARTS}] AS of
        GROUP BY project, of, person
        HAVING uniqExact(user) > 1
            AND max(_stored_at) >= fromUnixTimestamp64Milli({{since:Int64}}, 'UTC')
    )
"""


class _Side(NamedTuple):
    """An id of a merge: one that changed its person (1), or of the person that it joined or left (0)."""

    project: str
    distinct_id: str
    merge: int
    side: int


async def request_overlaps(store: Store, merges: Iterable[PersonMerge]) -> None:
    """Ask for the windows in which both sides of a merge, or unmerge, have events.

    Raises:
        StoreError: not all were asked for.
    """
    for sides in _batches(merges):
        parameters = {
            "version": await next_version(store),
            "projects": [side.project for side in sides],
            "ids": [side.distinct_id for side in sides],
            "merges": [side.merge for side in sides],
            "sides": [side.side for side in sides],
        }
        await store.command(_OF_MERGES, parameters)


async def request_overlaps_since(store: Store, stored_ms: int) -> None:
    """Ask for the windows in which a person has events by several ids, one of them stored since (epoch ms).

    Raises:
        StoreError: nothing was asked for.
    """
    [row] = await store.query(f"SELECT count() > 0 AS linked FROM {PERSON_IDS}")
    if row["linked"]:
        await store.command(_SINCE, {"version": await next_version(store), "since": stored_ms})


def _batches(merges: Iterable[PersonMerge]) -> Iterator[list[_Side]]:
    """The ids of whole merges, about ``IDS_AT_ONCE`` each time."""
    batch: list[_Side] = []
    for number, merge in enumerate(merge for merge in merges if merge.moved):
        batch += [_Side(merge.project, each, number, 1) for each in merge.moved]
        batch += [_Side(merge.project, each, number, 0) for each in merge.kept]
        if len(batch) >= IDS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
