"""How far consumers are behind, in records and in seconds, and whether they move.

A consumer's lag in seconds is the age of the oldest record that it has not absorbed, 0 when there is none. A
watch looks once a second where the consumer stands and where the log ends; see :class:`PartitionLag` for how
the record is dated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import structlog

from loopin_streams.kafka.logs import Logs
from loopin_streams.kafka.partition_lag import LONGEST_GAP_S, Moment, PartitionLag, now
from loopin_streams.kafka.settings import KafkaSettings

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0

LEAST_SILENCE_S = 10.0
"""A busy machine may miss some looks before the lag counts as unknown."""

POSITIONS_TIMEOUT_S = 15.0
"""A consumer that does not say in time where it stands counts as silent."""


class LagLimits(NamedTuple):
    """From when on a consumer is not ready: that far behind, or behind and standing still, in seconds."""

    max_lag_s: float = 300.0
    stall_s: float = 30.0

    @classmethod
    def of(cls, settings: KafkaSettings) -> LagLimits:
        """As the settings say."""
        return cls(settings.max_lag_s, settings.stall_s)


Positions = Callable[[], Awaitable[Mapping[int, int]]]
"""Where a consumer stands: by partition, the offset of the next record that it has to absorb."""


class Consumption(NamedTuple):
    """What is watched.

    Attributes:
        consumer: its name, e.g. ``enrich``.
        topic: full name of what it reads.
        positions: may raise anything, which counts as no answer.
        received_ms: when the event in a record first reached the broker (epoch ms), where that is another
            time than the record's own; None for a value that does not say.
    """

    consumer: str
    topic: str
    positions: Positions
    received_ms: Callable[[bytes], int | None] | None = None


class Lag(NamedTuple):
    """How far a consumer is behind, over all its partitions.

    Attributes:
        events: records that wait; transaction markers in between count as well.
        seconds: age of the oldest of them, 0 when there is none.
        received_s: the same since its event first reached the broker.
        stalled: partitions in which records wait and nothing has moved for the limit's time.
    """

    events: int = 0
    seconds: float = 0.0
    received_s: float = 0.0
    stalled: tuple[int, ...] = ()


class _Watched:
    """One consumption, and what is known of it."""

    def __init__(self, what: Consumption, begun: Moment) -> None:
        self.what = what
        self.partitions: dict[int, PartitionLag] = {}
        self.looked = False
        self.looked_at = begun

    async def look(self, logs: Logs, clock: Callable[[], Moment]) -> None:
        async with asyncio.timeout(POSITIONS_TIMEOUT_S):
            positions = await self.what.positions()
        topic = self.what.topic
        ends = await logs.ends((topic, partition) for partition in positions)
        at = clock()
        self.partitions = {number: self.partitions.get(number, PartitionLag()) for number in positions}
        undated = {
            (topic, number): position
            for number, position in positions.items()
            if self.partitions[number].look(position, ends[topic, number], at)
        }
        for (_, number), found in (await logs.next_records(undated)).items():
            received = self.what.received_ms(found.value) if found and self.what.received_ms else None
            self.partitions[number].date(found, received)
        self.looked, self.looked_at = True, at


class LagWatch:
    """Watches consumers, of this process or of others.

    Args:
        logs: asks the broker; closed when :meth:`run` ends.
        consumptions: what to watch.
        limits: from when on a consumer is not ready.
        clock: tells the time.
    """

    def __init__(
        self,
        logs: Logs,
        consumptions: Iterable[Consumption],
        limits: LagLimits,
        clock: Callable[[], Moment] = now,
    ) -> None:
        self._logs = logs
        self._limits = limits
        self._clock = clock
        begun = clock()
        self._watched = {one.consumer: _Watched(one, begun) for one in consumptions}

    @property
    def consumers(self) -> Sequence[str]:
        """Names of those that are watched."""
        return tuple(self._watched)

    async def run(self, stop: asyncio.Event) -> None:
        """Look once a second until ``stop`` is set; a look that fails is said once, and repeated."""
        looking = asyncio.create_task(self._keep_looking())
        try:
            await stop.wait()
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            self._logs.close()

    async def _keep_looking(self) -> None:
        said = ""
        while True:
            reason = ""
            try:
                await self.look()
            except Exception as error:  # measuring must never stop the work, and readiness tells of it
                reason = str(error) or type(error).__name__
            if reason and reason != said:
                log.warning("lag_unknown", reason=reason)
            said = reason
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Find out how things are now.

        Raises:
            BrokerUnreachable: the broker does not say where the logs end.
            Exception: whatever a consumer's ``positions`` raised.
        """
        looks = (watched.look(self._logs, self._clock) for watched in self._watched.values())
        for error in await asyncio.gather(*looks, return_exceptions=True):
            if isinstance(error, BaseException):
                raise error

    def lag(self, consumer: str) -> Lag | None:
        """How far a consumer was behind at the last look; None before the first one.

        The seconds grow on when no look succeeds any more.
        """
        watched = self._watched[consumer]
        if not watched.looked:
            return None
        at = self._clock()
        if at.steady - watched.looked_at.steady <= LONGEST_GAP_S:
            at = watched.looked_at
        parts = watched.partitions
        return Lag(
            events=sum(part.events for part in parts.values()),
            seconds=max((part.seconds(at) for part in parts.values()), default=0.0),
            received_s=max((part.received_s(at) for part in parts.values()), default=0.0),
            stalled=tuple(n for n, part in sorted(parts.items()) if part.still_s(at) > self._limits.stall_s),
        )

    def silent_s(self, consumer: str) -> float:
        """Seconds since the last look at a consumer that succeeded, or since the watch began."""
        return self._clock().steady - self._watched[consumer].looked_at.steady

    def unready(self, consumers: Iterable[str] | None = None) -> str | None:
        """Why one of the consumers (all by default) does not keep up, in one sentence; None when all do."""
        reasons = (self._reason(name) for name in consumers or self._watched)
        return next((reason for reason in reasons if reason is not None), None)

    def _reason(self, consumer: str) -> str | None:
        lag, silent_s, limits = self.lag(consumer), self.silent_s(consumer), self._limits
        topic = self._watched[consumer].what.topic
        if silent_s > max(limits.stall_s, LEAST_SILENCE_S):
            return f"{consumer}: how far it is behind has not been known for {silent_s:.0f} s."
        if lag is None:
            return f"{consumer}: how far it is behind is not known yet."
        if lag.stalled:
            where = ", ".join(map(str, lag.stalled))
            return (
                f"{consumer} stands still: records wait in partition {where} of {topic}, and nothing has "
                f"moved for more than {limits.stall_s:g} s."
            )
        if lag.seconds > limits.max_lag_s:
            return (
                f"{consumer} is {lag.seconds:,.0f} s behind (limit {limits.max_lag_s:g} s): {lag.events:,} "
                f"records wait in {topic}."
            )
        return None
