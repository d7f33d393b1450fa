"""Reading ``events.dlq``, and choosing from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import NamedTuple

from msgspec import DecodeError

from loopin_schemas.codec import decode
from loopin_schemas.dead_letter import DeadLetter
from loopin_schemas.topics import DLQ
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin


class LetterId(NamedTuple):
    """Where a letter lies on ``events.dlq``; as text ``partition:offset``."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


class Found(NamedTuple):
    """A dead letter, its place on ``events.dlq``, and since when it lies there (epoch ms)."""

    id: LetterId
    kept_since: int
    letter: DeadLetter


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant: those of ``ids`` (None for all), and of these what every other field asks for.

    ``since`` is the least ``last_seen`` (epoch ms); empty fields ask for nothing.
    """

    ids: tuple[LetterId, ...] | None = None
    reason: str = ""
    project: str = ""
    since: int | None = None

    def takes(self, letter: DeadLetter) -> bool:
        """Whether a letter has the reason, project and age."""
        return (
            self.reason in ("", letter.reason)
            and self.project in ("", letter.project)
            and (self.since is None or letter.last_seen >= self.since)
        )


Unreadable = Callable[[LetterId], None]
"""Told of each record on ``events.dlq`` that is no dead letter of ours."""


async def read_letters(
    settings: KafkaSettings, selection: Selection, unreadable: Unreadable
) -> AsyncGenerator[Found, None]:
    """The selected letters that lie there now, partition by partition, oldest first.

    Left early, it must be closed (``contextlib.aclosing``), or its consumer outlives the event loop.
    """
    info = (await asyncio.to_thread(TopicAdmin(settings).describe)).get(DLQ.name)
    numbers = list(range(info.partitions if info else 0))
    if selection.ids is not None:
        numbers = sorted({at.partition for at in selection.ids}.intersection(numbers))
    if not numbers:
        return
    topic = settings.topic(DLQ.name)
    async with Reader(settings.kafka_bootstrap, [(topic, number) for number in numbers]) as reader:
        # All the ends first: what fails again while its replay goes on is not for the same run.
        ends = {number: (await reader.log(topic, number)).end for number in numbers}
        spans = [(number, 0, end) for number, end in ends.items()]
        if selection.ids is not None:
            there = [at for at in dict.fromkeys(selection.ids) if at.offset < ends.get(at.partition, 0)]
            spans = [(at.partition, at.offset, at.offset + 1) for at in there]
        for number, start, end in spans:
            async for block in reader.blocks(topic, number, start=start, end=end):
                for record in block:
                    at = LetterId(number, record.offset)
                    try:
                        letter = decode(record.value or b"", DeadLetter)
                    except (DecodeError, UnicodeDecodeError, RecursionError):
                        unreadable(at)
                        continue
                    if selection.takes(letter):
                        yield Found(at, record.timestamp, letter)
