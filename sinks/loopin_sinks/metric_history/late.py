"""Of which hours events were stored of late, or went over to another person."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from loopin_sinks.metric_values.scope import Scope, epoch_ms, from_epoch_ms
from loopin_sinks.persons.mapping import PERSON_IDS
from loopin_sinks.store import Store

METRIC_LOOKS: Final = "metric_looks"

OVERLAP: Final = timedelta(minutes=5)
"""What was stored so shortly before a value was calculated may lack in it: inserts then, other clocks."""

_HOUR_MS: Final = 3_600_000
_OVERLAP_MS: Final = OVERLAP // timedelta(milliseconds=1)

_STORED: Final = """
    SELECT toUnixTimestamp(toStartOfHour(timestamp)) AS hour,
        max(toUnixTimestamp64Milli(_stored_at)) AS stored
    FROM events
    WHERE project = {project:String} AND timestamp >= {start:DateTime64(3, 'UTC')}
        AND timestamp < {end:DateTime64(3, 'UTC')} AND _stored_at >= {since:DateTime64(3, 'UTC')}
    GROUP BY hour
"""

_MOVED: Final = f"""
    SELECT user, max(_stored_at) AS moved FROM {PERSON_IDS}
    WHERE project = {{project:String}} AND _stored_at >= {{since:DateTime64(3, 'UTC')}} GROUP BY user
"""

_OF_MOVED: Final = f"""
    SELECT toUnixTimestamp(toStartOfHour(timestamp)) AS hour, max(toUnixTimestamp64Milli(moved)) AS stored
    FROM (
        SELECT timestamp, user FROM events
        WHERE project = {{project:String}} AND timestamp >= {{start:DateTime64(3, 'UTC')}}
            AND timestamp < {{end:DateTime64(3, 'UTC')}} AND user IN (SELECT user FROM ({_MOVED}))
    ) AS found INNER JOIN ({_MOVED}) AS other ON other.user = found.user
    GROUP BY hour
"""


class Late:
    """By hour of UTC (its start in epoch ms), when the last of its events was stored or moved, epoch ms."""

    def __init__(self, stored: Mapping[int, int]) -> None:
        self._hours = sorted(stored)
        self._greatest = [[stored[hour] for hour in self._hours]]
        while (width := 1 << len(self._greatest)) <= len(self._hours):
            former = self._greatest[-1]
            self._greatest.append(
                [max(former[at], former[at + width // 2]) for at in range(len(self._hours) - width + 1)]
            )

    def newest(self, start: int | None, end: int) -> int | None:
        """The last time that any was, of the hours that share time with [start, end), epoch ms."""
        low = 0 if start is None else bisect_left(self._hours, start - _HOUR_MS + 1)
        high = bisect_left(self._hours, end)
        if low >= high:
            return None
        level = (high - low).bit_length() - 1
        row = self._greatest[level]
        return max(row[low], row[high - (1 << level)])

    def after(self, calculated_at: int, start: int | None, end: int) -> bool:
        """Whether a value that was calculated then may lack something of [start, end); all in epoch ms."""
        newest = self.newest(start, end)
        return newest is not None and calculated_at < newest + _OVERLAP_MS


NOTHING_LATE: Final = Late({})


async def late(store: Store, project: str, since: datetime, start: datetime, end: datetime) -> Late:
    """What was stored or moved ``since`` (and ``OVERLAP`` before) of events in [start, end).

    Raises:
        StoreError: the store did not answer.
    """
    bound = {"project": project, "since": max(since - OVERLAP, from_epoch_ms(0)), "start": start, "end": end}
    rows: Sequence[Mapping[str, int]] = await store.query(_STORED, bound)
    if await store.query(f"SELECT user FROM ({_MOVED}) LIMIT 1", bound):
        rows = [*rows, *await store.query(_OF_MOVED, bound)]
    found: dict[int, int] = {}
    for row in rows:
        hour = row["hour"] * 1000
        found[hour] = max(row["stored"], found.get(hour, 0))
    return Late(found)


async def looked(store: Store, scope: Scope) -> datetime:
    """Until when all that was stored is in a project's kept values; 1970 for never.

    That is in those in the days and the money of the scope. Raises StoreError.
    """
    rows = await store.query(
        f"""
        SELECT max(looked_at) AS at FROM {METRIC_LOOKS}
        WHERE project = {{project:String}} AND zone = {{zone:String}} AND currency = {{currency:String}}
        """,
        _bound(scope),
    )
    return from_epoch_ms(max(0, epoch_ms(rows[0]["at"])))


async def note_look(store: Store, scope: Scope) -> None:
    """Note that all that was stored until now is in the kept values of the scope. Raises StoreError."""
    await store.command(
        f"""
        INSERT INTO {METRIC_LOOKS} (project, zone, currency, looked_at)
        SELECT {{project:String}}, {{zone:String}}, {{currency:String}}, {{at:DateTime64(3, 'UTC')}}
        """,
        {**_bound(scope), "at": scope.now},
    )


def _bound(scope: Scope) -> dict[str, object]:
    return {"project": scope.project, "zone": scope.zone_name, "currency": scope.currency}
