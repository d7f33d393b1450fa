"""Transactions that the broker has ended without telling all partitions.

A broker that comes back from a crash ends the transactions that it finds under way. Where it knows no leader
of a partition yet, it takes that for deleted and skips its marker ("Couldn't find leader endpoint ... likely
deleted already", Kafka's TransactionMarkerChannelManager; seen on 4.3.1). The records there stay open, nobody
reads them, and the next commit of the same ``transactional.id`` would commit them too. So whoever opens a
partition looks first, and ends what is open as the broker has ended the rest.

Which way that was, the numbers in the records tell. Each transaction takes the number on the state topic on
(the marker's position, the merge's revision), and its records lie within: an event that came from below the
committed position belongs to a transaction that was committed; one at or above it does not, unless the
position itself is what is open, and then events there that can be read say that it was committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from time import monotonic
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from loopin_schemas.topics import (
    ALERTS,
    ANOMALIES,
    ENRICH_STATE,
    ENRICHED,
    EXAMPLES,
    IDENTITY_LINKS,
    MERGE_STATE,
    PROFILES,
    RAW,
    SEEN,
    WINDOWS,
)
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.outbox import Outbox
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.record_numbers import Number, marker_position, numbers_of
from loopin_streams.kafka.settings import KafkaSettings

log = structlog.get_logger(__name__)

Place = tuple[str, int]
"""Full name of a topic, and a partition."""

SETTLES_S = 2.0
"""How long the end of a transaction may take to reach all replicas; what is open for longer is stuck."""

POLL_S = 0.1

TAIL: Final = 256
"""Offsets read back first for the last number: the last few hold one, unless others write there, too."""

SHARED: Final = {
    ENRICH_STATE.name: (WINDOWS, RAW, IDENTITY_LINKS, ANOMALIES, EXAMPLES),
    MERGE_STATE.name: (ALERTS,),
}
"""By state topic, those of which a job's transactions may write any partition.

Who commits there a second time does no harm: windows are absolute, what was moved on ``events.raw`` is a
duplicate, who asks twice to be one person with another is so already, of an anomaly that is told twice
one row counts, and an outcome that is told twice is one more example.
"""

TOGETHER: Final = (ENRICHED.name, SEEN.name, PROFILES.name)
"""A transaction writes all of these or none."""


class Fate(Enum):
    """How the broker has ended a transaction."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Transactions:
    """Where those of one input partition of a job write.

    To ``own``, which includes ``state``, no other transactions write; to ``shared`` those of other partitions
    do. ``numbers`` says by topic what the records tell; ``together`` are :data:`TOGETHER`, as far as they are
    its own.
    """

    state: Place
    own: tuple[Place, ...]
    shared: tuple[Place, ...]
    numbers: Mapping[str, Number]
    together: tuple[Place, ...]

    @property
    def every(self) -> list[Place]:
        """All there are."""
        return [*self.own, *self.shared]

    @classmethod
    def only(cls, place: Place) -> Transactions:
        """Those of one writer that writes nowhere else."""
        return cls(place, (place,), (), {}, ())

    @classmethod
    def of(
        cls, settings: KafkaSettings, state: str, topics: Iterable[str], partition: int, partitions: int
    ) -> Transactions:
        """Those of a job with this state topic and these other topics of its own, without prefix."""
        names = sorted({state, *topics})
        # Every job's marker says its position; the merge's, which also works without input, has more to say.
        numbers = {state: marker_position, **numbers_of(settings, partition)}
        shared = [
            (settings.topic(topic.name), number)
            for topic in SHARED.get(state, ())
            for number in range(1 if topic.partitions == "one" else partitions)
        ]
        return cls(
            (settings.topic(state), partition),
            tuple((settings.topic(name), partition) for name in names),
            tuple(shared),
            {settings.topic(name): number for name, number in numbers.items()},
            tuple((settings.topic(name), partition) for name in TOGETHER if name in names),
        )


async def left_open(bootstrap: str, places: Transactions) -> dict[Place, int]:
    """Where records lie that no transaction has committed or aborted, and still do after ``SETTLES_S``.

    Gives the offset of the first one. In a shared partition transactions come and go; there it counts that
    the first one stays the same. It may be another partition's, or not be stuck but long.
    """
    every = places.every
    async with (
        _ends(bootstrap, every, "read_committed") as settled,
        _ends(bootstrap, every, "read_uncommitted") as written,
    ):
        first: dict[Place, int] | None = None
        deadline = monotonic() + SETTLES_S
        while True:
            ends = await settled()
            found = {place: ends[place] for place, end in (await written()).items() if end > ends[place]}
            if first is None:
                first = found
            stuck = {
                place: at for place, at in found.items() if place in places.own or first.get(place) == at
            }
            if not stuck or monotonic() > deadline:
                return stuck
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def _ends(
    bootstrap: str, places: Sequence[Place], isolation: str
) -> AsyncGenerator[Callable[[], Awaitable[dict[Place, int]]], None]:
    """Asks for the ends of the places; unlike a :class:`Reader` it fetches nothing from there."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level=isolation, enable_auto_commit=False
    )
    partitions = [TopicPartition(*place) for place in places]

    async def ends() -> dict[Place, int]:
        found = await consumer.end_offsets(partitions)
        return {(at.topic, at.partition): int(end) for at, end in found.items()}

    try:
        await consumer.start()
        consumer.assign(partitions)
        consumer.pause(*partitions)
        yield ends
    finally:
        await consumer.stop()


async def settle(bootstrap: str, outbox: Outbox, places: Transactions, *, rebuild: str | None) -> None:
    """End what ``outbox``'s earlier transactions have left open, as they were ended elsewhere.

    Where nobody can tell how that was, ``rebuild`` is the command that makes it good; None aborts it then,
    for a rebuild, which makes anew what does not tell (profiles, seen uuids).

    Raises:
        RefusedToOpen: ``transaction_left_open``: nobody can tell.
    """
    stuck = await left_open(bootstrap, places)
    if not stuck:
        return
    asked = list({*places.own, *stuck})
    async with Reader(bootstrap, asked) as settled, Reader(bootstrap, asked, committed=False) as written:
        found = await _without_others(written, places, stuck)
        if not found:
            return
        try:
            fate = await _fate(settled, written, places, found)
        except (ValueError, RecursionError):
            # A state that cannot be read.
            fate = Fate.UNKNOWN
    if fate is Fate.UNKNOWN and rebuild is not None:
        raise RefusedToOpen(
            "transaction_left_open",
            f"The broker has ended a transaction but not in {_named(found)}, so nobody can tell whether its "
            f"records count: stop the workers and run `{rebuild}`.",
        )
    log.warning("transaction_left_open", partitions=_named(found), fate=fate.value)
    if fate is Fate.COMMITTED:
        await outbox.commit_in(found)
    else:
        await outbox.abort_in(found)


async def _without_others(
    written: Reader, places: Transactions, stuck: Mapping[Place, int]
) -> dict[Place, int]:
    """Leaves out the partitions of ``windows`` in which no record of this partition is in question."""
    found: dict[Place, int] = {}
    for place, start in stuck.items():
        number = places.numbers.get(place[0])
        others = place in places.shared and number is not None
        if not others or await _first_number(written, place, start, number) is not None:
            found[place] = start
    return found


async def _fate(settled: Reader, written: Reader, places: Transactions, found: Mapping[Place, int]) -> Fate:
    """How the transaction was ended to which the open records belong; ``found`` says where they begin."""
    before = await _last_number(settled, places, places.state) or 0
    if places.state in found:
        return await _fate_of_open_state(settled, written, places, found, before)
    for place, start in found.items():
        # In a shared partition only the very first record is open for certain.
        only_first = place in places.shared
        number = await _first_number(
            written, place, start, places.numbers.get(place[0]), only_first=only_first
        )
        if number is not None:
            return Fate.COMMITTED if number <= before else Fate.ABORTED
    return Fate.UNKNOWN if any(place in places.own for place in found) else Fate.COMMITTED


async def _fate_of_open_state(
    settled: Reader, written: Reader, places: Transactions, found: Mapping[Place, int], before: int
) -> Fate:
    number = places.numbers[places.state[0]]
    after = await _first_number(written, places.state, found[places.state], number) or before
    for place in places.own:
        if place not in found and place[0] in places.numbers:
            last = await _last_number(settled, places, place)
            if last is not None and before < last <= after:
                return Fate.COMMITTED
    # If the events are open, those beside them that are not may have been committed or aborted; if they are
    # not open, they can be read, or were aborted.
    events = places.together[:1]
    torn = any(place in found for place in events) and any(place not in found for place in places.together)
    return Fate.UNKNOWN if torn else Fate.ABORTED


async def _first_number(
    written: Reader, place: Place, start: int, number: Number | None, *, only_first: bool = False
) -> int | None:
    """What the first record from ``start`` on says that says something."""
    if number is None:
        return None
    blocks = written.blocks(*place, start=start)
    async with aclosing(blocks):
        async for block in blocks:
            for record in block:
                found = number(record)
                if found is not None or only_first:
                    return found
    return None


async def _last_number(settled: Reader, places: Transactions, place: Place) -> int | None:
    """What the last committed record says that says something."""
    number = places.numbers[place[0]]
    span = await settled.log(*place)
    tail = TAIL
    while True:
        start = max(span.start, span.end - tail)
        found: int | None = None
        async for block in settled.blocks(*place, start=start, end=span.end):
            for record in block:
                said = number(record)
                found = found if said is None else said
        if found is not None or start == span.start:
            return found
        tail *= 16


def _named(places: Collection[Place]) -> str:
    return ", ".join(f"{topic}-{partition}" for topic, partition in sorted(places))
