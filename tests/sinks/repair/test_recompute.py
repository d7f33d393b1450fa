"""Windows recomputed from stored events are what a plain count of the events gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import pytest

from loopin_schemas.window import Grain
from loopin_sinks.repair.recompute import REPAIR_REVISION, recompute_windows
from loopin_sinks.store import Store, StoreError
from loopin_streams.projects.project import Project, Retention
from tests.seeds import seeds
from tests.sinks.repair.plain import (
    AMOUNTS,
    COUNTRIES,
    CURRENCIES,
    DAY_MS,
    HOME,
    HOUR_MS,
    MINUTE_MS,
    SIZES,
    Happened,
    Numbers,
    Series,
    quiet_day,
    some_events,
    windows_of,
)
from tests.sinks.repair.stored import (
    KEPT_DAYS,
    STREAM,
    all_rows,
    enriched,
    newest_rows,
    store_events,
    store_windows,
    windows_found,
)

GRAINS: tuple[Grain, ...] = ("minute", "hour", "day")
DAY = quiet_day()
MOMENTS = (
    # Edges of days, hours and minutes, and the last day of the month with the first of the next.
    DAY,
    DAY + 3 * HOUR_MS,
    DAY + 3 * HOUR_MS + 7 * MINUTE_MS,
    DAY + DAY_MS,
)
NOW = STREAM + 5


async def recompute(
    store: Store,
    project: str,
    grain: Grain,
    starts: Sequence[int],
    *,
    now_ms: int = NOW,
    kept: int = KEPT_DAYS,
) -> None:
    of = Project(currency=HOME, retention=Retention(kept))
    await recompute_windows(store, project, grain, starts, of=of, now_ms=now_ms)


def starts_of(windows: Iterable[Series], project: str, grain: Grain) -> list[int]:
    return sorted({series.start for series in windows if (series.project, series.grain) == (project, grain)})


def wrong(windows: Iterable[Series]) -> dict[Series, Numbers]:
    """What a stream that missed events may have left."""
    return {series: Numbers(1_000_003, 7, 7, 7) for series in windows}


# What a window says.


@pytest.mark.parametrize("seed", seeds(3))
async def test_every_other_window_is_replaced_by_a_plain_count_and_its_neighbours_stay(
    tables: Store, seed: int
) -> None:
    events = some_events(seed, MOMENTS, ["shop", "shop-2"], 700)
    await store_events(tables, map(enriched, events))
    truth = windows_of(events)
    await store_windows(tables, wrong(truth))
    expected = wrong(truth)
    for grain in GRAINS:
        starts = starts_of(truth, "shop", grain)[seed % 2 :: 2]
        assert starts
        await recompute(tables, "shop", grain, starts)
        expected |= {
            series: numbers
            for series, numbers in truth.items()
            if series.project == "shop" and series.grain == grain and series.start in starts
        }
    assert await newest_rows(tables) == expected
    assert expected != wrong(truth)


async def test_windows_that_were_never_stored_are_added(tables: Store) -> None:
    events = some_events(9, MOMENTS, ["shop"], 200)
    await store_events(tables, map(enriched, events))
    truth = windows_of(events)
    for grain in GRAINS:
        await recompute(tables, "shop", grain, starts_of(truth, "shop", grain))
    assert await newest_rows(tables) == truth


ODD: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "amount": [(f'{{"amount": {text}}}', {"amount": meant}) for text, meant in AMOUNTS.items()],
    "currency": [
        (f'{{"currency": {text}, "amount": 2}}', {"amount": 2_000_000, "named": meant})
        for text, meant in CURRENCIES.items()
    ],
    "country": [
        (f'{{"amount": 2, "country": {text}}}', {"amount": 2_000_000, "country": meant})
        for text, meant in COUNTRIES.items()
    ],
}


@pytest.mark.parametrize("event", ["ticket_purchased", "payment_refunded"])
@pytest.mark.parametrize("name", ODD)
async def test_each_odd_property_is_read_as_it_is_meant(tables: Store, event: str, name: str) -> None:
    events = [
        # Each in a minute of its own.
        Happened("shop", event, "u1", DAY + at * MINUTE_MS, properties)._replace(**meant)
        for at, (properties, meant) in enumerate(ODD[name])
    ]
    await store_events(tables, map(enriched, events))
    truth = windows_of(events, ["minute"])
    await recompute(tables, "shop", "minute", starts_of(truth, "shop", "minute"))
    assert await windows_found(tables) == truth


async def test_sums_are_exact_beyond_sixty_four_bits(tables: Store) -> None:
    largest = 999_999_999_998_000_000
    events = [
        *(
            Happened("shop", "ticket_purchased", f"u{at}", DAY, '{"amount": 999999999998}', largest)
            for at in range(40)
        ),
        # Tenths that binary fractions do not add up.
        *(Happened("shop", "ticket_purchased", "u1", DAY, '{"amount": 0.1}', 100_000) for _ in range(7)),
    ]
    await store_events(tables, map(enriched, events))
    await recompute(tables, "shop", "day", [DAY])
    total = (await newest_rows(tables))[Series("shop", "revenue", "", "", "day", DAY)]
    assert total == Numbers(47, 40 * largest + 700_000, 100_000, largest)
    assert total.sum is not None
    assert total.sum > 2**64


async def test_an_event_that_was_sent_again_after_hours_counts_once(tables: Store) -> None:
    event = Happened("shop", "ticket_purchased", "u1", DAY, '{"amount": 5}', 5_000_000)
    for _ in range(2):
        await store_events(tables, [enriched(event, uuid=str(UUID(int=7)))])
    await recompute(tables, "shop", "hour", [DAY])
    assert await newest_rows(tables) == windows_of([event], ["hour"])


async def test_a_month_of_minutes_at_once(tables: Store) -> None:
    moments = [DAY + at * MINUTE_MS for at in range(5_000)]
    events = [Happened("shop", "page_view", f"u{at % 7}", at) for at in moments]
    await store_events(tables, map(enriched, events))
    await recompute(tables, "shop", "minute", moments)
    assert await newest_rows(tables) == windows_of(events, ["minute"])


async def test_rows_of_a_repair_are_closed_and_kept_as_long_as_the_streams(tables: Store) -> None:
    event = Happened("shop", "page_view", "u1", DAY)
    await store_events(tables, [enriched(event)])
    await store_windows(tables, windows_of([event]))
    for grain in GRAINS:
        await recompute(tables, "shop", grain, [DAY])
    rows = await tables.query(
        "SELECT grain, revision >= 1e18 AS repaired, closed, basis, _retention_days AS days "
        "FROM metric_windows WHERE metric = 'events' AND dimension = ''"
    )
    said = {(row["grain"], bool(row["repaired"])): (row["closed"], row["basis"], row["days"]) for row in rows}
    for grain, days in (("minute", KEPT_DAYS), ("hour", 365), ("day", 1095)):
        # The stream's own row may be merged away already.
        assert said.get((grain, False), (True, "distinct_ids", days)) == (True, "distinct_ids", days)
        assert said[grain, True] == (True, "persons", days)


# What counts.


async def test_series_that_the_events_do_not_have_count_nothing_any_more(tables: Store) -> None:
    event = Happened("shop", "page_view", "u1", DAY + MINUTE_MS)
    other = Series("shop", "events", "event", "$other", "minute", event.at)
    country = Series("shop", "revenue", "country", "India", "minute", event.at)
    before = other._replace(start=DAY)
    await store_events(tables, [enriched(event)])
    await store_windows(
        tables, {other: Numbers(500), country: Numbers(3, 9, 2, 4), before: Numbers(4)} | windows_of([event])
    )
    await recompute(tables, "shop", "minute", [event.at])
    rows = await newest_rows(tables)
    assert rows[other] == rows[country] == Numbers(0)
    assert rows[before] == Numbers(4)
    assert await windows_found(tables) == windows_of([event]) | {before: Numbers(4)}


async def test_a_window_without_any_event_counts_nothing(tables: Store) -> None:
    gone = windows_of([Happened("shop", "page_view", "u1", DAY)], ["hour"])
    await store_windows(tables, gone)
    await recompute(tables, "shop", "hour", [DAY])
    assert await newest_rows(tables) == dict.fromkeys(gone, Numbers(0))


async def test_what_the_stream_says_later_does_not_replace_a_repair(tables: Store) -> None:
    event = Happened("shop", "page_view", "u1", DAY)
    truth = windows_of([event], ["day"])
    await store_events(tables, [enriched(event)])
    await recompute(tables, "shop", "day", [DAY])
    await store_windows(tables, wrong(truth), revision=STREAM * 1000)
    assert await newest_rows(tables) == truth
    assert {revision for _, revision, _ in await all_rows(tables)} <= {REPAIR_REVISION + NOW, STREAM * 1000}


@pytest.mark.parametrize("later_ms", [1, 0, -3_600_000], ids=["later", "same moment", "clock went back"])
async def test_a_later_repair_replaces_an_earlier_one_whatever_the_clock_says(
    tables: Store, later_ms: int
) -> None:
    events = [Happened("shop", "page_view", f"u{at}", DAY) for at in range(2)]
    await store_windows(tables, wrong(windows_of(events[:1], ["day"])))
    for at, event in enumerate(events):
        await store_events(tables, [enriched(event)])
        await recompute(tables, "shop", "day", [DAY], now_ms=NOW + at * later_ms)
    assert await newest_rows(tables) == windows_of(events, ["day"])


async def test_operational_metrics_stay_as_the_stream_left_them(tables: Store) -> None:
    # They count records by the broker's time, bad ones too: the table of events does not know them.
    operational = {
        Series("shop", metric, dimension, value, grain, DAY): Numbers(8)
        for metric, dimension, value in (
            ("records_received", "", ""),
            ("records_rejected", "", ""),
            ("records_rejected", "reason", "not_json"),
        )
        for grain in SIZES
    }
    await store_windows(tables, operational)
    for grain in GRAINS:
        await recompute(tables, "shop", grain, [DAY])
    assert await all_rows(tables) == [(series, STREAM, Numbers(8)) for series, _, _ in await all_rows(tables)]
    assert await newest_rows(tables) == operational


async def test_a_repair_done_twice_changes_nothing(tables: Store) -> None:
    events = some_events(4, MOMENTS, ["shop"], 100)
    await store_events(tables, map(enriched, events))
    truth = windows_of(events, ["hour"])
    starts = starts_of(truth, "shop", "hour")
    for _ in range(2):
        await recompute(tables, "shop", "hour", starts)
    assert await newest_rows(tables) == truth


async def test_a_store_that_is_away_is_said_so(embedded_tables: Store) -> None:
    await embedded_tables.close()
    with pytest.raises(StoreError) as refused:
        await recompute(embedded_tables, "shop", "day", [DAY])
    assert refused.value.code == "store_unreachable"
