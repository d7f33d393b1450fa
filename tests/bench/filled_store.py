"""A store filled with events, and how long it takes to answer.

Run as ``python -m tests.bench.filled_store FOLDER EVENTS``.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import numpy as np

from loopin_api.queries.overview import overview
from loopin_api.timespan import last_days
from loopin_sinks.migrate import migrate
from loopin_sinks.store import Store, StoreSettings, open_store
from tests.bench.messages import PROJECT
from tests.bench.subject import end_with_the_bench, say

DAYS = 30
REPEATS = 30
STEP = 100_000
"""Rows of one insert: larger ones need more memory than the store allows itself."""

ASKED_DAYS = (1, 7, 30)

# 200,000 users, the busiest of whom have most events; sessions of an hour; a tenth of the events are paid.
FILL = """
INSERT INTO events (
    project, uuid, event, distinct_id, timestamp, received_at, session_id, properties, source,
    sentiment_label, _raw_partition, _raw_offset, _topic_id, _partition, _offset, _stored_at, _retention_days
)
SELECT
    {project:String}, generateUUIDv4(),
    [
        '$pageview', 'event_viewed', 'content_viewed', 'search_performed', 'ticket_purchased',
        'payment_refunded'
    ][
        multiIf(n % 100 < 50, 1, n % 100 < 70, 2, n % 100 < 80, 3, n % 100 < 90, 4, n % 100 < 98, 5, 6)
    ] AS name,
    concat('member-', toString(toUInt32(pow(rand(1) / 4294967296., 3) * 200000)) AS member) AS distinct_id,
    toDateTime64({end:Int64} - (n * 7919 % {seconds:Int64}), 3, 'UTC') AS at,
    at,
    concat('s-', member, '-', toString(intDiv(toUnixTimestamp(at), 3600))),
    if(
        startsWith(name, 'ticket') OR startsWith(name, 'payment'),
        concat('{"country":"DE","path":"/events","currency":"EUR","amount":', toString(n % 400 / 4), '}'),
        concat('{"country":"DE","path":"/events/', toString(n % 500), '","browser":"Chrome","os":"Android"}')
    ),
    'sdk', '', 0, n, toUUID('00000000-0000-4000-8000-000000000000'), 0, n, now64(3), 90
FROM (SELECT number + {begin:Int64} AS n FROM numbers({count:UInt64}))
"""


async def main(folder: Path, events: int) -> None:
    settings = StoreSettings(data_dir=folder)
    store = open_store(settings)
    await migrate(store, settings)
    now = datetime.now(UTC)
    for begin in range(0, events, STEP):
        await store.command(
            FILL,
            {
                "project": PROJECT,
                "end": int(now.timestamp()),
                "seconds": DAYS * 86_400,
                "begin": begin,
                "count": min(STEP, events - begin),
            },
        )
    say("filled")
    more: dict[str, float] = {}
    for days in ASKED_DAYS:
        times = [await _asked(store, days, now) for _ in range(REPEATS)]
        more |= {f"overview_{days}d_p{q}_ms": float(np.percentile(times, q)) for q in (50, 95)}
    say("done", more=more)
    await store.close()


async def _asked(store: Store, days: int, now: datetime) -> float:
    began = monotonic()
    await overview(store, PROJECT, last_days(days, now, UTC), "EUR")
    return (monotonic() - began) * 1000


if __name__ == "__main__":
    end_with_the_bench()
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
