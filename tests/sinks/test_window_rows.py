"""Windows and repairs as rows: every field goes into the real tables and comes back exactly."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.window import MetricWindow
from loopin_sinks.rows import by_month
from loopin_sinks.store import Store, StoreSettings
from loopin_sinks.window_rows import (
    METRIC_WINDOWS,
    REPAIRS_SCHEMA,
    WINDOW_REPAIRS,
    WINDOWS_SCHEMA,
    WindowRef,
    repairs_to_arrow,
    windows_to_arrow,
)
from loopin_streams.projects.project import Retention
from tests.migrated import fill

NOW_MS = int(datetime.now(UTC).timestamp() * 1000)
MINUTE_MS, DAY_MS = 60_000, 86_400_000
TODAY_MS = NOW_MS - NOW_MS % DAY_MS

ARROW_OF = {
    "LowCardinality(String)": pa.string(),
    "String": pa.string(),
    "DateTime('UTC')": pa.timestamp("s", "UTC"),
    "DateTime64(3, 'UTC')": pa.timestamp("ms", "UTC"),
    "UInt16": pa.uint16(),
    "UInt64": pa.uint64(),
    "Nullable(Decimal(38, 6))": pa.decimal128(38, 6),
    "Bool": pa.bool_(),
}


def window(**fields: Any) -> MetricWindow:
    known: dict[str, Any] = {
        **{"project": "demo", "metric": "revenue", "dimension": "country", "value": "IN", "grain": "hour"},
        **{"start": TODAY_MS, "count": 3, "revision": NOW_MS},
    }
    return MetricWindow(**known | fields)


def at(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


@pytest.fixture
def tables(embedded: Store, embedded_settings: StoreSettings, migrated: Path) -> Store:
    """A store with its tables."""
    fill(embedded_settings, migrated)
    return embedded


async def insert(store: Store, *windows: MetricWindow, days: int = 90) -> None:
    rows = windows_to_arrow(windows, lambda project: Retention(days), NOW_MS)
    for _, part in by_month(rows, "start"):
        await store.insert(METRIC_WINDOWS, part, token=str(uuid.uuid4()))


@pytest.mark.parametrize(
    ("table", "schema"), [(METRIC_WINDOWS, WINDOWS_SCHEMA), (WINDOW_REPAIRS, REPAIRS_SCHEMA)]
)
async def test_the_schema_is_the_tables(tables: Store, table: str, schema: pa.Schema) -> None:
    described = await tables.query(f"DESCRIBE TABLE {table}")
    columns = [(row["name"], row["type"]) for row in described]
    assert [(field.name, field.type) for field in schema] == [(n, ARROW_OF[kind]) for n, kind in columns]
    for (_, kind), field in zip(columns, schema, strict=True):
        assert field.nullable == kind.startswith("Nullable")


async def test_every_field_comes_back_as_it_was(tables: Store) -> None:
    full = window(
        value='Österreich "\U0001f3ab"\t',
        sum=-(10**30) - 1,
        min=-(10**30),
        max=1,
        closed=True,
        basis="persons",
    )
    bare = MetricWindow(
        project="shop", metric="events", grain="minute", start=TODAY_MS, count=2**63, revision=1
    )
    await insert(tables, full, bare)
    rows = await tables.query(
        "SELECT *, toString(sum) AS sum_text, toString(min) AS min_text, toString(max) AS max_text "
        "FROM metric_windows ORDER BY project"
    )
    texts = [[row.pop(f"{name}_text") for name in ("sum", "min", "max")] for row in rows]
    assert texts == [[f"-1{'0' * 24}.000001", f"-1{'0' * 24}", "0.000001"], [None, None, None]]
    exact = {"sum": Decimal(f"-1{'0' * 24}.000001"), "min": Decimal(-(10**24)), "max": Decimal("0.000001")}
    assert rows == [
        {
            "project": "demo",
            "metric": "revenue",
            "dimension": "country",
            "dimension_value": full.value,
            "grain": "hour",
            "start": at(TODAY_MS),
            "count": 3,
            **exact,
            "closed": True,
            "basis": "persons",
            "revision": NOW_MS,
            "_stored_at": at(NOW_MS),
            "_retention_days": 365,
        },
        {
            "project": "shop",
            "metric": "events",
            "dimension": "",
            "dimension_value": "",
            "grain": "minute",
            "start": at(TODAY_MS),
            "count": 2**63,
            "sum": None,
            "min": None,
            "max": None,
            "closed": False,
            "basis": "distinct_ids",
            "revision": 1,
            "_stored_at": at(NOW_MS),
            "_retention_days": 90,
        },
    ]


async def test_the_greatest_revision_counts_in_whatever_order_rows_come(tables: Store) -> None:
    for revision, count in ((5, 50), (9, 90), (7, 70)):
        await insert(tables, window(revision=revision, count=count))
    await insert(tables, window(value="DE", revision=1, count=1))
    found = "SELECT dimension_value AS v, count, revision FROM metric_windows FINAL ORDER BY revision"
    assert await tables.query(found) == [
        {"v": "DE", "count": 1, "revision": 1},
        {"v": "IN", "count": 90, "revision": 9},
    ]


async def test_every_series_of_every_window_has_a_row_of_its_own(tables: Store) -> None:
    others = [
        window(project="shop"),
        window(metric="events"),
        window(dimension="event"),
        window(value="DE"),
        window(grain="day"),
        window(start=TODAY_MS + 3_600_000),
    ]
    await insert(tables, window(), *others)
    assert await tables.query("SELECT count() AS c FROM metric_windows FINAL") == [{"c": 7}]


async def test_sums_of_the_store_are_exact(tables: Store) -> None:
    cents = [window(value=f"v{at}", sum=100_000 + at) for at in range(1000)]
    await insert(tables, *cents)
    [total] = await tables.query("SELECT toString(sum(sum)) AS s FROM metric_windows FINAL")
    assert total["s"] == "100.4995"


@pytest.mark.parametrize(("grain", "days"), [("minute", 7), ("hour", 365), ("day", 1095)])
def test_minutes_are_kept_as_long_as_events_and_longer_windows_for_years(grain: Any, days: int) -> None:
    table = windows_to_arrow([window(grain=grain)], {"demo": Retention(7)}.__getitem__, NOW_MS)
    assert table["_retention_days"].to_pylist() == [days]


async def test_what_is_past_its_days_leaves_the_table(tables: Store) -> None:
    await insert(tables, window(grain="minute", start=TODAY_MS - 8 * DAY_MS), days=7)
    await insert(tables, window(grain="hour", start=TODAY_MS - 8 * DAY_MS), days=7)
    await tables.command("OPTIMIZE TABLE metric_windows FINAL")
    assert await tables.query("SELECT grain FROM metric_windows") == [{"grain": "hour"}]


numbers = st.none() | st.integers(-(10**37), 10**37)


@given(st.lists(st.tuples(numbers, numbers, numbers), max_size=5))
def test_any_millionths_are_an_exact_decimal(found: list[tuple[int | None, int | None, int | None]]) -> None:
    windows = [window(sum=total, min=least, max=greatest) for total, least, greatest in found]
    table = windows_to_arrow(windows, lambda _: Retention(1), NOW_MS)
    for at_row, values in enumerate(found):
        for name, value in zip(("sum", "min", "max"), values, strict=True):
            assert millionths(table[name][at_row].as_py()) == value


def millionths(held: Decimal | None) -> int | None:
    """Digit by digit, without the rounding of decimal's arithmetic."""
    if held is None:
        return None
    sign, digits, exponent = held.as_tuple()
    assert exponent == -6
    return int("-" * sign + "".join(map(str, digits)))


def test_no_windows_are_an_empty_table() -> None:
    assert windows_to_arrow([], lambda _: Retention(1), NOW_MS).num_rows == 0
    assert repairs_to_arrow([], "", [], NOW_MS).num_rows == 0


async def test_a_repair_outranks_its_request_and_the_next_request_that_repair(tables: Store) -> None:
    ref = WindowRef("demo", "hour", TODAY_MS)
    newest = "SELECT outcome, version FROM window_repairs FINAL"
    for outcome, version in (("", 4), ("done", 5), ("", 8)):
        rows = repairs_to_arrow([ref], outcome, [version], NOW_MS)
        await tables.insert(WINDOW_REPAIRS, rows, token=str(uuid.uuid4()))
        assert await tables.query(newest) == [{"outcome": outcome, "version": version}]
    [row] = await tables.query("SELECT * FROM window_repairs FINAL")
    assert row == {
        "project": "demo",
        "grain": "hour",
        "start": at(TODAY_MS),
        "outcome": "",
        "version": 8,
        "_stored_at": at(NOW_MS),
    }
