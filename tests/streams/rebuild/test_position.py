"""Where log and store meet, on models of both: no record counts twice, and none is passed over."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from loopin_streams.enrich.draft import Origin
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.marker import Marker
from loopin_streams.kafka.reader import Log, Reader
from loopin_streams.rebuild.position import Position, find_position
from loopin_streams.rebuild.truth import Place, Truth
from tests.streams.exactly_once import event

TOPIC_ID, OTHER_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430c9"
START_MS = 1_800_000_000_000


@dataclass
class Stored:
    offset: int
    timestamp: int
    value: bytes | None
    key: bytes | None = None


@dataclass
class FakeLog(Reader):
    """One raw partition."""

    records: list[Stored]
    start: int = 0
    lost_end: int = 0

    async def log(self, topic: str, partition: int) -> Log:
        end = self.records[-1].offset + 1 if self.records else self.lost_end
        return Log(min(self.start, end), end)

    async def blocks(
        self, topic: str, partition: int, *, start: int | None = None, end: int | None = None
    ) -> AsyncGenerator[Sequence[Record], None]:
        first = max(start or 0, self.start)
        yield [r for r in self.records if first <= r.offset and (end is None or r.offset < end)]


@dataclass
class FakeTruth(Truth):
    """The stored events of one raw partition."""

    places: list[Place] = field(default_factory=list)

    async def latest(self, partition: int) -> Place | None:
        return max(self.places, key=lambda p: (p.received_at, p.offset), default=None)

    async def before(self, partition: int, offset: int, *, since: int = 0) -> Place | None:
        found = [p for p in self.places if p.offset < offset and p.received_at >= since]
        return max(found, key=lambda p: (p.offset, p.received_at), default=None)


@dataclass
class World:
    """A raw partition through its fates, and what has been absorbed of it; ``missed`` expired before.

    Of three records in a row one passes, one is dropped and one dies.
    """

    now: int = START_MS
    topic_id: str = TOPIC_ID
    records: list[Stored] = field(default_factory=list)
    next_offset: int = 0
    start: int = 0
    position: int = 0
    letters_end: int = 0
    missed: int = 0
    truth: FakeTruth = field(default_factory=FakeTruth)

    def append(self, number: int, gaps: bool = False) -> None:
        for _ in range(number):
            self.now += 7
            self.records.append(Stored(self.next_offset, self.now, event(uuid=str(uuid.uuid4()))))
            # A transaction's marker takes an offset, too.
            self.next_offset += 2 if gaps else 1

    def absorb(self, number: int) -> None:
        waiting = [r for r in self.records if r.offset >= max(self.position, self.start)]
        for record in waiting[:number]:
            fate = record.offset % 3
            if fate == 0:
                self.truth.places.append(Place(record.offset, _uuid(record), record.timestamp))
            elif fate == 1:
                self.letters_end = record.offset + 1
            self.position = record.offset + 1

    def recreate(self) -> None:
        self.topic_id = OTHER_ID if self.topic_id == TOPIC_ID else TOPIC_ID
        self.records, self.next_offset, self.start, self.position, self.letters_end = [], 0, 0, 0, 0
        self.missed = 0

    def expire(self, before: int) -> None:
        start = max(self.start, min(before, self.next_offset))
        self.missed += max(0, start - max(self.position, self.start))
        self.start = start
        self.records = [record for record in self.records if record.offset >= self.start]

    async def find(self, marker: Marker | None) -> Position:
        log = FakeLog(self.records, self.start, self.next_offset)
        origin = Origin("t.events.raw", self.topic_id, 0)
        return await find_position(log, self.truth, origin, marker=marker, letters_end=self.letters_end)

    def marker(self) -> Marker:
        return Marker(topic_id=self.topic_id, position=self.position)


def _uuid(record: Stored) -> str:
    value = record.value or b""
    at = value.index(b'"uuid": "') + 9
    return value[at : at + 36].decode()


async def test_with_its_marker_it_goes_on_exactly_there() -> None:
    world = World()
    world.append(20)
    world.absorb(11)
    assert await world.find(world.marker()) == Position(11, 0, START_MS + 7, START_MS + 12 * 7)


async def test_without_a_marker_it_goes_on_after_the_last_outcome() -> None:
    world = World()
    world.append(20)
    world.absorb(12)
    # Offset 11 was dropped: it is read again, and dropped again.
    assert (await world.find(None)).offset == 11


async def test_when_all_is_absorbed_nothing_waits() -> None:
    world = World()
    world.append(10)
    world.absorb(10)
    assert (await world.find(world.marker())).waiting is None


async def test_an_empty_log_begins_at_its_start() -> None:
    assert await World().find(None) == Position(0, 0, None, None)


async def test_a_topic_created_anew_is_read_from_its_start() -> None:
    world = World()
    world.append(50)
    world.absorb(50)
    old = world.marker()
    world.recreate()
    world.append(80)
    assert (await world.find(old)).offset == 0
    assert (await world.find(None)).offset == 0
    world.absorb(10)
    assert (await world.find(world.marker())).offset == 10
    assert (await world.find(None)).offset == 10


async def test_events_of_an_earlier_topic_with_greater_offsets_mislead_nobody() -> None:
    world = World()
    world.append(60)
    world.absorb(60)
    world.recreate()
    world.append(80)
    world.absorb(2)
    # The first has passed, the second is a dead letter.
    assert (await world.find(None)).offset == 2
    world.absorb(1)
    # The third was dropped, which only the marker tells.
    assert (await world.find(world.marker())).offset == 3


async def test_what_was_removed_before_it_was_absorbed_is_counted() -> None:
    world = World()
    world.append(30)
    world.absorb(10)
    world.expire(25)
    found = await world.find(world.marker())
    assert (found.offset, found.lost) == (25, 15)
    found = await world.find(None)
    assert (found.offset, found.lost) == (25, 15)


async def test_retention_that_removes_what_was_absorbed_loses_nothing() -> None:
    world = World()
    world.append(30)
    world.absorb(28)
    world.expire(25)
    assert await world.find(world.marker()) == Position(28, 0, START_MS + 26 * 7, START_MS + 29 * 7)


async def test_a_log_that_lost_its_end_goes_on_at_the_new_end() -> None:
    world = World()
    world.append(30)
    world.absorb(30)
    marker = world.marker()
    del world.records[20:]
    world.next_offset = 20
    found = await world.find(marker)
    assert (found.offset, found.lost) == (20, 0)


async def test_a_log_that_lost_its_end_and_grew_again_goes_on_where_it_parts() -> None:
    world = World()
    world.append(60)
    world.absorb(60)
    marker = world.marker()
    del world.records[31:]
    world.next_offset = 31
    world.append(100)
    assert (await world.find(marker)).offset == 31
    assert (await world.find(None)).offset == 31


actions = st.lists(
    st.tuples(st.sampled_from(["append", "absorb", "recreate", "expire"]), st.integers(1, 40)), max_size=12
)


@settings(max_examples=150, deadline=None)
@given(actions, st.booleans(), st.booleans())
async def test_no_record_counts_twice_and_none_is_passed_over(
    fates: list[tuple[str, int]], gaps: bool, with_marker: bool
) -> None:
    world = World()
    for action, number in fates:
        if action == "append":
            world.append(number, gaps)
        elif action == "absorb":
            world.absorb(number)
        elif action == "recreate":
            world.recreate()
        else:
            world.expire(world.start + number)
    found = await world.find(world.marker() if with_marker else None)
    kept = [record for record in world.records if record.offset >= world.start]
    for record in kept:
        if record.offset >= max(world.position, world.start):
            assert record.offset >= found.offset, "a record is passed over"
        elif record.offset % 3 != 2 and record.offset >= found.offset:
            raise AssertionError("a record that has had its outcome is read again")
    if with_marker:
        assert found.lost == max(0, world.start - world.position)
    elif world.position >= world.start:
        assert found.lost <= 2, "only trailing drops may look like a loss"
    else:
        assert found.lost > 0
