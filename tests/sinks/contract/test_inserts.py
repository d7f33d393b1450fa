"""Inserts: whole or not at all, and once for each token."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from loopin_sinks.store import Store, StoreError
from tests.sinks.hostile import HOSTILE

WINDOW = "SETTINGS non_replicated_deduplication_window = 100"
NUMBERS = f"CREATE TABLE kept (n Int64) ENGINE = MergeTree ORDER BY n {WINDOW}"


def numbers(*chunks: list[int]) -> pa.Table:
    return pa.table({"n": pa.chunked_array([pa.array(chunk, pa.int64()) for chunk in chunks])})


async def kept(store: Store) -> list[int]:
    """The numbers in the table, sorted."""
    return [int(row["n"]) for row in await store.query("SELECT n FROM kept ORDER BY n")]


async def test_the_same_token_inserts_once(store: Store) -> None:
    await store.command(NUMBERS)
    await store.insert("kept", numbers([1, 2]), token="a")
    await store.insert("kept", numbers([1, 2]), token="a")
    assert await kept(store) == [1, 2]
    await store.insert("kept", numbers([1, 2]), token="b")
    assert await kept(store) == [1, 1, 2, 2]


async def test_a_token_used_for_other_rows_drops_them(store: Store) -> None:
    await store.command(NUMBERS)
    await store.insert("kept", numbers([1, 2]), token="a")
    await store.insert("kept", numbers([3]), token="a")
    assert await kept(store) == [1, 2]


async def test_the_same_token_at_once_inserts_once(store: Store) -> None:
    await store.command(NUMBERS)
    await asyncio.gather(*(store.insert("kept", numbers([1, 2]), token="a") for _ in range(8)))
    assert await kept(store) == [1, 2]


async def test_a_token_belongs_to_its_partition_of_the_table(store: Store) -> None:
    await store.command(
        f"CREATE TABLE kept (n Int64) ENGINE = MergeTree PARTITION BY n % 2 ORDER BY n {WINDOW}"
    )
    await store.insert("kept", numbers([1]), token="a")
    await store.insert("kept", numbers([1, 2]), token="a")
    assert await kept(store) == [1, 2]


@pytest.mark.parametrize("token", ["it's", 'a"b\\c', "topic:3:0-1:202601", "{x:String}", "😀 %s", "a" * 2000])
async def test_any_text_is_a_token(store: Store, token: str) -> None:
    await store.command(NUMBERS)
    for _ in range(2):
        await store.insert("kept", numbers([1]), token=token)
    await store.insert("kept", numbers([2]), token=f"{token}.")
    assert await kept(store) == [1, 2]


async def test_a_materialized_views_table_gets_the_rows_of_a_token_once_too(store: Store) -> None:
    await store.command(NUMBERS)
    await store.command(f"CREATE TABLE doubled (n Int64) ENGINE = MergeTree ORDER BY n {WINDOW}")
    await store.command("CREATE MATERIALIZED VIEW doubling TO doubled AS SELECT n * 2 AS n FROM kept")
    for _ in range(2):
        await store.insert("kept", numbers([1, 2]), token="a")
    rows = await store.query("SELECT n FROM doubled ORDER BY n")
    assert rows == [{"n": 2}, {"n": 4}]


async def test_a_chunked_table_is_inserted_as_one_block(store: Store) -> None:
    await store.command(NUMBERS)
    await store.insert("kept", numbers(*([i, -i] for i in range(20))), token="a")
    parts = await store.query(
        "SELECT rows FROM system.parts WHERE database = currentDatabase() AND table = 'kept' AND active"
    )
    assert parts == [{"rows": 40}]


async def test_the_largest_insert_comes_whole(store: Store) -> None:
    await store.command(NUMBERS)
    await store.insert("kept", numbers(list(range(50_000))), token="a")
    assert await kept(store) == list(range(50_000))


async def test_an_insert_without_rows_stores_nothing(store: Store) -> None:
    await store.command(NUMBERS)
    await store.insert("kept", numbers([]), token="a")
    assert await kept(store) == []
    await store.insert("kept", numbers([1]), token="b")
    assert await kept(store) == [1]


async def test_columns_that_an_insert_lacks_get_their_defaults(store: Store) -> None:
    await store.command(
        "CREATE TABLE kept (n Int64, s String DEFAULT 'none', twice Int64 MATERIALIZED n * 2) "
        "ENGINE = MergeTree ORDER BY n"
    )
    await store.insert("kept", numbers([4]), token="a")
    assert await store.query("SELECT n, s, twice FROM kept") == [{"n": 4, "s": "none", "twice": 8}]


async def test_values_come_back_as_they_were(store: Store) -> None:
    await store.command(
        "CREATE TABLE kept (n Int64, s String, low LowCardinality(String), b String, f Nullable(Float64), "
        "t DateTime64(3, 'UTC'), maybe Nullable(DateTime64(3, 'UTC')), list Array(LowCardinality(String))) "
        "ENGINE = MergeTree ORDER BY n"
    )
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    floats = [None, 0.1, -0.0, 1.7976931348623157e308, 5e-324]
    rows = [
        {
            "n": number,
            "s": text,
            "low": text,
            "b": text,
            "f": floats[number % len(floats)],
            "t": moment,
            "maybe": moment if number % 2 else None,
            "list": [text, *HOSTILE][: number % 4],
        }
        for number, text in enumerate(HOSTILE)
    ]
    ms = pa.timestamp("ms", "UTC")
    schema = pa.schema(
        [
            *(("n", pa.int64()), ("s", pa.string()), ("low", pa.string()), ("b", pa.binary())),
            *(("f", pa.float64()), ("t", ms), ("maybe", ms), ("list", pa.list_(pa.string()))),
        ]
    )
    as_bytes = [row | {"b": str(row["s"]).encode()} for row in rows]
    await store.insert("kept", pa.Table.from_pylist(as_bytes, schema=schema), token="a")
    assert await store.query("SELECT * FROM kept ORDER BY n") == rows


@pytest.mark.parametrize(
    ("table", "rows", "says"),
    [
        ("kept", pa.table({"n": ["secret"]}), "could not run"),
        ("kept", pa.table({"n": [1], "secret": [1]}), "loopin migrate"),
        ("nowhere", numbers([1]), "loopin migrate"),
    ],
)
async def test_a_failed_insert_stores_nothing_and_the_next_one_works(
    store: Store, table: str, rows: pa.Table, says: str
) -> None:
    await store.command(NUMBERS)
    with pytest.raises(StoreError, match=says) as error:
        await store.insert(table, rows, token="a")
    assert error.value.code == "query_failed"
    assert "secret" not in str(error.value)
    await store.insert("kept", numbers([5]), token="a")
    assert await kept(store) == [5]


async def test_an_insert_that_fails_in_the_middle_stores_nothing(store: Store) -> None:
    await store.command(
        "CREATE TABLE kept (n Int64, CONSTRAINT small CHECK n < 40000) ENGINE = MergeTree ORDER BY n"
    )
    with pytest.raises(StoreError) as error:
        await store.insert("kept", numbers(list(range(50_000))), token="a")
    assert error.value.engine_code == 469
    assert await kept(store) == []


async def test_readers_see_whole_inserts_only(store: Store) -> None:
    await store.command(NUMBERS)
    size, inserts = 5_000, 12
    writing = asyncio.create_task(_write(store, size, inserts))
    seen: list[list[int]] = [[], [], []]
    while not writing.done():
        rows = await asyncio.gather(
            *(store.query("SELECT count() AS c, uniqExact(n) AS u FROM kept") for _ in seen)
        )
        for counts, [row] in zip(seen, rows, strict=True):
            assert row["c"] == row["u"]
            counts.append(row["c"])
    await writing
    for counts in seen:
        assert all(count % size == 0 for count in counts)
        assert all(before <= after for before, after in itertools.pairwise(counts))
    assert await kept(store) == list(range(size * inserts))


async def _write(store: Store, size: int, inserts: int) -> None:
    for number in range(inserts):
        rows = numbers(list(range(number * size, (number + 1) * size)))
        await store.insert("kept", rows, token=str(number))


async def test_commands_bind_parameters(store: Store) -> None:
    await store.command(NUMBERS)
    await store.command("INSERT INTO kept SELECT {n:Int64}", {"n": 7})
    assert await kept(store) == [7]
    await store.command("ALTER TABLE kept DELETE WHERE n = {n:Int64} SETTINGS mutations_sync = 2", {"n": 7})
    assert await kept(store) == []
