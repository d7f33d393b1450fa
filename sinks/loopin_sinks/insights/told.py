"""Telling of insights on the topic ``insights``: each state of one once.

What to tell is the difference between what is stored and what the topic says, so whoever tells may be broken
off anywhere: the next one tells the rest, and nothing twice. One tells at a time: it starts the one
``transactional.id`` of all, which ends what a former one has left, reads the topic, and commits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import msgspec
import structlog
from aiokafka.errors import KafkaError

from loopin_schemas.codec import decode, encode
from loopin_schemas.insight import Insight, InsightRecord
from loopin_schemas.topics import INSIGHTS
from loopin_sinks.metric_values.scope import epoch_ms
from loopin_streams.kafka.errors import BrokerUnreachable, Fenced
from loopin_streams.kafka.job import Message
from loopin_streams.kafka.outbox import Outbox, Probe, no_probe
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.settling import Place, Transactions, left_open

log = structlog.get_logger(__name__)


class InsightTeller:
    """Tells of the insights of an installation; ``probe`` as an :class:`Outbox` has it."""

    def __init__(self, settings: KafkaSettings, probe: Probe = no_probe) -> None:
        self._bootstrap = settings.kafka_bootstrap
        self._place: Place = (settings.topic(INSIGHTS.name), 0)
        self._probe = probe

    async def tell(
        self,
        projects: Collection[str],
        open: Iterable[Insight],
        now: datetime,
        dismissed: Collection[str] = (),
    ) -> int:
        """Tell what has changed of these projects, of which these insights are all that are open; how many.

        Of those whose ids are ``dismissed`` nothing more is told.

        Raises:
            BrokerUnreachable: nothing was told, or that is not known.
        """
        try:
            async with self._turn() as outbox:
                records = changed(await self._told(), projects, open, epoch_ms(now), dismissed)
                if records:
                    messages: list[Message] = [(each.id.encode(), encode(each)) for each in records]
                    await outbox.commit([(*self._place, messages)])
                return len(records)
        except (Fenced, KafkaError) as error:
            raise BrokerUnreachable(
                f"The live feed was not told of insights ({str(error) or type(error).__name__}): run the "
                "task again."
            ) from error

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[Outbox]:
        outbox = Outbox(self._bootstrap, self._place[0], probe=self._probe)
        try:
            await outbox.start()
            # Where a broker that crashed has not ended the last transaction here, it has not been told.
            stuck = await left_open(self._bootstrap, Transactions.only(self._place))
            if stuck:
                await outbox.abort_in(stuck)
            yield outbox
        finally:
            await outbox.abort()
            await outbox.stop()

    async def _told(self) -> dict[str, InsightRecord]:
        """The newest record of each insight."""
        found: dict[str, InsightRecord] = {}
        async with Reader(self._bootstrap, [self._place]) as reader:
            for record in await reader.read(*self._place):
                try:
                    told = decode(record.value or b"", InsightRecord)
                except msgspec.DecodeError as error:
                    log.warning("insight_unreadable", offset=record.offset, reason=str(error))
                    continue
                found[told.id] = told
        return found


def changed(
    told: dict[str, InsightRecord],
    projects: Collection[str],
    open: Iterable[Insight],
    now_ms: int,
    dismissed: Collection[str] = (),
) -> Sequence[InsightRecord]:
    """The records that are to follow: those of what is new or other, and of what holds no longer.

    Of what is of interest no longer (``expires_at``) there is nothing more to say, nor of what somebody has
    dismissed.
    """
    wanted = {
        each.id: InsightRecord(**msgspec.structs.asdict(each)) for each in open if each.id not in dismissed
    }
    gone = [
        msgspec.structs.replace(each, withdrawn=True)
        for each in told.values()
        if each.project in projects
        and each.id not in wanted
        and each.id not in dismissed
        and not each.withdrawn
        and each.expires_at > now_ms
    ]
    return [*(each for each in wanted.values() if each != told.get(each.id)), *gone]
