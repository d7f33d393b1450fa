"""A compacted topic of one partition, read to its end at start and followed from there."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from time import monotonic, time
from typing import Final, Generic, Protocol, TypeVar

import structlog
from aiokafka.errors import KafkaError

from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.reader import Followed, Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.waiting import pause, wait_for_topics

log = structlog.get_logger(__name__)

FETCH_WAIT_MS: Final = 500
"""How long the broker keeps a fetch while nothing is changed; a change is sent at once."""

SURE_S: Final = 5.0
"""For how long after the broker's last word what is held counts as all there is."""


class Held(Protocol):
    """What the records of a topic add up to."""

    def apply(self, record: Record) -> object | None:
        """Take in the next record; says what is wrong with it if it cannot be read."""
        ...


S = TypeVar("S", bound=Held)


class FollowedLog(Generic[S]):
    """Follows a topic while :meth:`run` does.

    ``held`` is never what was read in part: it stays empty until the end has been reached once, and where the
    topic was made anew, it stays what it was until the new one has been read. ``known`` is set from that
    first time on. ``what`` names what is followed, in a sentence.
    """

    def __init__(self, settings: KafkaSettings, topic: str, empty: type[S], what: str) -> None:
        """``topic`` is its name without prefix."""
        self.held = empty()
        self.known = asyncio.Event()
        self._empty = empty
        self._reading = empty()
        self._settings = settings
        self._name = topic
        self._topic = settings.topic(topic)
        self._what = what
        self._position: int | None = None
        self._complete_at: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Read and follow until ``stop`` is set, however often the broker goes away meanwhile."""
        if await wait_for_topics(self._settings, [self._name], stop) is None:
            return
        said = ""
        while not stop.is_set():
            try:
                await self._follow(stop)
            except KafkaError as error:
                reason = str(error) or type(error).__name__
                if reason != said:
                    log.warning(f"{self._name}_not_followed", error=reason)
                said = reason
                await pause(stop)

    async def until_known(self, stop: asyncio.Event) -> None:
        """Wait until all has been read for the first time, or ``stop`` is set."""
        waiting = [asyncio.create_task(event.wait()) for event in (self.known, stop)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    def unready(self) -> str | None:
        """One sentence until the topic has been read to its end for the first time."""
        if self._complete_at is not None:
            return None
        what = self._what[:1].upper() + self._what[1:]
        return (
            f"{what} has not been read yet: the broker must answer and have the topic {self._topic} "
            "(`loopin topics apply`)."
        )

    def uncertain(self) -> str | None:
        """One sentence while something may have been changed that is not known here."""
        age_s = self.age_s()
        if age_s is not None and age_s <= SURE_S:
            return None
        return self.unready() or f"The broker has not told {self._what} for {age_s:.0f} s."

    def age_s(self) -> float | None:
        """How long ago the broker said that all was known, in seconds; None before the first time."""
        return None if self._complete_at is None else max(0.0, monotonic() - self._complete_at)

    async def _follow(self, stop: asyncio.Event) -> None:
        async with Reader(
            self._settings.kafka_bootstrap, [(self._topic, 0)], wait_ms=FETCH_WAIT_MS
        ) as reader:
            steps = reader.follow(self._topic, 0, self._position)
            async with aclosing(steps):
                async for step in steps:
                    self._take(step)
                    if stop.is_set():
                        return

    def _take(self, step: Followed) -> None:
        start = step.records[0].offset if step.records else step.position
        if self._position is not None and start < self._position:
            log.warning(f"{self._name}_starts_anew", topic=self._topic, was=self._position, now=start)
            self._reading = self._empty()
        self._position = step.position
        for record in step.records:
            broken = self._reading.apply(record)
            if broken is not None:
                key, reason = (record.key or b"").decode(errors="replace"), getattr(broken, "reason", broken)
                log.warning(f"{self._name}_record_broken", key=key, offset=record.offset, reason=str(reason))
        if step.complete_ms is not None:
            self.held = self._reading
            self.known.set()
            self._complete_at = monotonic() - (time() - step.complete_ms / 1000)
