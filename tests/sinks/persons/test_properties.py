"""What is known of persons and groups, against a plain replay of what was set in the order of event time."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.event import EnrichedEvent
from loopin_sinks.persons.mapping import PERSON_IDS
from loopin_sinks.persons.properties import group_properties, person_properties, store_properties
from loopin_sinks.persons.property_rows import property_writes
from loopin_sinks.persons.rows import IDS_SCHEMA
from loopin_sinks.store import Store

T = 1_800_000_000_000
VALUES = (1, 2.5, "x", None, True, ["a"], {"b": 1}, "", "null")


class Write(NamedTuple):
    distinct_id: str
    at: int
    offset: int
    properties: dict[str, Any]


def event(write: Write, *, project: str = "demo", name: str = "click") -> EnrichedEvent:
    return EnrichedEvent(
        uuid=str(uuid4()),
        project=project,
        event=name,
        distinct_id=write.distinct_id,
        timestamp=write.at,
        received_at=T,
        properties=msgspec.Raw(json.dumps(write.properties).encode()),
        raw_partition=0,
        raw_offset=write.offset,
    )


def replayed(writes: Iterable[Write]) -> dict[str, Any]:
    """Set is set, unset is gone, and set once works once in a property's life, and where nothing is set."""
    found: dict[str, Any] = {}
    known: set[str] = set()
    for write in sorted(writes, key=lambda one: (one.at, one.offset)):
        for name, value in write.properties.get("$set_once", {}).items():
            if name not in known:
                known.add(name)
                found.setdefault(name, value)
        found |= write.properties.get("$set", {})
        for name in write.properties.get("$unset", []):
            found.pop(name, None)
    return found


def some_writes(dice: random.Random, ids: Sequence[str]) -> list[Write]:
    writes = []
    for offset in range(dice.randrange(1, 14)):
        properties: dict[str, Any] = {"other": 1}
        for way in ("$set", "$set_once"):
            if dice.random() < 0.5:
                properties[way] = {dice.choice("pqr"): dice.choice(VALUES)}
        if dice.random() < 0.3:
            properties["$unset"] = [dice.choice("pqr")]
        writes.append(Write(dice.choice(ids), T + dice.randrange(6), offset, properties))
    return writes


async def link(store: Store, project: str, person_of: dict[str, str], revision: int) -> None:
    rows = [
        {"project": project, "distinct_id": each, "person": name, "revision": revision, "_stored_at": T}
        for each, name in person_of.items()
    ]
    await store.insert(PERSON_IDS, pa.Table.from_pylist(rows, schema=IDS_SCHEMA), token=str(uuid4()))


async def test_in_whatever_order_it_arrives_and_whoever_was_joined(tables: Store) -> None:
    dice = random.Random(7)
    for number in range(12):
        project = f"p{number}"
        writes = some_writes(dice, ["u", "a", "b", "stranger"])
        arriving = dice.sample(writes, len(writes)) + dice.choices(writes, k=2)
        cut = dice.randrange(len(arriving))
        for part in (arriving[:cut], arriving[cut:]):
            await store_properties(tables, [event(write, project=project) for write in part])
        apart = {each: replayed(w for w in writes if w.distinct_id == each) for each in ("u", "a", "b")}
        for each, expected in apart.items():
            assert await person_properties(tables, project, each) == expected
        await link(tables, project, {"a": "u", "b": "u"}, 1)
        joined = replayed(write for write in writes if write.distinct_id != "stranger")
        for each in ("u", "a", "b"):
            assert await person_properties(tables, project, each) == joined
        await link(tables, project, {"a": "a"}, 2)
        assert await person_properties(tables, project, "a") == apart["a"]
        assert await person_properties(tables, project, "u") == replayed(
            write for write in writes if write.distinct_id in ("u", "b")
        )


async def test_groups(tables: Store) -> None:
    def of(at: int, key: Any, given: Any, offset: int = 0, kind: Any = "company") -> EnrichedEvent:
        properties = {"$group_type": kind, "$group_key": key, "$group_set": given}
        return event(Write("u", T + at, offset, properties), name="$groupidentify")

    await store_properties(tables, [of(2, "acme", {"plan": "pro"}), of(1, "acme", {"plan": "free", "n": 1})])
    await store_properties(tables, [of(2, "acme", {"plan": "max"}, 1), of(9, "other", {"plan": "x"})])
    await store_properties(tables, [of(9, 17, {"n": 2}), of(9, None, {"n": 3}), of(9, "acme", ["n"])])
    assert await group_properties(tables, "demo", "company", "acme") == {"plan": "max", "n": 1}
    assert await group_properties(tables, "demo", "company", "17") == {"n": 2}
    assert await group_properties(tables, "shop", "company", "acme") == {}


@pytest.mark.parametrize(
    "properties",
    [
        {"$set": None},
        {"$set": ["a"]},
        {"$set": "set"},
        {"$unset": 5, "$set_once": 1},
        {"$set": {"": 1, "x" * 201: 1}},
        {"$group_set": {"a": 1}},
        {"offset": 1, "set": {"a": 1}},
    ],
)
def test_what_sets_nothing(properties: dict[str, Any]) -> None:
    assert property_writes([event(Write("u", T, 0, properties))]) == ([], [])
    group = {"$group_type": "t" * 201, "$group_key": "k"} | properties
    assert property_writes([event(Write("u", T, 0, group), name="$groupidentify")]) == ([], [])


names = st.sampled_from(["a", "b", "c"])
parts = st.fixed_dictionaries(
    {},
    optional={
        "$set": st.dictionaries(names, st.integers(0, 3), max_size=3),
        "$set_once": st.dictionaries(names, st.integers(0, 3), max_size=3),
        "$unset": st.lists(names, max_size=2) | st.dictionaries(names, st.just(""), max_size=2),
    },
)
written = st.lists(st.tuples(st.integers(-2, 4), parts), max_size=12)


@given(written, st.randoms())
def test_the_greatest_rank_of_each_register_is_what_a_replay_leaves(
    events: list[tuple[int, dict[str, Any]]], dice: random.Random
) -> None:
    writes = [Write("u", T + at, offset, properties) for offset, (at, properties) in enumerate(events)]
    rows, _ = property_writes(event(write) for write in dice.sample(writes, len(writes)))
    newest: dict[tuple[str, str], tuple[int, str]] = {}
    for row in rows:
        at = row.property, row.register
        newest[at] = max(newest.get(at, (0, "")), (row.rank, row.value))
    found = {}
    for name in "abc":
        rank, value = newest.get((name, "set"), (-1, ""))
        turned, once = newest.get((name, "once"), (0, ""))
        if not value and once and (1 << 64) - 1 - turned > rank:
            value = once
        if value:
            found[name] = json.loads(value)
    assert found == replayed(writes)
