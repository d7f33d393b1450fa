"""Queries: rows by column name, of every type that a table may have."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from loopin_sinks.store import MAX_RESULT_ROWS, Store, StoreError

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


async def test_rows_come_by_column_name(store: Store) -> None:
    rows = await store.query("SELECT number AS n, toString(number) AS s, NULL AS nothing FROM numbers(2)")
    assert rows == [{"n": 0, "s": "0", "nothing": None}, {"n": 1, "s": "1", "nothing": None}]


async def test_a_query_without_rows_returns_an_empty_list(store: Store) -> None:
    assert await store.query("SELECT 1 AS x WHERE 0") == []
    assert await store.query("SELECT number AS x FROM numbers(5) LIMIT 0") == []


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("toUInt8(255)", 255),
        ("toUInt64(18446744073709551615)", 2**64 - 1),
        ("toInt64(-9223372036854775808)", -(2**63)),
        ("toInt32(-1)", -1),
        ("toFloat64(0.1)", 0.1),
        ("toFloat32(0.5)", 0.5),
        ("inf", float("inf")),
        ("true", True),
        ("'text'", "text"),
        ("''", ""),
        ("toFixedString('ab', 2)", b"ab"),
        ("toLowCardinality('low')", "low"),
        ("CAST(NULL AS LowCardinality(Nullable(String)))", None),
        ("CAST(NULL AS Nullable(Float64))", None),
        ("CAST(7 AS Nullable(Int32))", 7),
        ("toUUID('0b5a1c70-6d3b-4b6e-9a51-3f1f0a2b7c11')", UUID("0b5a1c70-6d3b-4b6e-9a51-3f1f0a2b7c11")),
        ("toDate('2026-01-02')", date(2026, 1, 2)),
        ("toDateTime64('2026-01-02 03:04:05.678', 3, 'UTC')", MOMENT),
        ("toDateTime64('1900-01-01 00:00:00.000', 3, 'UTC')", datetime(1900, 1, 1, tzinfo=UTC)),
        ("CAST(NULL AS Nullable(DateTime64(3, 'UTC')))", None),
        ("toDateTime('2026-01-02 03:04:05', 'UTC')", MOMENT.replace(microsecond=0)),
        ("CAST('-1.5' AS Nullable(Decimal(38, 6)))", Decimal("-1.5")),
        ("CAST('99999999999999999999999999999999.999999' AS Decimal(38, 6))", Decimal("9" * 32 + ".999999")),
        ("CAST(1 AS Bool)", True),
        ("CAST([] AS Array(LowCardinality(String)))", []),
        ("CAST(['a', 'a', ''] AS Array(LowCardinality(String)))", ["a", "a", ""]),
        ("[[1, 2], []]", [[1, 2], []]),
        ("tuple(1, 'a')", (1, "a")),
        ("map('k', 1)", {"k": 1}),
    ],
)
async def test_a_value_of_each_type_comes_as_pythons(store: Store, sql: str, value: object) -> None:
    assert await store.query(f"SELECT {sql} AS x FROM numbers(2)") == [{"x": value}, {"x": value}]


async def test_a_statement_that_describes_has_rows_too(store: Store) -> None:
    await store.command("CREATE TABLE kept (n Int64) ENGINE = MergeTree ORDER BY n")
    [column] = await store.query("DESCRIBE TABLE kept")
    assert (column["name"], column["type"]) == ("n", "Int64")
    assert await store.query("EXISTS TABLE kept") == [{"result": 1}]
    assert [row["name"] for row in await store.query("SHOW TABLES")] == ["kept"]


async def test_the_largest_result_comes_whole_and_one_row_more_is_refused(store: Store) -> None:
    rows = await store.query("SELECT number AS n FROM numbers({n:UInt32})", {"n": MAX_RESULT_ROWS})
    assert [row["n"] for row in rows] == list(range(MAX_RESULT_ROWS))
    with pytest.raises(StoreError, match="more rows"):
        await store.query("SELECT number AS n FROM numbers({n:UInt32})", {"n": MAX_RESULT_ROWS + 1})


async def test_a_value_of_megabytes_comes_whole(store: Store) -> None:
    [row] = await store.query("SELECT repeat('0123456789', 500000) AS x")
    assert row["x"] == "0123456789" * 500_000


async def test_comments_semicolons_and_percent_signs_are_part_of_the_text(store: Store) -> None:
    assert await store.query("-- %s {no parameter\nSELECT /* {x} */ '%d;%' AS x -- end") == [{"x": "%d;%"}]
    assert await store.query("SELECT 1 AS x;") == [{"x": 1}]
