"""The enrichment's state of one partition, made from the stored events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, NamedTuple

from loopin_schemas.errors import InvalidEvent
from loopin_schemas.topics import ENRICH_STATE, PROFILES, RAW, SEEN
from loopin_schemas.validation import decode_event
from loopin_streams.enrich.absorber import EnrichAbsorber
from loopin_streams.enrich.counting import count_events
from loopin_streams.enrich.dead_letters import project_of
from loopin_streams.enrich.draft import Draft
from loopin_streams.enrich.job import EnrichJob
from loopin_streams.enrich.seen import uuid_hash
from loopin_streams.enrich.steps.lateness import judge
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.job import Message
from loopin_streams.kafka.marker import STATE_VERSION, Counts, Marker
from loopin_streams.kafka.outbox import Outbox, Probe, no_probe
from loopin_streams.kafka.reader import Reader
from loopin_streams.learning.answers import Answers
from loopin_streams.learning.sweep import MOST
from loopin_streams.projects.project import Projects
from loopin_streams.rebuild.last_hashes import LastHashes
from loopin_streams.rebuild.letters import Letters
from loopin_streams.rebuild.old_state import (
    BEGUN_KEY,
    commit_all,
    forget,
    last_messages,
    own_outbox,
    stale_keys,
)
from loopin_streams.rebuild.position import Position
from loopin_streams.rebuild.truth import Share, StoredEvent, Truth, WindowId
from loopin_streams.settings import StreamSettings
from loopin_streams.state.sessions import follow_sessions
from loopin_streams.windows.grains import DAY, MINUTE_MS
from loopin_streams.windows.operations import count_operations

REACH_MS: Final = DAY.size_ms + DAY.keep_ms
"""No window reaches back further from the watermark."""

HASHES: Final = 5_000
"""Uuids of one record on ``seen``."""


class Plan(NamedTuple):
    """What is known of a partition before anything is changed.

    ``counts`` are those of its old marker, ``windows`` those that its old state held.
    """

    partition: int
    position: Position
    letters: Letters
    counts: Counts | None
    windows: frozenset[WindowId]


class Rebuilt(NamedTuple):
    """What a partition begins with: the offset in the raw log, events counted, profiles, open windows."""

    partition: int
    position: int
    events: int
    profiles: int
    windows: int


@dataclass(frozen=True, slots=True)
class EnrichRebuild:
    """Makes the state of one partition after the other.

    ``watermark`` is the same for all, ``projects`` and ``answers`` of models are as they are now,
    ``topic_ids`` gives Kafka's ids by name without prefix, ``progress`` is told how many events were counted.
    """

    settings: StreamSettings
    truth: Truth
    partitions: int
    topic_ids: dict[str, str]
    watermark: int | None
    projects: Projects
    answers: Answers
    progress: Callable[[int], None]
    probe: Probe = no_probe

    async def run(self, plan: Plan) -> tuple[Rebuilt, list[WindowId]]:
        """Replace the partition's state; the marker comes last.

        Also returns the open windows of days in which some values share a series: which ones do depends on
        the partition and on the order of arrival.
        """
        partition, settings = plan.partition, self.settings
        # Stored events were located when they came.
        options = replace(settings.enrich_options(self.partitions), geoip_db=None)
        absorber = EnrichJob(options, self.projects, self.answers).open(partition, self.topic_ids[RAW.name])
        names = (RAW.name, PROFILES.name, ENRICH_STATE.name)
        topics = [(settings.topic(name), partition) for name in names]
        try:
            async with Reader(settings.kafka_bootstrap, topics) as reader:
                if self.watermark is not None:
                    absorber.context.windows.advance(self.watermark)
                events = await self._count(plan, absorber)
                await self._count_operations(plan, absorber, reader)
                seen = await self._seen(plan, absorber)
                async with own_outbox(settings, EnrichJob.name, partition, self.probe) as outbox:
                    marker = await self._replace(plan, absorber, reader, outbox, seen)
            context = absorber.context
            rebuilt = Rebuilt(partition, marker.position, events, len(context.profiles), len(context.windows))
            return rebuilt, context.windows.crowded
        finally:
            absorber.close()

    async def _replace(
        self,
        plan: Plan,
        absorber: EnrichAbsorber,
        reader: Reader,
        outbox: Outbox,
        seen: Sequence[Message],
    ) -> Marker:
        partition, context = plan.partition, absorber.context
        windows = context.windows.changes()
        kept = {key for key, _ in windows}

        def unknown(keys: Sequence[bytes]) -> list[bytes]:
            found = context.profiles.known(keys)
            return [key for key, known in zip(keys, found, strict=True) if not known]

        def left_over(keys: Sequence[bytes]) -> list[bytes]:
            return [key for key in keys if key not in kept and key != BEGUN_KEY]

        profiles, state = self.settings.topic(PROFILES.name), self.settings.topic(ENRICH_STATE.name)
        # What goes is read before what comes is written behind it.
        await commit_all(outbox, profiles, partition, stale_keys(reader, profiles, partition, unknown))
        await commit_all(outbox, profiles, partition, context.profiles.messages())
        await commit_all(outbox, state, partition, stale_keys(reader, state, partition, left_over))
        await commit_all(outbox, state, partition, windows)
        await forget(self.settings, SEEN.name, partition)
        await commit_all(outbox, self.settings.topic(SEEN.name), partition, seen)
        marker = Marker(
            topic_id=self.topic_ids[RAW.name],
            position=plan.position.offset,
            watermark=self.watermark,
            counts=plan.counts or await self._counts(plan),
            partitions=self.partitions,
            stores={name: self.topic_ids[name] for name in (EnrichJob.state_topic, *EnrichJob.history)},
            held=len(context.profiles),
            version=STATE_VERSION,
        )
        await outbox.commit([(state, partition, last_messages(marker))])
        return marker

    async def _count(self, plan: Plan, absorber: EnrichAbsorber) -> int:
        """Feed the events of the partition's users, in the order of their arrival."""
        share = Share(plan.partition, self.partitions)
        counted = 0
        for span in await self.truth.spans(share):
            async with aclosing(self.truth.events(share, span)) as blocks:
                async for block in blocks:
                    await asyncio.to_thread(self._absorb, absorber, block)
                    counted += len(block)
                    self.progress(len(block))
        if self.watermark is not None:
            await asyncio.to_thread(self._give_turns, absorber, self.watermark)
        return counted

    def _give_turns(self, absorber: EnrichAbsorber, now: int) -> None:
        """Let the time pass for those who came no more, as it did: else what it made known is told anew."""
        keys = list(absorber.context.profiles.keys())
        for first in range(0, len(keys), MOST):
            absorber.give_turns(keys[first : first + MOST], now)
            _forget_told(absorber)

    def _absorb(self, absorber: EnrichAbsorber, events: Sequence[StoredEvent]) -> None:
        context = absorber.context
        for event in events:
            judge(event.enriched, self.watermark)
        follow_sessions(events, context.profiles, context.session_timeout_ms)
        count_events(
            events, context.profiles, context.windows, context.projects, context.foresight, context.detector
        )
        _forget_told(absorber)
        # These events have moved it on to this partition's own; windows stay open by that of all.
        context.windows.watermark = self.watermark

    async def _count_operations(self, plan: Plan, absorber: EnrichAbsorber, reader: Reader) -> None:
        """Records received and refused, by append time: the log knows them, and before it the store does."""
        start = 0 if self.watermark is None else _minute(self.watermark - REACH_MS)
        since = plan.position.since
        known_from = max(start, since) if since is not None else None
        share = Share(plan.partition, self.partitions)
        received = dict(await self.truth.received(share, start=start, end=known_from or _END))
        for about, number in plan.letters.unlogged.items():
            received[about] = received.get(about, 0) + number
        if known_from is not None:
            await self._count_received(plan, reader, known_from, received)
        await asyncio.to_thread(count_operations, absorber.context.windows, received, plan.letters.rejected)

    async def _count_received(
        self, plan: Plan, reader: Reader, start_ms: int, received: dict[tuple[str, int], int]
    ) -> None:
        topic = self.settings.topic(RAW.name)
        first = await reader.offset_at(topic, plan.partition, start_ms)
        if first is None:
            return
        async for block in reader.blocks(topic, plan.partition, start=first, end=plan.position.offset):
            for about in await asyncio.to_thread(_about, block):
                received[about] = received.get(about, 0) + 1

    async def _seen(self, plan: Plan, absorber: EnrichAbsorber) -> list[Message]:
        """Records for ``seen``: the last uuids of the hours before the watermark and since."""
        seen = absorber.context.seen
        found = LastHashes(self.settings.seen_limit)
        since = 0 if self.watermark is None else self.watermark - self.settings.seen_ms
        share = Share(plan.partition, self.partitions)
        async with aclosing(self.truth.identities(share, since=since)) as blocks:
            async for block in blocks:
                rows = iter(block)
                while part := list(islice(rows, HASHES)):
                    hashes = [uuid_hash(project, uuid) for _, project, uuid in part]
                    found.add(seen.add(hashes, part[-1][0]))
        return [(None, value) for value in found.records]

    async def _counts(self, plan: Plan) -> Counts:
        """What is known where no marker tells: drops are not."""
        dead = plan.letters.by_reason
        passed = await self.truth.passed(plan.partition)
        return Counts(read=passed + sum(dead.values()), passed=passed, dead_lettered=dead)


_END: Final = 1 << 52


def _forget_told(absorber: EnrichAbsorber) -> None:
    """It was told when the events came."""
    foresight, detector = absorber.context.foresight, absorber.context.detector
    for told in (foresight.examples, detector.examples, detector.found):
        told.clear()


def _minute(at: int) -> int:
    return at - at % MINUTE_MS


def _about(records: Sequence[Record]) -> list[tuple[str, int]]:
    """Project and minute of the append time of each record, as the absorber names them."""
    return [(_project(record), record.timestamp // MINUTE_MS) for record in records]


def _project(record: Record) -> str:
    draft = Draft(record)
    with suppress(InvalidEvent):
        draft.event = decode_event(record.value or b"")
    return project_of(draft) or ""
