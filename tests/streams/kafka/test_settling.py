"""What a crashed broker has left open: a transaction that ended without a word to some of its partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from loopin_streams.enrich.job import EnrichJob
from loopin_streams.kafka import settling
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.job import Message
from loopin_streams.kafka.outbox import Outbox
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.record_numbers import REVISION_KEY
from loopin_streams.kafka.settling import Transactions, left_open, settle
from loopin_streams.merge.absorber import PROGRESS_KEY
from loopin_streams.merge.job import MergeJob
from tests.streams.installation import Installation
from tests.streams.kafka.crashed import leave_open

REBUILD = "loopin state rebuild"

pytestmark = pytest.mark.usefixtures("trusting", "soon")

Records = Mapping[tuple[str, int], Sequence[Message]]
"""By topic without prefix, and partition."""


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is open for half a second is stuck."""
    monkeypatch.setattr(settling, "SETTLES_S", 0.5)


@dataclass
class Crash:
    """A job's partition 0, whose last transaction was ended in part."""

    installation: Installation
    job: type[EnrichJob | MergeJob]

    @property
    def bootstrap(self) -> str:
        return self.installation.settings.kafka_bootstrap

    @property
    def places(self) -> Transactions:
        job = self.job
        names = (*job.history, *job.outputs)
        return Transactions.of(self.installation.settings, job.state_topic, names, 0, 2)

    def id_of(self, partition: int) -> str:
        return f"{self.installation.settings.topic_prefix}{self.job.name}-{partition}"

    async def committed(self, records: Records) -> None:
        outbox = Outbox(self.bootstrap, self.id_of(0))
        await outbox.start()
        await outbox.commit([(*place, list(messages)) for place, messages in self._full(records).items()])
        await outbox.stop()

    async def left_open(self, records: Records, *, of: int = 0) -> None:
        await leave_open(self.bootstrap, self.id_of(of), self._full(records))

    async def settle(self, *, rebuild: str | None = REBUILD) -> None:
        """As whoever opens the partition next does, and then commits nothing."""
        outbox = Outbox(self.bootstrap, self.id_of(0))
        await outbox.start()
        try:
            await settle(self.bootstrap, outbox, self.places, rebuild=rebuild)
        finally:
            await outbox.stop()

    async def open_now(self) -> set[str]:
        """Topics on which something is open, without prefix."""
        prefix = self.installation.settings.topic_prefix
        return {topic.removeprefix(prefix) for topic, _ in await left_open(self.bootstrap, self.places)}

    async def read(self, topic: str, partition: int = 0) -> list[bytes | None]:
        full = self.installation.settings.topic(topic)
        async with Reader(self.bootstrap, [(full, partition)]) as reader:
            return [record.value for record in await reader.read(full, partition)]

    def _full(self, records: Records) -> dict[tuple[str, int], Sequence[Message]]:
        topic = self.installation.settings.topic
        return {(topic(name), partition): messages for (name, partition), messages in records.items()}


# The enrichment: the transaction before has absorbed all below 5, the last one all below 9.


def marker(position: int) -> Message:
    return b"m", b'{"topic_id":"t","position":%d}' % position


def event(offset: int) -> Message:
    return b"demo:u", b'{"_raw_offset":%d,"_raw_partition":0}' % offset


def partials(partition: int, position: int) -> Message:
    return b"%d" % partition, b'{"partition":%d,"position":%d}' % (partition, position)


STATE, EVENTS, SEEN, PROFILES = (
    (name, 0) for name in ("enrich.state", "events.enriched", "seen", "profiles")
)
LETTERS, WINDOWS = ("events.dlq", 0), ("windows", 1)

BEFORE: Records = {
    STATE: [marker(5)],
    EVENTS: [event(3)],
    SEEN: [(None, b"before")],
    PROFILES: [(b"demo:u", b"before")],
}
LAST: Records = {
    STATE: [marker(9)],
    EVENTS: [event(6), event(7)],
    SEEN: [(None, b"last")],
    PROFILES: [(b"demo:u", b"last")],
    WINDOWS: [partials(0, 9)],
}


def some(*places: tuple[str, int], of: Records = LAST) -> Records:
    return {place: messages for place, messages in of.items() if place in places}


@pytest.fixture
async def enrich(installation: Installation) -> Crash:
    crash = Crash(installation, EnrichJob)
    await crash.committed(BEFORE)
    return crash


def letter(crash: Crash, offset: int) -> Message:
    return None, b'{"topic":"%s","partition":0,"offset":%d}' % (
        crash.installation.settings.topic("events.raw").encode(),
        offset,
    )


async def counts(crash: Crash) -> bool:
    """Whether the last transaction's records count: all of them or none."""
    found = {
        name: len(await crash.read(name, partition)) - len(BEFORE.get((name, partition), ()))
        for name, partition in LAST
    }
    everything = {name: len(messages) for (name, _), messages in LAST.items()}
    assert found in (everything, dict.fromkeys(everything, 0))
    return found == everything


async def test_the_next_commit_would_make_it_count(enrich: Crash) -> None:
    await enrich.left_open(some(EVENTS))
    await enrich.committed({EVENTS: [event(8)]})
    assert await enrich.read("events.enriched") == [event(at)[1] for at in (3, 6, 7, 8)]


async def test_what_is_open_everywhere_is_aborted(enrich: Crash) -> None:
    assert await enrich.open_now() == set()
    await enrich.left_open(LAST)
    assert await enrich.open_now() == {name for name, _ in LAST}
    await enrich.settle()
    assert await enrich.open_now() == set()
    assert not await counts(enrich)


@pytest.mark.parametrize(
    "left",
    [
        *((EVENTS, SEEN), (EVENTS,), (WINDOWS,), (SEEN, PROFILES, WINDOWS)),
        # The position itself; the events can be read.
        *((STATE,), (STATE, SEEN, PROFILES, WINDOWS)),
    ],
)
async def test_what_has_been_committed_elsewhere_is_committed(
    enrich: Crash, left: tuple[tuple[str, int], ...]
) -> None:
    await enrich.committed({place: messages for place, messages in LAST.items() if place not in left})
    await enrich.left_open(some(*left))
    await enrich.settle()
    assert await enrich.open_now() == set()
    assert await counts(enrich)


@pytest.mark.parametrize("left", [(EVENTS, SEEN, PROFILES), (WINDOWS,)])
async def test_what_the_position_does_not_include_is_aborted(
    enrich: Crash, left: tuple[tuple[str, int], ...]
) -> None:
    await enrich.left_open(some(*left))
    await enrich.settle()
    assert await enrich.open_now() == set()
    assert not await counts(enrich)


async def test_an_open_position_is_committed_if_its_dead_letters_can_be_read(enrich: Crash) -> None:
    # A sink's letter lies behind, and one that nobody can read.
    others: list[Message] = [(None, b'{"topic":"events.enriched","partition":0,"offset":77}'), (None, b"?")]
    await enrich.committed({LETTERS: [letter(enrich, 5), *others]})
    await enrich.left_open(LAST)
    await enrich.settle()
    assert await counts(enrich)


async def test_events_that_are_gone_were_aborted_and_so_is_the_position(enrich: Crash) -> None:
    await enrich.left_open({**some(STATE, SEEN), LETTERS: [letter(enrich, 5)]})
    await enrich.settle()
    assert await enrich.read("enrich.state") == [marker(5)[1]]
    assert await enrich.read("events.dlq") == []


@pytest.mark.parametrize("left", [(STATE, EVENTS), (SEEN,), (PROFILES,)])
async def test_what_does_not_tell_is_left_to_a_rebuild(
    enrich: Crash, left: tuple[tuple[str, int], ...]
) -> None:
    await enrich.left_open(some(*left))
    with pytest.raises(RefusedToOpen, match=f"{left[-1][0]}-0, so .* run `{REBUILD}`") as refusal:
        await enrich.settle()
    assert refusal.value.code == "transaction_left_open"
    assert await enrich.open_now() == {name for name, _ in left}
    await enrich.settle(rebuild=None)
    assert await enrich.open_now() == set()
    assert not await counts(enrich)


async def test_a_state_that_cannot_be_read_does_not_tell(enrich: Crash) -> None:
    await enrich.committed({STATE: [(b"m", b"\xff")]})
    await enrich.left_open(some(EVENTS))
    with pytest.raises(RefusedToOpen):
        await enrich.settle()


async def test_windows_of_other_partitions_are_theirs(enrich: Crash) -> None:
    await enrich.left_open({WINDOWS: [partials(1, 3)]}, of=1)
    await enrich.settle()
    assert await enrich.open_now() == {"windows"}
    # Behind what holds the readers up, one's own is ended all the same.
    await enrich.committed(some(*BEFORE))
    await enrich.left_open(some(WINDOWS))
    await enrich.settle()
    other = Outbox(enrich.bootstrap, enrich.id_of(1))
    await other.start()
    await other.abort_in([(enrich.installation.settings.topic("windows"), 1)])
    await other.stop()
    assert await enrich.open_now() == set()
    assert await counts(enrich)


async def test_a_record_that_was_moved_holds_nobody_up(enrich: Crash) -> None:
    """Where it was moved once more it is a duplicate."""
    await enrich.left_open({("events.raw", 1): [(b"demo:u", b"moved")]})
    await enrich.settle()
    assert await enrich.read("events.raw", 1) == [b"moved"]


# The merge: the transaction before has published the revision 50, the last one 90.


def progress(revision: int) -> Message:
    return PROGRESS_KEY, b'{"revision":%d}' % revision


def sums(revision: int) -> Message:
    return b"demo:clicks", b'{"revision":%d}' % revision


MERGED, METRICS, ALERTS = ("merge.state", 0), ("metrics", 0), ("alerts", 0)
LAST_SUMS: Records = {MERGED: [progress(90)], METRICS: [sums(90)], ALERTS: [(b"a", b"alert")]}


@pytest.fixture
async def merge(installation: Installation) -> Crash:
    crash = Crash(installation, MergeJob)
    await crash.committed({MERGED: [progress(50)], METRICS: [sums(50)]})
    return crash


@pytest.mark.parametrize(
    ("done", "left", "published"),
    [
        ([], [MERGED, METRICS, ALERTS], False),
        ([], [METRICS, ALERTS], False),
        ([MERGED], [METRICS, ALERTS], True),
        ([METRICS], [MERGED, ALERTS], True),
        ([MERGED, METRICS], [ALERTS], True),
    ],
)
async def test_sums_count_with_their_revision(
    merge: Crash, done: list[tuple[str, int]], left: list[tuple[str, int]], published: bool
) -> None:
    if done:
        await merge.committed(some(*done, of=LAST_SUMS))
    await merge.left_open(some(*left, of=LAST_SUMS))
    await merge.settle()
    assert await merge.open_now() == set()
    assert (sums(90)[1] in await merge.read("metrics")) is published
    assert (progress(90)[1] in await merge.read("merge.state")) is published
    assert (b"alert" in await merge.read("alerts")) is published


def test_the_merge_keeps_its_revision_where_it_is_looked_for() -> None:
    assert PROGRESS_KEY == REVISION_KEY
