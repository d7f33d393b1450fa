"""Dead letters back to ``events.raw``, and those of a sink to ``events.enriched``, each of them once.

One transactional producer republishes the events and notes on ``dlq.replayed``, in the same transactions,
which letters they came from. Starting it fences an earlier run and settles what that left open; what is noted
by then is skipped. So a run that was killed, a second one, and two at once neither lose nor double an event.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from time import time

from msgspec.structs import replace

from loopin_schemas.codec import encode
from loopin_schemas.dead_letter import DeadLetter, fingerprint
from loopin_schemas.errors import InvalidEvent
from loopin_schemas.topics import DLQ, RAW, REPLAYED
from loopin_streams.dead_letters.known import Known, read_replayed
from loopin_streams.dead_letters.letters import Found, LetterId, Selection, read_letters
from loopin_streams.dead_letters.repair import (
    FixFailed,
    Left,
    Ready,
    Repair,
    as_it_is,
    first_origin,
    prepare,
)
from loopin_streams.enrich.steps.partition import partition_of
from loopin_streams.kafka.job import Message
from loopin_streams.kafka.outbox import Outbox, Probe, no_probe
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicInfo

MAX_LETTERS = 500
"""Most letters replayed in one transaction."""

MAX_BYTES = 4 << 20
"""And about how many bytes of their bodies."""

TRANSACTIONAL_ID = "dlq-replay"
"""After the topic prefix; one for all replays of an installation."""

Watch = Callable[[Found, Ready | Left], None]
"""Told what became of a letter, or would have; of a replayed one once that is committed."""


@dataclass
class Summary:
    """Letters replayed, skipped because they had been, and left, by kind and reason.

    ``repeated`` had the uuid of an event that was replayed from another letter: a client's duplicates.
    """

    replayed: int = 0
    already: int = 0
    repeated: int = 0
    left: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass
class Replay:
    """One run over the letters of a selection.

    Args:
        settings: the broker and the topic prefix.
        topics: what there is on it (``TopicAdmin.describe``), ``events.raw`` and ``dlq.replayed`` included.
        selection, limit: which letters, and at most how many of those that were not replayed yet.
        repair, fix: what makes events of them, and its name.
        force: publish events, too, that will be dead-lettered again.
        watch, unreadable: see :data:`Watch` and :func:`read_letters`.
        probe: see :class:`Outbox`.
    """

    settings: KafkaSettings
    topics: Mapping[str, TopicInfo]
    selection: Selection = Selection()
    limit: int | None = None
    repair: Repair = as_it_is
    fix: str = ""
    force: bool = False
    watch: Watch = lambda found, outcome: None
    unreadable: Callable[[LetterId], None] = lambda at: None
    probe: Probe = no_probe
    summary: Summary = field(default_factory=Summary)
    _known: Known = field(default_factory=Known)

    async def run(self) -> None:
        """Publish; what was committed stays, however the run ends.

        Raises:
            Fenced: another replay was started.
            KafkaError: the broker refused or did not answer; another run goes on from there.
        """
        settings = self.settings
        outbox = Outbox(
            settings.kafka_bootstrap, f"{settings.topic_prefix}{TRANSACTIONAL_ID}", probe=self.probe
        )
        try:
            await outbox.start()
            await self._learn()
            async with aclosing(self._chunks()) as chunks:
                async for chunk in chunks:
                    batch = await self._batch(chunk)
                    if batch.replayed:
                        await outbox.commit(batch.messages(settings, self.topics[RAW.name].partitions))
                    self._count(batch)
        finally:
            await outbox.abort()
            await outbox.stop()

    async def preview(self) -> None:
        """Do all but publish."""
        await self._learn()
        async with aclosing(self._chunks()) as chunks:
            async for chunk in chunks:
                self._count(await self._batch(chunk))

    async def pending(self) -> list[Found]:
        """The letters that a run would try, with their whole bodies; the others are counted."""
        await self._learn()
        return [found async for found in self._letters()]

    async def _learn(self) -> None:
        async for replayed in read_replayed(self.settings):
            self._known.add(replayed)

    async def _chunks(self) -> AsyncGenerator[list[Found], None]:
        chunk: list[Found] = []
        size = 0
        async with aclosing(self._letters()) as letters:
            async for found in letters:
                chunk.append(found)
                size += len(found.letter.body)
                if len(chunk) >= MAX_LETTERS or size >= MAX_BYTES:
                    yield chunk
                    chunk, size = [], 0
        if chunk:
            yield chunk

    async def _letters(self) -> AsyncGenerator[Found, None]:
        tried = 0
        now = _now_ms()
        async with aclosing(read_letters(self.settings, self.selection, self.unreadable)) as letters:
            async for found in letters:
                if found.letter.place in self._known:
                    self.summary.already += 1
                    continue
                if tried == self.limit:
                    return
                tried += 1
                whole = await self._whole(found, now)
                if isinstance(whole, Left):
                    self._leave(found, whole)
                else:
                    yield found._replace(letter=whole)

    async def _whole(self, found: Found, now_ms: int) -> DeadLetter | Left:
        """The letter with all of its record's bytes."""
        letter = found.letter
        # Kafka removes records by the segment: some outlast their time, and what is noted of them.
        if DLQ.retention_ms is not None and found.kept_since < now_ms - DLQ.retention_ms:
            return Left(
                "unreplayable", "expired", "It is older than 30 days: whether it was replayed is not known."
            )
        if not letter.truncated:
            return letter
        body = await self._original(letter)
        if body is None or fingerprint(body) != letter.sha256:
            if letter.scrubbed:
                # Whole but for what is never stored anyway; only the text's score is lost.
                return letter
            return Left(
                "unreplayable",
                "cut",
                f"Its body was cut, and {letter.topic} does not hold the record any more.",
            )
        return replace(letter, body=body)

    async def _original(self, letter: DeadLetter) -> bytes | None:
        """The record that failed, if its topic still has it."""
        topic = next((name for name, info in self.topics.items() if info.id == letter.topic_id), None)
        if topic is None or letter.partition >= self.topics[topic].partitions:
            return None
        full = self.settings.topic(topic)
        async with Reader(self.settings.kafka_bootstrap, [(full, letter.partition)]) as reader:
            span = reader.blocks(full, letter.partition, start=letter.offset, end=letter.offset + 1)
            async for block in span:
                for record in block:
                    return record.value
        return None

    async def _batch(self, chunk: Sequence[Found]) -> _Batch:
        # In a thread: a fix may take its time, and the connections must be kept alive.
        outcomes = await asyncio.to_thread(self._outcomes, chunk)
        batch = _Batch()
        for found, outcome in zip(chunk, outcomes, strict=True):
            if isinstance(outcome, Left):
                self._leave(found, outcome)
            elif found.letter.place in self._known:
                # A sink writes a letter of the same record again when it repeats a range.
                self.summary.already += 1
            elif self._known.repeats(outcome.replayed):
                batch.repeated += 1
            else:
                batch.replayed.append((found, outcome))
                self._known.add(outcome.replayed)
        return batch

    def _outcomes(self, chunk: Sequence[Found]) -> list[Ready | Left]:
        now = _now_ms()
        return [self._outcome(found.letter, now) for found in chunk]

    def _outcome(self, letter: DeadLetter, now_ms: int) -> Ready | Left:
        try:
            event = self.repair(letter)
        except InvalidEvent as error:
            return Left("invalid", error.code, error.reason)
        except FixFailed as error:
            return Left("failed", "fix_failed", str(error))
        if event is None:
            return Left("left", "left", "The repair leaves it.")
        first_seen = self._known.first_seen(first_origin(letter)) or letter.first_seen
        return prepare(letter, event, first_seen=first_seen, now_ms=now_ms, fix=self.fix, force=self.force)

    def _leave(self, found: Found, left: Left) -> None:
        self.summary.left[left.kind, left.reason] += 1
        self.watch(found, left)

    def _count(self, batch: _Batch) -> None:
        self.summary.repeated += batch.repeated
        self.summary.replayed += len(batch.replayed)
        for found, ready in batch.replayed:
            self.watch(found, ready)


@dataclass
class _Batch:
    """What one transaction replays, and how many letters repeat an event that was replayed."""

    replayed: list[tuple[Found, Ready]] = field(default_factory=list)
    repeated: int = 0

    def messages(self, settings: KafkaSettings, partitions: int) -> list[tuple[str, int, list[Message]]]:
        """The records where they belong, ``partitions`` being how many the raw log has, and the notes."""
        events: dict[tuple[str, int], list[Message]] = {}
        notes: list[Message] = []
        for _, ready in self.replayed:
            partition = ready.partition
            if partition is None:
                partition = partition_of(ready.key, partitions)
            place = settings.topic(ready.topic), partition
            events.setdefault(place, []).append((ready.key, ready.body))
            notes.append((ready.replayed.place.encode(), encode(ready.replayed)))
        return [
            *((*place, records) for place, records in sorted(events.items())),
            (settings.topic(REPLAYED.name), 0, notes),
        ]


def _now_ms() -> int:
    return int(time() * 1000)
