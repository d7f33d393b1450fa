"""What the watcher has said and knows, on the broker: both in one transaction, or neither.

The records go to ``alerts``, what is known to ``watch.state``. Whoever begins starts the one
``transactional.id`` of the watcher: that fences a former one, whose last transaction is then whole or gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
import structlog

from loopin_schemas.alert import Alert
from loopin_schemas.codec import decode, encode
from loopin_schemas.topics import ALERTS, WATCH_STATE
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.job import Message
from loopin_streams.kafka.outbox import Outbox, Probe, no_probe
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.settling import Place, Transactions, left_open

log = structlog.get_logger(__name__)

PROGRESS_KEY: Final = b"p"
"""Key of the record that says what the last transaction has told."""

Told = tuple[str, int]
"""An alert's id, and its record's sequence."""


class _Progress(msgspec.Struct, array_like=True):
    version: int = 1
    told: list[Told] = []


class _Record(msgspec.Struct):
    id: str
    sequence: int


class Journal:
    """One writer's turn; use :meth:`open` first, and :meth:`close` at the end."""

    def __init__(self, settings: KafkaSettings, probe: Probe = no_probe) -> None:
        self._bootstrap = settings.kafka_bootstrap
        self._alerts: Place = (settings.topic(ALERTS.name), 0)
        self._state: Place = (settings.topic(WATCH_STATE.name), 0)
        self._outbox = Outbox(settings.kafka_bootstrap, f"{settings.topic_prefix}watcher", probe=probe)

    async def open(self) -> Mapping[bytes, bytes]:
        """Fence a former watcher, and read what is known: the newest value of each key.

        Raises:
            KafkaError: the broker does not answer, or refuses.
        """
        await self._outbox.start()
        await self._settle()
        found: dict[bytes, bytes] = {}
        async with Reader(self._bootstrap, [self._state]) as reader:
            async for block in reader.blocks(*self._state):
                _apply(found, block)
        found.pop(PROGRESS_KEY, None)
        return found

    async def commit(self, alerts: Sequence[Alert], changes: Iterable[Message]) -> None:
        """Write the records and the changes, or nothing of them.

        Raises:
            Fenced: another watcher has begun.
            KafkaError: the broker did not answer: all is written, or nothing.
        """
        told = [(alert.id, alert.sequence) for alert in alerts]
        progress: Message = (PROGRESS_KEY, encode(_Progress(told=told)))
        records: list[Message] = [
            (f"{alert.project}:{alert.rule}".encode(), encode(alert)) for alert in alerts
        ]
        out = [(*self._state, [*changes, progress])]
        if records:
            out.append((*self._alerts, records))
        await self._outbox.commit(out)

    async def close(self) -> None:
        """Let go; what is open is left to the next one, who aborts it."""
        await self._outbox.stop()

    async def _settle(self) -> None:
        """End what a broker that crashed has not ended in both topics, as it has ended it in the other.

        See :mod:`loopin_streams.kafka.settling`. The progress in the state says which records on ``alerts``
        belong to its transaction.
        """
        places = Transactions(self._state, (self._state,), (self._alerts,), {}, ())
        stuck = await left_open(self._bootstrap, places)
        if not stuck:
            return
        asked = [self._state, self._alerts]
        async with (
            Reader(self._bootstrap, asked) as settled,
            Reader(self._bootstrap, asked, committed=False) as written,
        ):
            committed = await self._was_committed(settled, written, stuck)
        log.warning("transaction_left_open", partitions=sorted(map(str, stuck)), committed=committed)
        await (self._outbox.commit_in(stuck) if committed else self._outbox.abort_in(stuck))

    async def _was_committed(self, settled: Reader, written: Reader, stuck: Mapping[Place, int]) -> bool:
        if self._state in stuck:
            told = await _last_told(written, self._state, stuck[self._state])
            return self._alerts not in stuck and bool(told & await _records(settled, self._alerts))
        told = await _last_told(settled, self._state)
        return bool(told & await _records(written, self._alerts, stuck[self._alerts]))


def _apply(found: dict[bytes, bytes], records: Iterable[Record]) -> None:
    for record in records:
        if record.key is None:
            continue
        if record.value is None:
            found.pop(record.key, None)
        else:
            found[record.key] = record.value


async def _last_told(reader: Reader, place: Place, start: int | None = None) -> set[Told]:
    """What the last transaction there has told."""
    found: set[Told] = set()
    async for block in reader.blocks(*place, start=start):
        for record in block:
            if record.key == PROGRESS_KEY and record.value is not None:
                found = set(decode(record.value, _Progress).told)
    return found


async def _records(reader: Reader, place: Place, start: int | None = None) -> set[Told]:
    """The alerts' records there, whoever wrote them."""
    found: set[Told] = set()
    async for block in reader.blocks(*place, start=start):
        for record in block:
            if record.value is not None:
                said = decode(record.value, _Record)
                found.add((said.id, said.sequence))
    return found
