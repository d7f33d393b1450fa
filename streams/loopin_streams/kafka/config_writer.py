"""Changing what is configured: one writer at a time, and none over a change that it has not seen.

A writer starts the one ``transactional.id`` of the topic, which fences any other, reads the log to its end,
compares the version that it was asked to replace, and commits. If it was fenced meanwhile, or cannot tell
what became of its commit, it begins again; by the version in its record it knows its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from random import uniform
from secrets import token_hex
from time import monotonic
from typing import Protocol, TypeVar

import msgspec
from aiokafka.errors import KafkaError, KafkaTimeoutError

from loopin_schemas.codec import encode
from loopin_schemas.config import KIND_OF, ConfigRecord, config_key
from loopin_schemas.topics import CONFIG
from loopin_streams.kafka.config_log import read_to_end
from loopin_streams.kafka.config_state import Configuration, Item
from loopin_streams.kafka.errors import (
    PERMANENT,
    BrokerRefused,
    BrokerUnreachable,
    ConfigBusy,
    ConfigConflict,
    Fenced,
)
from loopin_streams.kafka.outbox import Outbox, Probe, no_probe
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.settling import Transactions, left_open

T = TypeVar("T", bound=msgspec.Struct)

WRITE_S = 30.0
"""How long a writer tries again, in seconds."""

LONGEST_PAUSE_S = 2.0

VISIBLE_S = 10.0
"""How long a committed record may take to be readable, in seconds."""

_POLL_S = 0.005


class Turn(Protocol):
    """A writer's turn: what is configured, as nobody else can change it without ending the turn."""

    @property
    def configuration(self) -> Configuration: ...

    async def commit(self, key: bytes, value: bytes | None) -> None:
        """Write one record, and return once every reader can see it.

        Raises:
            Fenced: another writer has begun its turn.
            KafkaError: the broker did not answer: the record may be there or not.
        """
        ...


Turns = Callable[[], AbstractAsyncContextManager[Turn]]


async def _random_pause(attempt: int) -> None:
    """Longer each time, and another one for each of several writers, so that one of them comes through."""
    await asyncio.sleep(uniform(0, min(LONGEST_PAUSE_S, 0.1 * 2**attempt)))


@dataclass
class _Change:
    """What is to be written; ``version`` is the item's after it, None as ``value`` is for a removal."""

    kind: str
    id: str
    replaces: str | None
    version: str | None
    value: bytes | None
    tried: bool = False


class ConfigWriter:
    """Replaces items. Its own changes come one after the other; other writers are met by fencing them."""

    def __init__(self, turns: Turns, pause: Callable[[int], Awaitable[None]] = _random_pause) -> None:
        self._turns = turns
        self._pause = pause
        self._one_at_a_time = asyncio.Lock()

    async def put(self, id: str, body: T, *, replaces: str | None, by: str) -> Item[T]:
        """Store ``body`` as the item ``id`` of its kind, in place of version ``replaces``; None: of nothing.

        Raises:
            ConfigConflict: the item is of another version by now.
            ConfigBusy: others kept coming first.
            BrokerUnreachable, BrokerRefused: nothing was changed, or that is not known.
        """
        kind = KIND_OF[type(body)]
        # A new one for each change, not for each try: so it is known again where its answer was lost.
        item = Item(id, token_hex(8), by, body)
        record = ConfigRecord(kind=kind, id=id, version=item.version, by=by, body=msgspec.Raw(encode(body)))
        await self._change(_Change(kind, id, replaces, item.version, encode(record)))
        return item

    async def remove(self, kind: str, id: str, *, replaces: str) -> None:
        """Remove the item, whose version is ``replaces``; raises as :meth:`put`."""
        await self._change(_Change(kind, id, replaces, None, None))

    async def _change(self, change: _Change) -> None:
        async with self._one_at_a_time:
            deadline = monotonic() + WRITE_S
            for attempt in count():
                try:
                    await self._try(change)
                    return
                except (Fenced, KafkaError) as error:
                    if isinstance(error, PERMANENT) or monotonic() > deadline:
                        raise _given_up(error) from error
                await self._pause(attempt)

    async def _try(self, change: _Change) -> None:
        async with self._turns() as turn:
            found = turn.configuration.version(change.kind, change.id)
            if change.tried and found == change.version:
                return
            if found != change.replaces:
                raise ConfigConflict(_conflict(found, change.replaces))
            change.tried = True
            await turn.commit(config_key(change.kind, change.id), change.value)


def config_writer(settings: KafkaSettings, *, probe: Probe = no_probe) -> ConfigWriter:
    """The writer of an installation; ``probe`` as an :class:`Outbox` has it."""
    return ConfigWriter(lambda: _turn(settings, probe))


@asynccontextmanager
async def _turn(settings: KafkaSettings, probe: Probe) -> AsyncIterator[Turn]:
    topic = settings.topic(CONFIG.name)
    outbox = Outbox(settings.kafka_bootstrap, topic, probe=probe)
    try:
        await outbox.start()
        # Where a broker that crashed has not ended the last transaction here, nobody was told that it counts.
        stuck = await left_open(settings.kafka_bootstrap, Transactions.only((topic, 0)))
        if stuck:
            await outbox.abort_in(stuck)
        async with Reader(settings.kafka_bootstrap, [(topic, 0)]) as reader:
            yield _KafkaTurn(await read_to_end(reader, topic), outbox, reader, topic)
    finally:
        await outbox.abort()
        await outbox.stop()


class _KafkaTurn:
    def __init__(self, configuration: Configuration, outbox: Outbox, reader: Reader, topic: str) -> None:
        self.configuration = configuration
        self._outbox = outbox
        self._reader = reader
        self._topic = topic

    async def commit(self, key: bytes, value: bytes | None) -> None:
        before = await self._end()
        await self._outbox.commit([(self._topic, 0, [(key, value)])])
        # The broker acknowledges a commit before it is in the log, and what was acknowledged must be there.
        deadline = monotonic() + VISIBLE_S
        while await self._end() == before:
            if monotonic() > deadline:
                raise KafkaTimeoutError("what was committed cannot be read")
            await asyncio.sleep(_POLL_S)

    async def _end(self) -> int:
        return (await self._reader.log(self._topic, 0)).end


def _conflict(found: str | None, replaces: str | None) -> str:
    if found is None:
        return "It has been removed meanwhile: see what there is, and decide again."
    if replaces is None:
        return "One of this id exists already: choose another id, or replace that one."
    return "It has been changed meanwhile: see how it is now, and decide again."


def _given_up(error: Fenced | KafkaError) -> Exception:
    if isinstance(error, Fenced):
        return ConfigBusy("Others keep changing what is configured: see what there is, and try again.")
    said = str(error) or type(error).__name__
    if isinstance(error, PERMANENT):
        return BrokerRefused(f"The Kafka broker refused: {said}.")
    return BrokerUnreachable(
        f"Kafka did not answer in time ({said}), so whether the change was made is not known: look, and try "
        "again."
    )
