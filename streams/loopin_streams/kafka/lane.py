"""The batch lane: Faust delivers one batch of a partition as one message.

Faust by itself spends a task group on every record. Here its aiokafka consumer hands over, for each
partition, one pseudo-record whose value is the :class:`Batch` of all that was fetched. Which partitions may
be fetched, from where, and what is durable is the runner's word, never Faust's own acknowledgements:
Faust acknowledges a batch that was cancelled in mid-await.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP
from mode.supervisors import CrashingSupervisor
from yarl import URL

from loopin_streams.kafka.batch import Batch
from loopin_streams.kafka.partition import OpenPartition
from loopin_streams.kafka.runner import Runner
from loopin_streams.kafka.settings import KafkaSettings

MAX_RECORDS = 5000
"""Records of one fetch; aiokafka serves one partition at a time and would return tens of thousands."""

MAX_POLL_INTERVAL_S = 10 * 365 * 86_400.0
"""How long the group waits for a fetch: for ever, because whoever has nothing open fetches nothing.

At Faust's 1000 s a spare worker would leave the group, and aiokafka would never let it join again.
"""

IDLE_S = 0.1
"""Longest wait for records, so that a partition that has just opened is not kept waiting."""


class LaneSchema(faust.Schema):
    """Hands key and value over untouched."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:
        """The key as it is."""
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        """The batch as it is."""
        return message.value


class LaneThread(AIOKafkaConsumerThread):
    """Fetches from where the runner expects, and reads committed records only."""

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust has no setting for it; the fetcher takes it over at start.
        consumer._isolation_level = "read_committed"
        # The lane seeks before each first fetch, so only a log that no longer reaches back to the marker is
        # out of range: that must be refused at the next start, not passed over by a reset.
        consumer._auto_offset_reset = "none"
        return consumer

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> dict[TP, list[Any]]:
        runner: Runner = self.app.runner
        assigned = consumer.assignment()
        targets: dict[TP, tuple[OpenPartition, int]] = {}
        for at in active_partitions & assigned:
            target = runner.partition(at.partition)
            if target is None:
                continue
            start = target.fetched
            if _position(consumer, at) != start:
                consumer.seek(at, start)
            targets[at] = target, start
        if not targets:
            # aiokafka would take no partitions for all of them.
            await asyncio.sleep(IDLE_S)
            return {}
        found = await super()._fetch_records(consumer, set(targets), timeout=timeout, max_records=max_records)
        batches = dict(_batches(consumer, targets, found))
        _note_ends(consumer, targets)
        return batches

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's stall warnings watch its own offsets, which the lane does not use."""


class _NoOffsets(dict[TP, int | None]):
    """Faust's own read positions, by which it would drop what the runner has fetched anew: none."""

    def __getitem__(self, _: TP) -> None:
        return None

    def __setitem__(self, _: TP, __: int | None) -> None:
        return None


class LaneConsumer(Consumer):
    """Consumer whose flow and offsets are the runner's."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._read_offset = _NoOffsets()

    def _new_consumer_thread(self) -> LaneThread:
        return LaneThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> dict[TP, list[Any]]:
        runner: Runner = self.app.runner
        open_now = {at for at in active_partitions or () if runner.ready(at.partition)}
        if not open_now:
            await asyncio.sleep(IDLE_S)
            return {}
        records: dict[TP, list[Any]] = await self._thread.getmany(open_now, min(timeout, IDLE_S))
        return records

    def ack(self, message: Any) -> bool:
        """Let Faust forget the message; what is durable the runner knows."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        runner: Runner = self.app.runner
        return (TP(runner.topic, partition) for partition in runner.opened)

    def _new_offset(self, tp: TP) -> int | None:
        runner: Runner = self.app.runner
        return runner.durable(tp.partition)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Gaps matter to Faust's acknowledgements only."""


class LaneTransport(Transport):
    """Faust's aiokafka transport with the lane's consumer."""

    Consumer = LaneConsumer


class LaneApp(faust.App):
    """A Faust application with one job on the batch lane."""

    def __init__(self, settings: KafkaSettings, runner: Runner, **options: Any) -> None:
        self.runner = runner
        super().__init__(
            f"{settings.topic_prefix}{runner.job.name}",
            broker=[URL(f"aiokafka://{host}") for host in settings.kafka_bootstrap.split(",")],
            store="memory://",
            autodiscover=False,
            agent_supervisor=CrashingSupervisor,
            broker_commit_interval=1.0,
            broker_max_poll_interval=MAX_POLL_INTERVAL_S,
            broker_max_poll_records=MAX_RECORDS,
            broker_session_timeout=settings.session_timeout_s,
            broker_heartbeat_interval=settings.session_timeout_s / 4,
            broker_rebalance_timeout=max(10.0, settings.session_timeout_s),
            consumer_max_fetch_size=4 << 20,
            producer_request_timeout=30.0,
            stream_buffer_maxsize=64,
            stream_wait_empty=True,
            table_standby_replicas=0,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            **options,
        )

    def _create_directories(self) -> None:
        """None: the lane keeps nothing on disk."""

    def _new_transport(self) -> LaneTransport:
        return LaneTransport(self.conf.broker_consumer, self)


def lane_app(settings: KafkaSettings, runner: Runner) -> LaneApp:
    """The Faust application that runs one job: one agent on the job's input topic."""
    app = LaneApp(settings, runner)
    topic = app.topic(runner.topic, schema=LaneSchema())

    async def agent(batches: Any) -> None:
        async for target, batch in batches:
            target.submit(batch)

    app.agent(topic, name=runner.job.name)(agent)

    async def assigned(_: Any, tps: set[TP], **__: Any) -> None:
        runner.assign(at.partition for at in tps if at.topic == runner.topic)

    async def revoked(_: Any, tps: set[TP], **__: Any) -> None:
        await runner.revoke(at.partition for at in tps if at.topic == runner.topic)

    app.on_partitions_assigned.connect(assigned, weak=False)
    app.on_partitions_revoked.connect(revoked, weak=False)
    return app


def _batches(
    consumer: AIOKafkaConsumer, targets: dict[TP, tuple[OpenPartition, int]], found: dict[Any, Any]
) -> Iterator[tuple[TP, list[Any]]]:
    for at, (target, start) in targets.items():
        # The position also passes transaction markers, which are no records.
        end = _position(consumer, at)
        # This is Faust's consumer thread: the agent may have set the target back during the fetch, and the
        # records between there and `start` are not in it.
        if target.fetched == start and end is not None and end > start:
            target.fetched = end
            yield at, [_pseudo_record(target, Batch(at.topic, at.partition, start, end, found.get(at, ())))]


def _note_ends(consumer: AIOKafkaConsumer, targets: dict[TP, tuple[OpenPartition, int]]) -> None:
    for at, (target, _) in targets.items():
        state = consumer._subscription.subscription.assignment.state_value(at)
        # The high watermark, not the last stable offset: records of an open transaction are dated already.
        if state is not None and state.highwater is not None and target.fetched >= state.highwater:
            target.at_end(target.fetched, state.timestamp)


def _position(consumer: AIOKafkaConsumer, at: TP) -> int | None:
    state = consumer._subscription.subscription.assignment.state_value(at)
    return state._position if state is not None and state.has_valid_position else None


def _pseudo_record(target: OpenPartition, batch: Batch) -> Any:
    return SimpleNamespace(
        topic=batch.topic,
        partition=batch.partition,
        offset=batch.end - 1,
        timestamp=None,
        timestamp_type=None,
        headers=(),
        key=None,
        value=(target, batch),
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
    )
