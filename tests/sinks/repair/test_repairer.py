"""When stored windows are recomputed: on a real broker, with markers and offsets that plain clients wrote."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import pytest
from aiokafka.errors import KafkaConnectionError

from loopin_deploy.ports import free_port
from loopin_sinks.repair import repairer as repairing
from loopin_sinks.repair.repairer import Repairer
from loopin_sinks.store import Store, StoreError
from loopin_sinks.window_rows import WindowRef
from loopin_streams.kafka.progress import committed_offsets
from loopin_streams.kafka.reader import Reader
from loopin_streams.projects.project import Projects
from tests.sinks.repair.hooked_store import Hook, HookedStore
from tests.sinks.repair.installation import PARTITIONS, Installation, until
from tests.sinks.repair.plain import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    SIZES,
    Happened,
    Numbers,
    quiet_day,
    some_events,
    windows_of,
)
from tests.sinks.repair.stored import enriched, newest_rows, store_events, store_windows
from tests.transactions import Out

HOUR = quiet_day() + 5 * HOUR_MS
CLICK = Happened("shop", "click", "u1", HOUR)
SALE = Happened("shop", "ticket_purchased", "u2", HOUR + 1, '{"amount": 5}', 5_000_000)
GONE = HOUR + 7 * HOUR_MS
"""The watermark from which the hour is in no stream's memory."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repairing, "POLL_S", 0.01)
    monkeypatch.setattr(repairing, "CATCH_UP_S", 0.02)


@asynccontextmanager
async def running(repairer: Repairer) -> AsyncIterator[None]:
    """The repairer at work; stopped at the end as its role stops it."""
    stop = asyncio.Event()
    task = asyncio.create_task(repairer.run(stop))
    try:
        yield
        assert not task.done()
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await task


async def once(installation: Installation, store: Store | None = None) -> int:
    return await installation.repairer(store).repair_once(asyncio.Event())


# Not too early.


@pytest.mark.scenario
@pytest.mark.parametrize(
    ("grain", "gone"),
    [
        ("minute", HOUR + MINUTE_MS + HOUR_MS),
        ("hour", HOUR + HOUR_MS + 6 * HOUR_MS),
        ("day", quiet_day() + DAY_MS + 2 * DAY_MS),
    ],
)
async def test_a_window_is_repaired_once_every_partitions_watermark_has_left_it(
    installation: Installation, grain: str, gone: int
) -> None:
    await installation.late(CLICK, grain=grain)
    installation.commit(0, gone)
    assert await once(installation) == 0, "a partition's watermark is not known"
    installation.commit(1, None)
    assert await once(installation) == 0, "a partition has no watermark"
    installation.commit(1, gone - 1)
    assert await once(installation) == 0, "a stream may still correct the window"
    assert len(await installation.pending()) == 1
    assert await newest_rows(installation.store) == {}
    installation.commit(1, gone)
    assert await once(installation) == 1
    await installation.assert_repaired(CLICK, grain=grain)


async def test_partitions_that_the_sinks_settings_do_not_count_are_waited_for(
    installation: Installation,
) -> None:
    installation.settings = installation.settings.model_copy(update={"partitions": 1})
    await installation.late(CLICK)
    installation.commit(0, GONE)
    assert await once(installation) == 0, "the watermark of partition 1 is not known"
    installation.commit(1, GONE, events=1)
    assert await once(installation) == 0, "an event of partition 1 is not stored"
    installation.stored(1, 1)
    assert await once(installation) == 1
    await installation.assert_repaired(CLICK)


async def test_windows_that_are_not_gone_yet_wait_for_their_time(installation: Installation) -> None:
    later = CLICK._replace(at=HOUR + HOUR_MS)
    await installation.late(CLICK, later)
    installation.commit_all(GONE)
    assert await once(installation) == 1
    assert await installation.pending() == {WindowRef("shop", "hour", later.at)}
    assert await newest_rows(installation.store) == windows_of([CLICK], ["hour"])
    installation.commit_all(GONE + HOUR_MS)
    assert await once(installation) == 1
    await installation.assert_repaired(CLICK, later)


async def test_a_window_is_repaired_once_the_sinks_have_stored_what_was_enriched(
    installation: Installation,
) -> None:
    await installation.late(CLICK)
    installation.commit(0, GONE, events=3)
    installation.commit(1, GONE, events=2)
    assert await once(installation) == 0, "no sink has stored anything"
    installation.stored(0, 3)
    installation.stored(1, 1)
    assert await once(installation) == 0, "one event is not stored"
    assert await newest_rows(installation.store) == {}
    installation.stored(1, 2)
    # The log ends with the note that ends the transaction, which no sink ever stores.
    assert installation.end(1) == 3
    assert await once(installation) == 1
    await installation.assert_repaired(CLICK)


async def test_one_round_waits_until_the_sinks_have_come_so_far(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def counted(bootstrap: str, group: str, topic: str) -> dict[int, int]:
        nonlocal asked
        asked += 1
        return await committed_offsets(bootstrap, group, topic)

    monkeypatch.setattr(repairing, "CATCH_UP_S", 60.0)
    monkeypatch.setattr(repairing, "committed_offsets", counted)
    await installation.late(CLICK)
    installation.commit(0, GONE, events=1)
    installation.commit(1, GONE)
    round_ = asyncio.create_task(once(installation))

    async def waited() -> bool:
        return asked >= 3

    await until(waited, "the repairer looks again")
    # What is enriched from now on is none of its business.
    installation.commit(0, GONE, events=10)
    installation.stored(0, 1)
    assert await round_ == 1
    await installation.assert_repaired(CLICK)


async def test_a_round_that_waits_for_the_sinks_ends_when_told_to_stop(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repairing, "CATCH_UP_S", 3600.0)
    monkeypatch.setattr(repairing, "POLL_S", 3600.0)
    await installation.late(CLICK)
    installation.commit(0, GONE, events=1)
    installation.commit(1, GONE)
    looked = asyncio.Event()

    async def seen(bootstrap: str, group: str, topic: str) -> dict[int, int]:
        looked.set()
        return await committed_offsets(bootstrap, group, topic)

    monkeypatch.setattr(repairing, "committed_offsets", seen)
    async with running(installation.repairer()):
        await looked.wait()
    assert len(await installation.pending()) == 1


@pytest.mark.scenario
@pytest.mark.parametrize("outcome", ["committed", "aborted"])
async def test_events_whose_transaction_has_not_ended_yet_are_waited_for(
    installation: Installation, outcome: str
) -> None:
    # A transaction ends in each topic in its own time: its marker may be seen before its events are.
    await installation.late(CLICK)
    worker = installation.transactions("slow")
    worker.begin([Out(installation.enriched, 0, None, b"{}")])
    installation.commit_all(GONE)
    assert await once(installation) == 0
    if outcome == "committed":
        worker.commit()
        assert await once(installation) == 0, "the event is not stored"
        installation.stored(0, 1)
    else:
        worker.abort()
    assert await once(installation) == 1
    await installation.assert_repaired(CLICK)


async def test_only_the_leader_repairs(installation: Installation) -> None:
    await installation.late(CLICK)
    installation.commit_all(GONE)
    store = HookedStore(installation.store)
    other = installation.repairer(store, leads=False)
    assert await other.repair_once(asyncio.Event()) == 0
    assert store.calls == []
    assert other.pending is None
    assert await once(installation) == 1


async def test_without_requests_nobody_asks_the_broker(installation: Installation) -> None:
    nowhere = installation.settings.model_copy(update={"kafka_bootstrap": f"127.0.0.1:{free_port()}"})
    idle = Repairer(nowhere, installation.store, Projects(), partitions=PARTITIONS, leads=lambda: True)
    assert await idle.repair_once(asyncio.Event()) == 0


# What is repaired.


async def test_months_of_late_events_at_once(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repairing, "MAX_WINDOWS", 7)
    moments = [HOUR - at * 8 * DAY_MS for at in range(5)]
    events = some_events(1, moments, ["shop", "shop-2"], 400)
    await store_windows(installation.store, dict.fromkeys(windows_of(events), Numbers(9, 9, 9, 9)))
    await store_events(installation.store, map(enriched, events))
    for grain in SIZES:
        await installation.ask(events, grain)
    windows = len(await installation.pending())
    installation.commit_all(HOUR + 4 * DAY_MS)
    repairer = installation.repairer(kept=120)
    assert await repairer.repair_once(asyncio.Event()) == repairer.repaired == windows
    assert await installation.pending() == set()
    assert await newest_rows(installation.store) == windows_of(events)
    assert await repairer.repair_once(asyncio.Event()) == 0


async def test_windows_whose_events_may_be_removed_already_keep_their_rows(
    installation: Installation,
) -> None:
    kept = 10
    midnight = int(time.time() * 1000) // DAY_MS * DAY_MS
    # Events of ten days are kept: of the tenth day before today the first are gone by now.
    covered, uncovered = midnight - 9 * DAY_MS, midnight - 9 * DAY_MS - 1
    events = [CLICK._replace(at=covered), CLICK._replace(at=uncovered)]
    streams = dict.fromkeys(windows_of(events, ["hour"]), Numbers(77))
    await store_windows(installation.store, streams)
    await installation.late(*events)
    installation.commit_all(midnight)
    repairer = installation.repairer(kept=kept)
    assert await repairer.repair_once(asyncio.Event()) == 2
    assert repairer.repaired == 1
    assert await installation.pending() == set()
    assert await newest_rows(installation.store) == streams | windows_of(events[:1], ["hour"])
    said = await installation.store.query(
        "SELECT toUnixTimestamp(start) AS at, outcome FROM window_repairs FINAL ORDER BY start"
    )
    assert [(row["at"] * 1000, row["outcome"]) for row in said] == [
        (uncovered // HOUR_MS * HOUR_MS, "uncovered"),
        (covered, "repaired"),
    ]


# Trouble.


async def test_an_event_that_comes_during_a_repair_is_repaired_next(installation: Installation) -> None:
    await installation.late(CLICK)
    installation.commit_all(GONE)

    async def one_more(what: str, _: Mapping[str, object]) -> None:
        if what == "command":
            await installation.late(SALE)

    assert await once(installation, HookedStore(installation.store, after=one_more)) == 1
    assert await newest_rows(installation.store) == windows_of([CLICK], ["hour"])
    assert await installation.pending() == {WindowRef("shop", "hour", HOUR)}
    assert await once(installation) == 1
    await installation.assert_repaired(CLICK, SALE)


@pytest.mark.scenario
@pytest.mark.parametrize("at", ["before command", "after command", "before insert", "after insert"])
async def test_a_repair_that_is_cut_off_is_done_again(installation: Installation, at: str) -> None:
    await installation.late(CLICK)
    await store_windows(installation.store, dict.fromkeys(windows_of([CLICK], ["hour"]), Numbers(9)))
    installation.commit_all(GONE)
    still = asyncio.Event()

    def stands_still(when: str) -> Hook:
        async def stand(what: str, _: Mapping[str, object]) -> None:
            if f"{when} {what.split()[0]}" == at:
                still.set()
                await asyncio.Event().wait()

        return stand

    store = HookedStore(installation.store, stands_still("before"), stands_still("after"))
    killed = asyncio.create_task(once(installation, store))
    await still.wait()
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    assert await once(installation) == (0 if at == "after insert" else 1)
    await installation.assert_repaired(CLICK)
    # Late ones that come afterwards count as ever.
    await installation.late(SALE)
    assert await once(installation) == 1
    await installation.assert_repaired(CLICK, SALE)


async def test_two_that_repair_at_once_do_no_harm(installation: Installation) -> None:
    # For a moment after a partition moved both may take themselves for the leader.
    await installation.late(CLICK, SALE)
    installation.commit_all(GONE)
    assert set(await asyncio.gather(once(installation), once(installation))) == {1}
    await installation.assert_repaired(CLICK, SALE)


@pytest.mark.scenario
@pytest.mark.parametrize("what", ["query", "command", "insert window_repairs"])
async def test_a_store_that_fails_is_tried_again(installation: Installation, what: str) -> None:
    await installation.late(CLICK)
    installation.commit_all(GONE)
    away = True

    async def fail(done: str, _: Mapping[str, object]) -> None:
        if away and done == what:
            raise StoreError("store_unreachable", "ClickHouse does not answer.")

    repairer = installation.repairer(HookedStore(installation.store, fail))
    async with running(repairer):
        await until(lambda: _is(repairer.failing == "ClickHouse does not answer."), "it fails")
        assert await installation.pending() == {WindowRef("shop", "hour", HOUR)}
        away = False
        await until(lambda: _is(repairer.failing is None), "it works again")
        await installation.assert_repaired(CLICK)


async def test_a_project_that_the_store_cannot_recompute_does_not_hold_up_others(
    installation: Installation,
) -> None:
    huge = CLICK._replace(project="huge")
    await installation.late(huge, CLICK)
    installation.commit_all(GONE)

    async def fail(what: str, parameters: Mapping[str, object]) -> None:
        if what == "command" and parameters["project"] == "huge":
            raise StoreError("query_failed", "The query needs more memory than the store may use.")

    with pytest.raises(StoreError, match="more memory"):
        await once(installation, HookedStore(installation.store, fail))
    assert await installation.pending() == {WindowRef("huge", "hour", HOUR)}
    assert await newest_rows(installation.store) == windows_of([CLICK], ["hour"])


async def test_what_cannot_be_recomputed_is_tried_more_and_more_rarely(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, tried, well = 0.0, [], False
    monkeypatch.setattr(repairing, "monotonic", lambda: now)
    installation.settings = installation.settings.model_copy(update={"repair_interval_s": 5.0})
    await installation.late(CLICK)
    installation.commit_all(GONE)

    async def fail(what: str, _: Mapping[str, object]) -> None:
        if what == "command" and not well:
            tried.append(now)
            raise StoreError("query_failed", "The query needs more memory than the store may use.")

    repairer = installation.repairer(HookedStore(installation.store, fail))
    for second in range(0, 2000, 10):
        now = float(second)
        with suppress(StoreError):
            await repairer.repair_once(asyncio.Event())
    assert tried == [0, 10, 30, 70, 150, 310, 630, 1230, 1830]
    now, well = 2430.0, True
    assert await repairer.repair_once(asyncio.Event()) == 1
    await installation.assert_repaired(CLICK)
    # It is as good as any other from now on.
    well = False
    await installation.late(SALE)
    for second in (2440, 2450):
        now = float(second)
        with suppress(StoreError):
            await repairer.repair_once(asyncio.Event())
    assert tried[-2:] == [2440, 2450]


async def test_what_cannot_be_recomputed_is_told_while_it_rests(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repairing, "monotonic", lambda: 0.0)
    await installation.late(CLICK._replace(project="huge"))
    installation.commit_all(GONE)

    async def fail(what: str, parameters: Mapping[str, object]) -> None:
        if what == "command" and parameters["project"] == "huge":
            raise StoreError("query_failed", "The query needs more memory than the store may use.")

    repairer = installation.repairer(HookedStore(installation.store, fail))
    async with running(repairer):
        await until(lambda: _is(repairer.failing is not None), "it fails")
        await installation.late(CLICK)
        await until(lambda: _is(repairer.repaired == 1), "others are repaired")
        await until(lambda: _is(repairer.pending == 1), "it has looked again")
        assert "more memory" in (repairer.failing or "")


async def test_a_broker_that_fails_is_tried_again(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    await installation.late(CLICK)
    installation.commit_all(GONE)
    away = True

    def reader(bootstrap: str, partitions: Sequence[tuple[str, int]]) -> Reader:
        if away:
            raise KafkaConnectionError("away")
        return Reader(bootstrap, partitions)

    monkeypatch.setattr(repairing, "Reader", reader)
    repairer = installation.repairer()
    async with running(repairer):
        await until(lambda: _is(repairer.failing is not None), "it fails")
        away = False
        await until(lambda: _is(repairer.repaired == 1), "it works again")
    assert repairer.failing is None
    await installation.assert_repaired(CLICK)


async def test_without_a_broker_the_role_goes_on(installation: Installation) -> None:
    await installation.late(CLICK)
    nowhere = installation.settings.model_copy(update={"kafka_bootstrap": f"127.0.0.1:{free_port()}"})
    repairer = Repairer(nowhere, installation.store, Projects(), partitions=PARTITIONS, leads=lambda: True)
    async with running(repairer):
        await until(lambda: _is(repairer.failing is not None), "it fails")


async def test_a_marker_that_cannot_be_read_does_not_end_the_role(installation: Installation) -> None:
    await installation.late(CLICK)
    installation.commit_all(GONE)
    installation.worker.write([Out(installation.state, 1, b"m", b"no marker")])
    repairer = installation.repairer()
    async with running(repairer):
        await until(lambda: _is(repairer.failing is not None), "it fails")
        assert len(await installation.pending()) == 1
        installation.commit(1, GONE)
        await until(lambda: _is(repairer.repaired == 1), "it works again")
    await installation.assert_repaired(CLICK)


async def _is(what: bool) -> bool:
    return what
