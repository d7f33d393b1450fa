"""What every store does, run on both forms."""

from __future__ import annotations

import asyncio
import pickle
from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pytest

from loopin_sinks.store import MAX_RESULT_ROWS, Store, StoreError

HOSTILE = [
    "it's",
    '"double"',
    "back\\slash",
    "\\'",
    "\\N",
    "{x:String}",
    "%s %(x)s {x}",
    "'; DROP TABLE events; --",
    "nul\0byte",
    "tab\tnew\nline\r",
    "سلام 😀",
    "",
]

NUMBERS = (
    "CREATE TABLE numbers_kept (n Int64) ENGINE = MergeTree ORDER BY n "
    "SETTINGS non_replicated_deduplication_window = 10"
)


def numbers(*chunks: list[int]) -> pa.Table:
    return pa.table({"n": pa.chunked_array([pa.array(chunk, pa.int64()) for chunk in chunks])})


async def exported(store: Store, sql: str) -> list[tuple[object, ...]]:
    async with store.stream(sql) as rows:
        return [row async for block in rows for row in block]


async def count(store: Store) -> int:
    return int((await store.query("SELECT count() AS c FROM numbers_kept"))[0]["c"])


async def test_query_returns_rows_by_column_name(store: Store) -> None:
    rows = await store.query("SELECT number AS n, toString(number) AS s, NULL AS nothing FROM numbers(2)")
    assert rows == [{"n": 0, "s": "0", "nothing": None}, {"n": 1, "s": "1", "nothing": None}]


async def test_query_without_rows_returns_an_empty_list(store: Store) -> None:
    assert await store.query("SELECT 1 AS x WHERE 0") == []


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_comes_back_verbatim(store: Store, text: str) -> None:
    assert await store.query("SELECT {x:String} AS x", {"x": text}) == [{"x": text}]


async def test_hostile_text_in_an_array_comes_back_verbatim(store: Store) -> None:
    assert await store.query("SELECT {x:Array(String)} AS x", {"x": HOSTILE}) == [{"x": HOSTILE}]


async def test_parameters_of_every_kind(store: Store) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(hours=3, minutes=30)))
    rows = await store.query(
        "SELECT {u:UInt64} AS u, {i:Int64} AS i, {f:Float64} AS f, {n:Nullable(String)} AS n, "
        "{t:DateTime64(3, 'UTC')} AS t, toUnixTimestamp64Milli({t:DateTime64(3, 'UTC')}) AS ms",
        {"u": 2**64 - 1, "i": -(2**63), "f": 0.1, "n": None, "t": elsewhere, "unused": "%s"},
    )
    expected = {"u": 2**64 - 1, "i": -(2**63), "f": 0.1, "n": None, "t": moment}
    assert rows == [expected | {"ms": int(moment.timestamp() * 1000)}]


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT {x:String}", "\ud800"),
        ("SELECT {x:DateTime64(3, 'UTC')}", datetime(2026, 1, 1)),
        ("SELECT {x:UInt64}", "twelve"),
    ],
)
async def test_a_bad_parameter_fails_without_showing_it(store: Store, sql: str, value: object) -> None:
    with pytest.raises(StoreError) as error:
        await store.query(sql, {"x": value})
    assert error.value.code == "query_failed"
    assert "twelve" not in str(error.value)


async def test_a_missing_parameter_is_named(store: Store) -> None:
    with pytest.raises(StoreError, match="parameter project of the query is missing"):
        await store.query("SELECT {project:String}")


@pytest.mark.parametrize(
    ("sql", "code", "says"),
    [
        (
            "SELECT sleepEachRow(0.1) FROM numbers(100) SETTINGS max_block_size = 1",
            "query_timeout",
            "shorter",
        ),
        (f"SELECT number FROM numbers({MAX_RESULT_ROWS * 2})", "query_failed", "more rows"),
        ("SELECT 'secret' FROM nowhere", "query_failed", "loopin migrate"),
        ("SELEC 'secret'", "query_failed", "SYNTAX_ERROR"),
        ("SELECT throwIf(1, 'secret')", "query_failed", "395"),
        ("CREATE TABLE secret (x Int8) ENGINE = Memory", "query_failed", "`command`"),
    ],
)
async def test_errors_have_a_code_and_keep_the_query_to_themselves(
    store: Store, sql: str, code: str, says: str
) -> None:
    with pytest.raises(StoreError) as error:
        await store.query(sql)
    assert error.value.code == code
    assert says in str(error.value)
    assert "secret" not in str(error.value)
    assert await store.query("SELECT 1 AS one") == [{"one": 1}]


async def test_command_binds_parameters(store: Store) -> None:
    await store.command(NUMBERS)
    await store.command("INSERT INTO numbers_kept SELECT {n:Int64}", {"n": 7})
    assert await store.query("SELECT n FROM numbers_kept") == [{"n": 7}]


async def test_the_same_token_inserts_once(store: Store) -> None:
    await store.command(NUMBERS)
    await store.insert("numbers_kept", numbers([1, 2]), token="a")
    await store.insert("numbers_kept", numbers([1, 2]), token="a")
    assert await count(store) == 2
    await store.insert("numbers_kept", numbers([1, 2]), token="b")
    assert await count(store) == 4


async def test_a_chunked_table_is_inserted_as_one_block(store: Store) -> None:
    await store.command(NUMBERS)
    await store.insert("numbers_kept", numbers(*([i, -i] for i in range(20))), token="a")
    parts = await store.query("SELECT rows FROM system.parts WHERE table = 'numbers_kept' AND active")
    assert parts == [{"rows": 40}]


async def test_a_failed_insert_stores_nothing_and_the_next_one_works(store: Store) -> None:
    await store.command(NUMBERS)
    with pytest.raises(StoreError) as error:
        await store.insert("numbers_kept", pa.table({"n": ["x"]}), token="a")
    assert error.value.code == "query_failed"
    await store.insert("numbers_kept", numbers([5]), token="b")
    assert await count(store) == 1


async def test_stream_gives_columns_and_every_row(store: Store) -> None:
    async with store.stream("SELECT number AS n, 'x' AS s FROM numbers({n:UInt64})", {"n": 100_000}) as rows:
        assert rows.columns == ("n", "s")
        found = [row async for block in rows for row in block]
    assert found == [(n, "x") for n in range(100_000)]


async def test_stream_without_rows_still_names_its_columns(store: Store) -> None:
    sql = "SELECT number AS n, 'x' AS s FROM numbers({n:UInt64}) -- nothing"
    async with store.stream(sql, {"n": 0}) as rows:
        assert rows.columns == ("n", "s")
        assert [block async for block in rows] == []


async def test_a_stream_that_fails_raises_our_error(store: Store) -> None:
    with pytest.raises(StoreError) as error:
        await exported(store, "SELECT throwIf(number = 90000, 'secret') FROM numbers(100000)")
    assert error.value.code == "query_failed"
    assert "secret" not in str(error.value)


async def test_what_the_reader_of_a_stream_raises_passes_unchanged(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        async with store.stream("SELECT 1"):
            raise ZeroDivisionError
    assert await store.query("SELECT 1 AS one") == [{"one": 1}]


async def test_queries_and_inserts_run_while_streams_are_open(store: Store) -> None:
    await store.command(NUMBERS)
    sql = "SELECT number FROM numbers(1000000)"
    async with store.stream(sql) as first, store.stream(sql) as second:
        assert (await anext(aiter(first)))[0] == (0,)
        answers = await asyncio.gather(
            *(store.query("SELECT {i:UInt8} AS i", {"i": i}) for i in range(8)),
            store.insert("numbers_kept", numbers([1]), token="a"),
        )
        assert answers[:8] == [[{"i": i}] for i in range(8)]
        assert sum([len(block) async for block in second]) == 1_000_000


async def test_ping_and_version(store: Store) -> None:
    await store.ping()
    assert int((await store.version()).split(".")[0]) >= 26


async def test_a_closed_store_says_so(store: Store) -> None:
    await store.close()
    await store.close()
    for call in (store.query("SELECT 1"), store.ping(), store.stream("SELECT 1").__aenter__()):
        with pytest.raises(StoreError, match="closed") as error:
            await call
        assert error.value.code == "store_unreachable"


def test_errors_survive_pickling() -> None:
    copy = pickle.loads(pickle.dumps(StoreError("disk_full", "Full.", 243)))
    assert (copy.code, str(copy), copy.engine_code) == ("disk_full", "Full.", 243)
