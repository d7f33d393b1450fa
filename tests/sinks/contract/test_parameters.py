"""Parameters: bound apart from the text, whatever they hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopin_sinks.store import Store, StoreError
from tests.sinks.asking import exported
from tests.sinks.hostile import HOSTILE

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
TOPIC = UUID("0b5a1c70-6d3b-4b6e-9a51-3f1f0a2b7c11")


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_comes_back_verbatim(store: Store, text: str) -> None:
    assert await store.query("SELECT {x:String} AS x", {"x": text}) == [{"x": text}]


async def test_hostile_text_in_an_array_comes_back_verbatim(store: Store) -> None:
    assert await store.query("SELECT {x:Array(String)} AS x", {"x": HOSTILE}) == [{"x": HOSTILE}]


async def test_hostile_text_comes_back_from_a_stream_and_through_a_command(store: Store) -> None:
    sql = "SELECT arrayJoin({x:Array(String)})"
    assert await exported(store, sql, {"x": HOSTILE}) == [(text,) for text in HOSTILE]
    await store.command("CREATE TABLE kept (s String) ENGINE = MergeTree ORDER BY s")
    await store.command(f"INSERT INTO kept {sql}", {"x": HOSTILE})
    rows = await store.query("SELECT s FROM kept ORDER BY s")
    assert [row["s"] for row in rows] == sorted(HOSTILE, key=str.encode)


@settings(
    max_examples=60,
    deadline=None,
    # The store is the same for every example on purpose: nothing is left behind in it.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.text(max_size=30), max_size=5))
async def test_any_text_comes_back_verbatim(store: Store, texts: list[str]) -> None:
    rows = await store.query(
        "SELECT {x:Array(String)} AS x, {y:String} AS y", {"x": texts, "y": "".join(texts)}
    )
    assert rows == [{"x": texts, "y": "".join(texts)}]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("UInt16", 65_535, 65_535),
        ("UInt32", 2**32 - 1, 2**32 - 1),
        ("UInt64", 2**64 - 1, 2**64 - 1),
        ("Int64", -(2**63), -(2**63)),
        ("Float64", 0.1, 0.1),
        ("Float64", -1.7976931348623157e308, -1.7976931348623157e308),
        ("Nullable(String)", None, None),
        ("Nullable(String)", "set", "set"),
        ("UUID", TOPIC, TOPIC),
        ("UUID", str(TOPIC), TOPIC),
        ("DateTime64(3, 'UTC')", MOMENT, MOMENT),
        ("DateTime64(3, 'UTC')", MOMENT.astimezone(timezone(timedelta(hours=3, minutes=30))), MOMENT),
        ("Array(Int64)", [2**63 - 1, -1], [2**63 - 1, -1]),
        ("Array(Int64)", [], []),
        ("Array(Int64)", (1, 2), [1, 2]),
        ("Array(String)", [], []),
        ("Array(DateTime64(3, 'UTC'))", [MOMENT], [MOMENT]),
    ],
)
async def test_a_parameter_of_each_type(store: Store, kind: str, value: object, expected: object) -> None:
    assert await store.query(f"SELECT {{x:{kind}}} AS x", {"x": value}) == [{"x": expected}]


async def test_a_time_is_the_moment_it_names(store: Store) -> None:
    [row] = await store.query("SELECT toUnixTimestamp64Milli({t:DateTime64(3, 'UTC')}) AS ms", {"t": MOMENT})
    assert row["ms"] == int(MOMENT.timestamp() * 1000)


async def test_a_set_is_an_array_in_any_order(store: Store) -> None:
    [row] = await store.query("SELECT arraySort({x:Array(String)}) AS x", {"x": {"b", "a"}})
    assert row["x"] == ["a", "b"]


async def test_long_parameters_go_where_the_address_has_no_room(store: Store) -> None:
    names = [f"user-{number}-😀" for number in range(5_000)]
    [row] = await store.query("SELECT {x:Array(String)} AS x, {y:UInt8} AS y", {"x": names, "y": 1})
    assert row == {"x": names, "y": 1}
    assert len(await exported(store, "SELECT arrayJoin({x:Array(String)})", {"x": names})) == 5_000


async def test_the_same_parameter_can_be_used_twice_and_an_unused_one_is_left_out(store: Store) -> None:
    rows = await store.query("SELECT {x:UInt8} AS a, {x:UInt8} AS b", {"x": 3, "unused": "%s"})
    assert rows == [{"a": 3, "b": 3}]


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT {x:String}", "\ud800"),
        ("SELECT {x:Array(String)}", ["good", "\ud800"]),
        ("SELECT {x:DateTime64(3, 'UTC')}", datetime(2026, 1, 1)),
        ("SELECT {x:UInt64}", "twelve"),
        ("SELECT {x:UUID}", "twelve"),
        ("SELECT {x:Array(Int64)}", ["twelve"]),
    ],
)
async def test_a_bad_parameter_fails_without_showing_it(store: Store, sql: str, value: object) -> None:
    for call in (store.query(sql, {"x": value}), exported(store, sql, {"x": value})):
        with pytest.raises(StoreError) as error:
            await call
        assert error.value.code == "query_failed"
        assert "twelve" not in str(error.value)


async def test_a_missing_parameter_is_named(store: Store) -> None:
    with pytest.raises(StoreError, match="parameter project of the query is missing"):
        await store.query("SELECT {project:String}")
