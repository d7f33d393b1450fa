"""Up to when the store has all events: what is not there yet is no drop."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from loopin_sinks.metric_values.scope import Scope, epoch_ms, from_epoch_ms
from loopin_sinks.metric_values.sql import Query
from loopin_sinks.store import Store
from loopin_streams.windows.grains import MINUTE_MS

LATEST: Final = timedelta(minutes=10)
"""Where nothing is known of the last minutes, the stream is behind, or silent: then nothing is said."""

LOOKED_AT: Final = timedelta(hours=1) + LATEST
"""The hour that is judged, wherever it ends."""

_KNOWN: Final = """
    SELECT least(
        (
            SELECT toInt64(toUnixTimestamp(max(start))) * 1000 + {minute:Int64} FROM metric_windows
            WHERE grain = 'minute' AND closed AND metric = 'events'
                AND start > {since:DateTime64(3, 'UTC')} AND start <= {now:DateTime64(3, 'UTC')}
        ),
        (
            SELECT intDiv(toUnixTimestamp64Milli(max(timestamp)), {minute:Int64}) * {minute:Int64} FROM events
            WHERE timestamp > {since:DateTime64(3, 'UTC')} AND timestamp <= {now:DateTime64(3, 'UTC')}
        )
    ) AS known
"""
"""All partitions of the stream have passed the one, and some sink has stored the other; without any, 1970."""


class Minute(NamedTuple):
    """Events of a minute: how many the stream has counted, over all partitions, and how many are stored."""

    counted: int
    stored: int


async def settled(store: Store, now: datetime) -> datetime | None:
    """Up to which minute the stream has passed all events, as far as those of all projects tell.

    None where that is longer than ``LATEST`` ago. Raises StoreError.
    """
    since = now - LATEST
    [row] = await store.query(_KNOWN, {"since": since, "now": now, "minute": MINUTE_MS})
    return None if row["known"] < epoch_ms(since) else from_epoch_ms(row["known"])


async def settled_of(store: Store, scope: Scope, end: datetime) -> datetime | None:
    """Up to which minute, at most ``end``, the store has all that the stream has counted of the project.

    One partition may be stored later than the others. None where it is so for longer than ``LATEST``.
    Raises StoreError.
    """
    until = complete_until(await _minutes(store, scope, end), epoch_ms(end))
    return None if until < epoch_ms(scope.now - LATEST) else from_epoch_ms(until)


def complete_until(minutes: Mapping[int, Minute], end: int) -> int:
    """The first minute of which less is stored than was counted, or no count is known yet; else ``end``.

    Minutes are by their start; all in epoch ms. A partition of which nothing was counted holds nothing up.
    """
    short = min((start for start, of in minutes.items() if of.stored < of.counted), default=end)
    counted = max((start + MINUTE_MS for start, of in minutes.items() if of.counted), default=0)
    # The counts have partitions, too: where events are newer, there are counts that are not stored.
    newer = any(of.stored for start, of in minutes.items() if start >= counted)
    return min(end, short, counted if newer else end)


async def _minutes(store: Store, scope: Scope, end: datetime) -> dict[int, Minute]:
    query, since = Query(scope), end - LOOKED_AT
    # The stream knows its own people by their distinct_ids, and counts no bots.
    others = f"distinct_id NOT IN ({query.bind([*scope.internal], 'Array(String)')})"
    rows = await query.rows(
        store,
        f"""
        SELECT at * 1000 AS start, sum(counted) AS counted, sum(stored) AS stored FROM (
            SELECT toInt64(toUnixTimestamp(start)) AS at, argMax(count, revision) AS counted, 0 AS stored
            FROM metric_windows
            WHERE project = {{project:String}} AND grain = 'minute' AND metric = 'events' AND dimension = ''
                AND start >= {query.moment(since)} AND start < {query.moment(end)}
            GROUP BY start
            UNION ALL
            SELECT toInt64(toUnixTimestamp(toStartOfMinute(timestamp))) AS at, 0 AS counted, count() AS stored
            FROM {query.of_everybody(since, end)} AND {others}
            GROUP BY at
        )
        GROUP BY at
        """,
    )
    return {row["start"]: Minute(row["counted"], row["stored"]) for row in rows}
