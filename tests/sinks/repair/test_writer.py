"""The sink asks for repairs once late events are stored, whatever fails in between."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from loopin_schemas.codec import encode
from loopin_schemas.window import Grain
from loopin_sinks.repair.requests import pending_repairs
from loopin_sinks.store import Store, StoreError
from loopin_sinks.window_rows import WindowRef
from loopin_sinks.writer import RangeWriter
from tests.sinks.asking import still_owner
from tests.sinks.repair.hooked_store import Hook, HookedStore
from tests.sinks.repair.plain import DAY_MS, HOUR_MS, Happened, quiet_day
from tests.sinks.repair.stored import KEPT_DAYS, TOPIC_ID, enriched

DAY = quiet_day()
LATE: tuple[tuple[int, Grain | None], ...] = (
    (DAY, "day"),
    (DAY + HOUR_MS, "hour"),
    (DAY - 40 * DAY_MS, "day"),
    (DAY + 2 * HOUR_MS, "minute"),
    (DAY + 3 * HOUR_MS, None),
)
ASKED = {
    *(WindowRef("shop", "minute", at) for at, late in LATE if late),
    *(WindowRef("shop", "hour", at) for at, late in LATE if late in ("hour", "day")),
    *(WindowRef("shop", "day", at) for at, late in LATE if late == "day"),
}


@dataclass
class Record:
    """A record of events.enriched."""

    value: bytes
    offset: int
    timestamp: int = DAY
    key: bytes | None = None


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopin_sinks.writer.RETRY_S", (0.01,))


def writer(store: Store) -> RangeWriter:
    return RangeWriter(
        store,
        topic="events.enriched",
        topic_id=TOPIC_ID,
        dlq="events.dlq",
        bootstrap="127.0.0.1:1",
        retention=lambda _: KEPT_DAYS,
        confirm=still_owner,
        interrupted=asyncio.Event(),
    )


def failing(store: Store, faults: list[tuple[str, str]]) -> HookedStore:
    """The store whose calls fail as the list says, in its order, ``before`` or ``after`` their effect."""

    def at(when: str) -> Hook:
        async def fail(what: str, _: Mapping[str, object]) -> None:
            if faults and faults[0] == (what, when):
                del faults[0]
                raise StoreError("store_unreachable", "ClickHouse does not answer.")

        return fail

    return HookedStore(store, at("before"), at("after"))


def records() -> list[Record]:
    events = [enriched(Happened("shop", "click", "u1", at), late=late) for at, late in LATE]
    return [Record(encode(event), offset) for offset, event in enumerate(events)]


async def assert_stored_and_asked_for(store: Store, range_: Sequence[Record]) -> None:
    rows = await store.query("SELECT _offset FROM events ORDER BY _offset")
    assert [row["_offset"] for row in rows] == [record.offset for record in range_]
    assert {request.window for request in await pending_repairs(store)} == ASKED


async def test_repairs_are_asked_for_after_the_events_of_every_month(embedded_tables: Store) -> None:
    store, range_ = HookedStore(embedded_tables), records()
    await writer(store).store(0, 0, len(range_), range_)
    assert store.calls == ["insert events", "insert events", "query", "insert window_repairs"]
    await assert_stored_and_asked_for(embedded_tables, range_)


async def test_events_in_time_ask_for_nothing(embedded_tables: Store) -> None:
    store = HookedStore(embedded_tables)
    await writer(store).store(0, 0, 5, records()[4:])
    assert store.calls == ["insert events"]
    assert await pending_repairs(embedded_tables) == []


@pytest.mark.parametrize(
    "faults",
    [
        ["before insert events"],
        ["after insert events"],
        ["before query"],
        ["before insert window_repairs"],
        ["after insert window_repairs"],
        [
            "after insert events",
            "before query",
            "before insert window_repairs",
            "after insert window_repairs",
        ],
    ],
)
async def test_a_store_that_fails_in_between_is_asked_again(
    embedded_tables: Store, faults: list[str]
) -> None:
    left = [(fault.partition(" ")[2], fault.partition(" ")[0]) for fault in faults]
    store, range_ = failing(embedded_tables, left), records()
    writing = writer(store)
    await writing.store(0, 0, len(range_), range_)
    assert left == []
    # One for each month.
    assert store.calls.count("insert events") == 2
    assert store.calls[-1] == "insert window_repairs"
    assert writing.failing is None
    assert writing.stored_rows == len(range_)
    await assert_stored_and_asked_for(embedded_tables, range_)


@pytest.mark.parametrize("stored", [0, 2, 5])
async def test_a_doubtful_range_asks_for_all_its_windows_whatever_is_stored_of_it(
    embedded_tables: Store, stored: int
) -> None:
    range_ = records()
    # A former owner came so far, and was cut off before it asked for anything.
    cut_off = asyncio.Event()

    async def stand_still(what: str, _: Mapping[str, object]) -> None:
        if what == "query":
            cut_off.set()
            await asyncio.Event().wait()

    former = asyncio.create_task(
        writer(HookedStore(embedded_tables, stand_still)).store(0, 0, stored, range_[:stored])
    )
    if stored:
        await cut_off.wait()
    former.cancel()
    await asyncio.gather(former, return_exceptions=True)
    assert await pending_repairs(embedded_tables) == []

    await writer(embedded_tables).store(0, 0, len(range_), range_, doubtful=True)

    await assert_stored_and_asked_for(embedded_tables, range_)
