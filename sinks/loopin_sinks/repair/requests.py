"""Which windows are to be recomputed, kept in the table ``window_repairs``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import time
from typing import NamedTuple
from uuid import uuid4

from loopin_schemas.event import EnrichedEvent
from loopin_sinks.repair.recompute import START
from loopin_sinks.store import Store
from loopin_sinks.window_rows import WINDOW_REPAIRS, WindowRef, repairs_to_arrow
from loopin_streams.windows.grains import BY_NAME, GRAINS

MAX_PENDING = 20_000
"""Requests that are looked at at once; the others wait for the next round."""


class Request(NamedTuple):
    """A window to recompute, and the (even) version of its newest request."""

    window: WindowRef
    version: int


def late_windows(events: Iterable[EnrichedEvent]) -> set[WindowRef]:
    """The windows that late events belong to and that no stream counts them in."""
    found = set()
    for event in events:
        if event.late is None:
            continue
        for grain in GRAINS[: BY_NAME[event.late].number + 1]:
            found.add(WindowRef(event.project, grain.name, grain.start(event.timestamp)))
    return found


async def request_repairs(store: Store, windows: Iterable[WindowRef]) -> None:
    """Ask for windows to be recomputed; their events must be stored already.

    Raises:
        StoreError: nothing was asked for.
    """
    wanted = list(windows)
    if not wanted:
        return
    version = await next_version(store)
    await _insert(store, [Request(window, version) for window in wanted], "", int(time() * 1000))


async def request_repairs_since(store: Store, received_ms: int) -> None:
    """Ask for every window to be recomputed that an event received since then (epoch ms) belongs to.

    Raises:
        StoreError: nothing was asked for.
    """
    starts = ", ".join(f"('{grain}', toDateTime({start}, 'UTC'))" for grain, start in START.items())
    await store.command(
        f"INSERT INTO {WINDOW_REPAIRS} (project, grain, start, outcome, version, _stored_at) "
        "SELECT DISTINCT project, of.1, of.2, '', {version:UInt64}, now64(3) "
        f"FROM events ARRAY JOIN [{starts}] AS of "
        "WHERE received_at >= fromUnixTimestamp64Milli({since:Int64})",
        {"version": await next_version(store), "since": received_ms},
    )


async def next_version(store: Store) -> int:
    """Beyond every version there is: by a clock that is behind, a request would seem to be dealt with."""
    now_ms = int(time() * 1000)
    [row] = await store.query(f"SELECT max(version) AS newest FROM {WINDOW_REPAIRS}")
    return max(2 * now_ms, int(row["newest"]) // 2 * 2 + 2)


async def note_outcome(store: Store, requests: Sequence[Request], outcome: str) -> None:
    """Note that requests are dealt with; one that came meanwhile has a greater version and stays."""
    done = [Request(request.window, request.version + 1) for request in requests]
    await _insert(store, done, outcome, int(time() * 1000))


async def pending_repairs(store: Store) -> list[Request]:
    """Requests that nobody has dealt with, at most ``MAX_PENDING``.

    They are the oldest windows of each project, grain and month, as many of the one as of the other: what
    cannot be recomputed must not keep the others from being looked at.
    """
    rows = await store.query(
        "SELECT project, grain, start, newest FROM ("
        f"SELECT project, grain, start, max(version) AS newest FROM {WINDOW_REPAIRS} "
        "GROUP BY grain, project, start HAVING newest % 2 = 0) "
        "ORDER BY row_number() OVER (PARTITION BY project, grain, toYYYYMM(start) ORDER BY start), start "
        "LIMIT {most:UInt32}",
        {"most": MAX_PENDING},
    )
    return [
        Request(
            WindowRef(row["project"], row["grain"], int(row["start"].timestamp()) * 1000), int(row["newest"])
        )
        for row in rows
    ]


async def _insert(store: Store, requests: Sequence[Request], outcome: str, now_ms: int) -> None:
    if requests:
        windows, versions = [r.window for r in requests], [r.version for r in requests]
        rows = repairs_to_arrow(windows, outcome, versions, now_ms)
        # Twice the same request is one: each attempt has its own token.
        await store.insert(WINDOW_REPAIRS, rows, token=str(uuid4()))
