"""The journal's sink on a real broker and the real engine."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from loopin_sinks.persons.look import LOOK_BACK_MS, OVERLAP_MS, PersonWindows
from loopin_sinks.repair.requests import pending_repairs
from loopin_sinks.store import Store, StoreError
from loopin_sinks.window_rows import WindowRef
from tests.sinks.asking import until
from tests.sinks.faulty_store import FaultyStore
from tests.sinks.metrics.topic import caught_up, running
from tests.sinks.persons.journal import DECIDED_MS, Journal, merge, moment, refusal
from tests.sinks.repair.plain import DAY_MS, HOUR_MS, MINUTE_MS, Happened, quiet_day
from tests.sinks.repair.stored import STREAM, enriched, store_events

DAY = quiet_day()


async def asked_for(store: Store) -> set[WindowRef]:
    return {request.window for request in await pending_repairs(store)}


async def test_decisions_are_stored_and_say_who_is_who(journal: Journal) -> None:
    journal.publish(merge(1, "u", ["a"], ["u"]), merge(2, "u", ["b", "c"], ["u", "a"], revision=1))
    journal.publish(refusal(3, "v", "u"))
    sink = journal.sink()
    async with running(sink):
        await caught_up(sink, journal.ends)
    assert await journal.person_of() == {("demo", each): "u" for each in "abc"}
    rows = await journal.store.query(
        "SELECT id, kind, outcome, reason, distinct_id, other, person, moved, kept, event_uuid, event_at, "
        "decided_at FROM person_merges FINAL ORDER BY id"
    )
    assert len(rows) == sink.stored_rows == 3
    assert rows[1] == {
        **{"id": UUID(int=2), "kind": "identify", "outcome": "merged", "reason": "", "distinct_id": "u"},
        **{"other": "b", "person": "u", "moved": ["b", "c"], "kept": ["u", "a"]},
        **{"event_uuid": UUID(int=1002), "event_at": moment(DECIDED_MS - 5000)},
        "decided_at": moment(DECIDED_MS),
    }
    assert (rows[2]["outcome"], rows[2]["reason"]) == ("refused", "already_identified")


async def test_an_unmerge_in_the_same_batch_undoes_its_merge(journal: Journal) -> None:
    journal.publish(
        merge(1, "u", ["a", "b"], ["u"]), merge(1, "a", ["a"], ["u", "b"], revision=1, kind="unmerge")
    )
    sink = journal.sink()
    async with running(sink):
        await caught_up(sink, journal.ends)
    assert await journal.person_of() == {("demo", "a"): "a", ("demo", "b"): "u"}
    [row] = await journal.store.query("SELECT outcome FROM person_merges FINAL")
    assert row == {"outcome": "unmerged"}


async def test_a_store_that_fails_gets_all_of_it_later(journal: Journal) -> None:
    store = FaultyStore(journal.store)
    sink = journal.sink(store)
    store.failing = True
    journal.publish(merge(1, "u", ["a"], ["u"]))
    async with running(sink):
        await until(lambda: sink.failing, "it says that the store fails")
        store.failing = False
        await caught_up(sink, journal.ends)
        assert sink.failing is None
    assert await journal.person_of() == {("demo", "a"): "u"}


async def test_windows_of_both_sides_are_asked_for(journal: Journal) -> None:
    await store_events(
        journal.store,
        [
            enriched(event)
            for event in (
                Happened("demo", "click", "u", DAY),
                Happened("demo", "click", "a", DAY + 30_000),
                # In another minute of the same hour, another hour of the same day, another day.
                Happened("demo", "click", "u", DAY + HOUR_MS),
                Happened("demo", "click", "b", DAY + HOUR_MS + MINUTE_MS),
                Happened("demo", "click", "b", DAY + DAY_MS),
                Happened("demo", "click", "stranger", DAY + DAY_MS),
                Happened("shop", "click", "a", DAY + DAY_MS),
                Happened("shop", "click", "b", DAY + DAY_MS),
            )
        ],
    )
    journal.publish(merge(1, "u", ["a"], ["u"]))
    sink = journal.sink()
    async with running(sink):
        await caught_up(sink, journal.ends)
        asked = await asked_for(journal.store)
        day = WindowRef("demo", "day", DAY)
        assert asked == {WindowRef("demo", "minute", DAY), WindowRef("demo", "hour", DAY), day}
        # Of what moves together nothing is counted anew.
        journal.publish(merge(2, "v", ["u", "a"], ["v"]))
        await caught_up(sink, journal.ends)
        assert await asked_for(journal.store) == asked
        journal.publish(merge(3, "v", ["b"], ["v", "u", "a"]))
        await caught_up(sink, journal.ends)
        assert await asked_for(journal.store) == asked | {WindowRef("demo", "hour", DAY + HOUR_MS), day}


async def test_windows_after_a_merge_are_asked_for_when_their_events_are_stored(journal: Journal) -> None:
    leads = True
    look = PersonWindows(journal.store, leads=lambda: leads)
    before = [Happened("demo", "click", "u", DAY), Happened("demo", "click", "x", DAY)]
    await store_events(journal.store, [enriched(event) for event in before])
    await look.look(STREAM)
    journal.publish(merge(1, "u", ["a", "b"], ["u"]), merge(2, "y", ["x"], ["y"]))
    sink = journal.sink()
    async with running(sink):
        await caught_up(sink, journal.ends)
    await look.look(STREAM + 1)
    assert await asked_for(journal.store) == set()
    later = [
        # With the one before, they are two ids of one person in that hour and day.
        Happened("demo", "click", "a", DAY + MINUTE_MS),
        Happened("demo", "click", "b", DAY + DAY_MS),
        Happened("demo", "click", "stranger", DAY + DAY_MS),
        Happened("demo", "click", "b", DAY + DAY_MS),
    ]
    await store_events(journal.store, [enriched(event) for event in later])
    leads = False
    await look.look(STREAM + 2)
    assert await asked_for(journal.store) == set(), "another process looks"
    leads = True
    await look.look(STREAM + LOOK_BACK_MS + 1)
    assert await asked_for(journal.store) == set(), "that was stored before the first look"
    await look.look(STREAM + OVERLAP_MS)
    assert await asked_for(journal.store) == set()
    again = PersonWindows(journal.store, leads=lambda: True)
    await again.look(STREAM + LOOK_BACK_MS)
    assert await asked_for(journal.store) == {WindowRef("demo", "hour", DAY), WindowRef("demo", "day", DAY)}


async def test_a_look_that_fails_says_so_and_is_made_good(journal: Journal) -> None:
    store = FaultyStore(journal.store)
    store.failing = True
    look = PersonWindows(store, leads=lambda: True)
    stop = asyncio.Event()
    task = asyncio.create_task(look.run(stop))
    await until(lambda: look.failing, "it says that the store fails")
    stop.set()
    await task
    with pytest.raises(StoreError):
        await look.look(STREAM)
    store.failing = False
    stop.clear()
    task = asyncio.create_task(look.run(stop))
    await until(lambda: look.failing is None, "it looks again")
    stop.set()
    await task
