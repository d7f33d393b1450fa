"""A store filled with events and their windows, and how long it takes to answer.

Run as ``python -m tests.bench.filled_store FOLDER EVENTS``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from functools import partial
from math import isclose
from pathlib import Path
from time import monotonic

import numpy as np

from loopin_api.queries.overview import OverviewNumbers, overview
from loopin_api.timespan import Timespan, last_days
from loopin_sinks.metric_history.late import note_look
from loopin_sinks.metric_history.recalculate import Wanted, recalculate, whole_periods
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.migrate import migrate
from loopin_sinks.rollups.roller import DayRoller
from loopin_sinks.store import Store, StoreSettings, open_store
from loopin_streams.projects.project import Projects
from tests.bench.dashboard import DASHBOARD, FILL_WINDOWS, active_users, dau
from tests.bench.messages import PROJECT
from tests.bench.subject import end_with_the_bench, say

DAYS = 30
DAY_S = 86_400
REPEATS = 30
FEW = 3
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
    'sdk', '', 0, n, toUUID('00000000-0000-4000-8000-000000000000'), 0, n, at, 90
FROM (SELECT number + {begin:Int64} AS n FROM numbers({count:UInt64}))
"""


async def main(folder: Path, events: int) -> None:
    # How long a query takes is what is asked, also where a user would be told that it takes too long.
    settings = StoreSettings(data_dir=folder, query_timeout_s=600)
    store = open_store(settings)
    await migrate(store, settings)
    # Late on a day, whenever it is: of a day that goes on nothing is rolled up.
    now = (datetime.now(UTC) - timedelta(days=1)).replace(hour=23, minute=0, second=0, microsecond=1_000)
    await _fill(store, events, int(now.timestamp()))
    say("filled")
    wrong = await _wrong(store, events, now)
    asked = {
        days: partial(overview, store, Scope(PROJECT, UTC, now, "EUR"), last_days(days, now, UTC))
        for days in ASKED_DAYS
    }
    from_events = {days: await ask() for days, ask in asked.items()}
    more = {f"overview_{days}d_from_events_ms": await _median_ms(ask) for days, ask in asked.items()}
    began = monotonic()
    await _roll_up(store, now)
    more["roll_up_s"] = monotonic() - began
    for days, ask in asked.items():
        if not _alike(await ask(), from_events[days]):
            wrong = wrong or f"the overview of {days} days says something else once they are rolled up"
        more |= await _timed(f"overview_{days}d", ask)
    more["active_users_none_kept_ms"] = await _median_ms(partial(active_users, store, PROJECT, now))
    await _keep(store, now)
    for name, query in DASHBOARD.items():
        # A query that finds nothing would be fast.
        wrong = wrong or ("" if await query(store, PROJECT, now) else f"{name} finds nothing")
        more |= await _timed(name, partial(query, store, PROJECT, now))
    say("done", more=more, wrong=wrong)
    await store.close()


async def _fill(store: Store, events: int, end_s: int) -> None:
    known = {"project": PROJECT, "end": end_s, "seconds": DAYS * DAY_S}
    for begin in range(0, events, STEP):
        await store.command(FILL, {**known, "begin": begin, "count": min(STEP, events - begin)})
    # A day at a time, for the same reason.
    for day in range(DAYS + 1):
        start = (end_s // DAY_S - day) * DAY_S
        await store.command(FILL_WINDOWS, {"project": PROJECT, "start": start, "end": start + DAY_S})


async def _roll_up(store: Store, now: datetime) -> None:
    """What the sink's role does in the course of the days."""
    roller = DayRoller(store, Projects(), interval_s=60, leads=lambda: True, clock=lambda: now)
    await roller.roll_once(asyncio.Event())
    # A month that is rolled up at once leaves the engine with work that days one by one do not.
    while await store.query("SELECT 1 AS merges FROM system.merges LIMIT 1"):  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.2)


async def _keep(store: Store, now: datetime) -> None:
    """What the task ``calculate_metrics`` does in the course of the days, of one metric."""
    scope = Scope(PROJECT, UTC, now, "EUR")
    days = whole_periods("day", last_days(DAYS, now, UTC).start, now, UTC)
    assert days is not None
    wanted = Wanted(dau(), days, dict.fromkeys(range(len(days)), False))
    await recalculate(store, Calculator(store, scope), "day", [wanted], "bench", all_told=False)
    await note_look(store, scope)


def _alike(one: OverviewNumbers, other: OverviewNumbers) -> bool:
    """Whether they are the same but for the order in which numbers were added up."""
    return all(
        isclose(a, b) if isinstance(a, float) and isinstance(b, float) else a == b
        for a, b in zip(astuple(one), astuple(other), strict=True)
    )


async def _wrong(store: Store, events: int, now: datetime) -> str:
    """How the overview of all days differs from the rule of the fill; "" where it does not."""
    span = last_days(DAYS, now, UTC)
    found = await overview(store, Scope(PROJECT, UTC, now, "EUR"), span)
    count, revenue = expected(events, int(now.timestamp()), span)
    if found.tracked_events == count and isclose(found.revenue or 0.0, revenue):
        return ""
    return f"the overview says {found.tracked_events} events, {found.revenue}; not {count}, {revenue} EUR"


def expected(events: int, end_s: int, span: Timespan) -> tuple[int, float]:
    """By the rule of ``FILL``: how many events a span that ends with them has, and its revenue."""
    number = np.arange(events)
    kept = number[end_s - number * 7919 % (DAYS * DAY_S) >= span.start.timestamp()]
    amount, kind = kept % 400 / 4, kept % 100
    return len(kept), float(amount[(kind >= 90) & (kind < 98)].sum() - amount[kind >= 98].sum())


async def _median_ms(ask: Callable[[], Awaitable[object]]) -> float:
    """Of a few times that a query takes which may be slow."""
    return float(np.median([await _ms(ask) for _ in range(FEW)]))


async def _ms(ask: Callable[[], Awaitable[object]]) -> float:
    began = monotonic()
    await ask()
    return (monotonic() - began) * 1000


async def _timed(name: str, ask: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """Quantiles of the times (ms) that a query takes, asked again and again."""
    times = [await _ms(ask) for _ in range(REPEATS)]
    return {f"{name}_p{q}_ms": float(np.percentile(times, q)) for q in (50, 95)}


if __name__ == "__main__":
    end_with_the_bench()
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
