"""Which windows late events ask for, and which requests are still to be dealt with."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from loopin_schemas.window import Grain
from loopin_sinks.repair import requests
from loopin_sinks.repair.requests import (
    MAX_PENDING,
    Request,
    late_windows,
    note_outcome,
    pending_repairs,
    request_repairs,
)
from loopin_sinks.store import Store
from loopin_sinks.window_rows import WindowRef
from tests.sinks.repair.plain import DAY_MS, HOUR_MS, MINUTE_MS, Happened, quiet_day
from tests.sinks.repair.stored import enriched

DAY = quiet_day()
NOW = int(time.time() * 1000)
NOON = WindowRef("shop", "hour", DAY + DAY_MS // 2)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def set_clock(monkeypatch: pytest.MonkeyPatch, at_ms: int) -> None:
    monkeypatch.setattr(requests, "time", lambda: at_ms / 1000)


async def windows_pending(store: Store) -> list[WindowRef]:
    return [request.window for request in await pending_repairs(store)]


async def outcomes(store: Store) -> dict[WindowRef, str]:
    rows = await store.query("SELECT project, grain, start, outcome FROM window_repairs FINAL")
    return {
        WindowRef(row["project"], row["grain"], int(row["start"].timestamp()) * 1000): row["outcome"]
        for row in rows
    }


@pytest.mark.parametrize(
    ("late", "starts"),
    [
        (None, {}),
        ("minute", {"minute": "2026-02-28 23:59:00"}),
        ("hour", {"minute": "2026-02-28 23:59:00", "hour": "2026-02-28 23:00:00"}),
        (
            "day",
            {
                "minute": "2026-02-28 23:59:00",
                "hour": "2026-02-28 23:00:00",
                "day": "2026-02-28 00:00:00",
            },
        ),
    ],
)
def test_a_late_event_asks_for_the_windows_that_are_gone(
    late: Grain | None, starts: dict[Grain, str]
) -> None:
    event = Happened("shop", "click", "u1", ms("2026-02-28 23:59:59.999"))
    assert late_windows([enriched(event, late=late)]) == {
        WindowRef("shop", grain, ms(start)) for grain, start in starts.items()
    }


def test_events_of_one_window_ask_for_it_once() -> None:
    events = [
        enriched(Happened(project, "click", f"u{at}", DAY + at), late="minute")
        for project in ("shop", "shop-2")
        for at in (0, 1, MINUTE_MS - 1)
    ]
    assert late_windows(events) == {WindowRef(project, "minute", DAY) for project in ("shop", "shop-2")}


async def test_a_request_is_pending_until_its_outcome_is_noted(tables: Store) -> None:
    asked = {
        NOON,
        NOON._replace(grain="minute"),
        NOON._replace(start=DAY),
        NOON._replace(project="shop-2"),
    }
    await request_repairs(tables, asked)
    pending = await pending_repairs(tables)
    assert {request.window for request in pending} == asked
    assert len(pending) == len(asked)
    await note_outcome(tables, pending[:3], "repaired")
    assert await windows_pending(tables) == [request.window for request in pending[3:]]
    await note_outcome(tables, pending[3:], "uncovered")
    assert await pending_repairs(tables) == []
    said = await outcomes(tables)
    assert [said[request.window] for request in pending] == ["repaired"] * 3 + ["uncovered"]


async def test_the_oldest_windows_come_first_and_no_more_than_fit(
    tables: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "MAX_PENDING", 3)
    starts = [DAY + at * MINUTE_MS for at in (5, 1, 4, 2, 3)]
    await request_repairs(tables, [WindowRef("shop", "minute", start) for start in starts])
    assert [window.start for window in await windows_pending(tables)] == sorted(starts)[:3]
    assert MAX_PENDING >= 10_000


@pytest.mark.parametrize(
    "other",
    [
        NOON._replace(project="shop-2"),
        NOON._replace(grain="day"),
        NOON._replace(start=DAY + 40 * DAY_MS),
    ],
)
async def test_requests_of_one_project_grain_and_month_leave_room_for_the_others(
    tables: Store, monkeypatch: pytest.MonkeyPatch, other: WindowRef
) -> None:
    monkeypatch.setattr(requests, "MAX_PENDING", 3)
    many = [NOON._replace(start=DAY + at * HOUR_MS) for at in range(5)]
    await request_repairs(tables, [*many, other])
    assert set(await windows_pending(tables)) == {*many[:2], other}


async def test_a_request_that_comes_while_its_window_is_repaired_stays(
    tables: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOW)
    await request_repairs(tables, [NOON])
    [taken] = await pending_repairs(tables)
    # In the very same millisecond, by a sink that has just stored one more event.
    await request_repairs(tables, [NOON])
    await note_outcome(tables, [taken], "repaired")
    [left] = await pending_repairs(tables)
    assert left == Request(NOON, left.version)
    assert left.version > taken.version
    await note_outcome(tables, [left], "repaired")
    assert await pending_repairs(tables) == []


@pytest.mark.parametrize("dealt_with", [True, False])
async def test_a_request_counts_although_the_clock_has_gone_back(
    tables: Store, monkeypatch: pytest.MonkeyPatch, dealt_with: bool
) -> None:
    set_clock(monkeypatch, NOW)
    await request_repairs(tables, [NOON])
    taken = await pending_repairs(tables)
    if dealt_with:
        await note_outcome(tables, taken, "repaired")
    # Another sink's machine may be behind by as much.
    set_clock(monkeypatch, NOW - DAY_MS)
    await request_repairs(tables, [NOON])
    if not dealt_with:
        await note_outcome(tables, taken, "repaired")
    assert await windows_pending(tables) == [NOON]


async def test_asking_for_nothing_asks_the_store_nothing(embedded: Store) -> None:
    # There is not even a table.
    await request_repairs(embedded, [])
    await note_outcome(embedded, [], "repaired")
