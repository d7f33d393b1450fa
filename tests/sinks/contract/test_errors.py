"""Errors: one kind, with a code and a sentence that keeps query and data to itself."""

from __future__ import annotations

import asyncio
import pickle

import pytest

from loopin_sinks.store import MAX_RESULT_ROWS, Store, StoreError, StoreSettings, open_store
from tests.sinks.asking import ROWS_THEN_FAILURE, answers_are_its_own, exported


@pytest.mark.parametrize(
    ("sql", "code", "engine_code", "says"),
    [
        (f"SELECT number FROM numbers({MAX_RESULT_ROWS * 2})", "query_failed", 396, "more rows"),
        (
            "SELECT groupArray(number) FROM numbers(100000000) SETTINGS max_memory_usage = 100000000",
            *("query_failed", 241, "more memory"),
        ),
        ("SELECT 'secret' FROM nowhere", "query_failed", 60, "loopin migrate"),
        ("SELECT secret FROM system.one", "query_failed", 47, "loopin migrate"),
        ("SELECT 1 FROM nowhere.secret", "query_failed", 81, "LOOPIN_CLICKHOUSE_DATABASE"),
        ("SELEC 'secret'", "query_failed", 62, "SYNTAX_ERROR"),
        ("SELECT throwIf(1, 'secret')", "query_failed", 395, "395"),
        ("SELECT secret(1)", "query_failed", 46, "UNKNOWN_FUNCTION"),
        ("CREATE TABLE secret (x Int8) ENGINE = Memory", "query_failed", 164, "`command`"),
        ("SELECT 1 SETTINGS readonly = 0", "query_failed", 164, "`command`"),
    ],
)
async def test_errors_have_a_code_and_keep_the_query_to_themselves(
    store: Store, sql: str, code: str, engine_code: int, says: str
) -> None:
    with pytest.raises(StoreError) as error:
        await store.query(sql)
    assert (error.value.code, error.value.engine_code) == (code, engine_code)
    assert says in str(error.value)
    assert str(error.value).endswith(".")
    assert "secret" not in str(error.value)
    assert await store.query("SELECT 1 AS one") == [{"one": 1}]


async def test_a_query_that_takes_longer_than_it_may_is_stopped(store_settings: StoreSettings) -> None:
    store = open_store(store_settings.model_copy(update={"query_timeout_s": 0.5}))
    with pytest.raises(StoreError, match="shorter") as error:
        await store.query("SELECT sleepEachRow(0.1) FROM numbers(100) SETTINGS max_block_size = 1")
    assert (error.value.code, error.value.engine_code) == ("query_timeout", 159)
    await answers_are_its_own(store)
    await store.close()


async def test_a_query_may_not_write(store: Store) -> None:
    await store.command("CREATE TABLE kept (n Int64) ENGINE = MergeTree ORDER BY n")
    for sql in ("INSERT INTO kept SELECT 1", "TRUNCATE TABLE kept", "DROP TABLE kept"):
        with pytest.raises(StoreError, match="`command`"):
            await store.query(sql)
    assert await store.query("SELECT count() AS c FROM kept") == [{"c": 0}]


async def test_a_failed_command_raises_our_error(store: Store) -> None:
    with pytest.raises(StoreError, match="loopin migrate"):
        await store.command("TRUNCATE TABLE nowhere")
    with pytest.raises(StoreError) as error:
        await store.command("TRUNCATE TABLE 'secret'")
    assert (error.value.code, error.value.engine_code) == ("query_failed", 62)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("failing", ROWS_THEN_FAILURE)
async def test_a_failed_querys_rows_reach_nobody(store: Store, failing: str) -> None:
    outcomes = await asyncio.gather(*(store.query(failing) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(outcome, StoreError) for outcome in outcomes)
    await answers_are_its_own(store)


@pytest.mark.parametrize("failing", ROWS_THEN_FAILURE)
async def test_a_failed_streams_rows_reach_nobody(store: Store, failing: str) -> None:
    for _ in range(2):
        with pytest.raises(StoreError):
            await exported(store, failing)
        assert await exported(store, "SELECT 44 AS mine") == [(44,)]
    await answers_are_its_own(store)


async def test_a_failed_commands_rows_reach_nobody(store: Store) -> None:
    for failing in ROWS_THEN_FAILURE[:2]:
        with pytest.raises(StoreError):
            await store.command(failing)
    await store.command("CREATE TABLE kept (n Int64) ENGINE = MergeTree ORDER BY n")
    await store.command("INSERT INTO kept SELECT 1")
    assert await store.query("SELECT n FROM kept") == [{"n": 1}]
    await answers_are_its_own(store)


def test_errors_survive_pickling() -> None:
    copy = pickle.loads(pickle.dumps(StoreError("disk_full", "Full.", 243)))
    assert (copy.code, str(copy), copy.engine_code) == ("disk_full", "Full.", 243)
