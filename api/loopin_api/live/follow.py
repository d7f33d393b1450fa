"""Following the topics of the live feed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import aclosing
from typing import Final

import structlog
from aiokafka.errors import KafkaError

from loopin_api.live.feed import KEEP_S, Feed
from loopin_api.live.place import Offsets, Place, epoch_of
from loopin_schemas.topics import ALERTS, INSIGHTS, METRICS
from loopin_streams.kafka.reader import Followed, Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicInfo
from loopin_streams.kafka.waiting import pause, wait_for_topics

log = structlog.get_logger(__name__)

FETCH_WAIT_MS: Final = 500
"""How long the broker keeps a fetch while nothing comes; a record is sent at once."""

TOPICS: Final = (METRICS.name, ALERTS.name, INSIGHTS.name)
"""Those that are followed, in the order of a :class:`Place`."""

MAX_BACKLOG: Final = 200_000
"""Most records of a topic that are read at the start, for clients of another process that come back."""


class _StartsAnew(Exception):
    """A topic has been made anew."""


class FeedFollower:
    """Feeds what the topics bring, without a consumer group: every API process has all of it."""

    def __init__(self, settings: KafkaSettings, feed: Feed) -> None:
        self._settings = settings
        self._feed = feed
        self._topics = tuple(map(settings.topic, TOPICS))
        absorb = (feed.absorb_metrics, feed.absorb_alerts, feed.absorb_insights)
        self._absorb = dict(zip(self._topics, absorb, strict=True))

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until ``stop`` is set, however often the broker goes away meanwhile."""
        said = ""
        while not stop.is_set():
            topics = await wait_for_topics(self._settings, TOPICS, stop)
            if topics is None:
                return
            try:
                await self._follow(topics, stop)
            except _StartsAnew:
                log.warning("live_feed_starts_anew", topics=self._topics)
            except KafkaError as error:
                reason = str(error) or type(error).__name__
                if reason != said:
                    log.warning("live_feed_not_followed", error=reason)
                said = reason
                await pause(stop)

    async def _follow(self, topics: Mapping[str, TopicInfo], stop: asyncio.Event) -> None:
        infos = [topics[name] for name in TOPICS]
        partitions = [
            (name, partition)
            for name, info in zip(self._topics, infos, strict=True)
            for partition in range(info.partitions)
        ]
        async with Reader(self._settings.kafka_bootstrap, partitions, wait_ms=FETCH_WAIT_MS) as reader:
            epoch = epoch_of(info.id for info in infos)
            if epoch != self._feed.epoch:
                starts = [
                    await self._starts(reader, name, info.partitions)
                    for name, info in zip(self._topics, infos, strict=True)
                ]
                self._feed.begin(epoch, Place(*starts))
            known = self._known()
            steps = reader.follow_all(known)
            async with aclosing(steps):
                async for step in steps:
                    self._take(step, known)
                    known = {at: followed.position for at, followed in step.items()}
                    if stop.is_set():
                        return

    async def _starts(self, reader: Reader, topic: str, partitions: int) -> Offsets:
        """Where the minutes begin that clients may come back to."""
        since_ms = int((time.time() - KEEP_S) * 1000)
        starts = []
        for partition in range(partitions):
            end = (await reader.log(topic, partition)).end
            first = await reader.offset_at(topic, partition, since_ms)
            starts.append(end if first is None else max(first, end - MAX_BACKLOG // partitions))
        return tuple(starts)

    def _known(self) -> dict[tuple[str, int], int]:
        return {
            (topic, partition): position
            for topic, positions in zip(self._topics, self._feed.place, strict=True)
            for partition, position in enumerate(positions)
        }

    def _take(self, step: Mapping[tuple[str, int], Followed], known: Mapping[tuple[str, int], int]) -> None:
        for at, followed in step.items():
            first = followed.records[0].offset if followed.records else followed.position
            if first < known[at]:
                self._feed.epoch = ""
                raise _StartsAnew
        for (topic, partition), (records, position, _) in step.items():
            self._absorb[topic](partition, records, position)
        if all(followed.complete_ms is not None for followed in step.values()):
            self._feed.ready = True
        self._feed.tidy()
