"""The task that recomputes stored windows once no stream will touch them any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing
from datetime import UTC, datetime
from itertools import groupby
from time import monotonic, time
from typing import NamedTuple

import structlog
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from loopin_schemas.topics import ENRICH_STATE, ENRICHED
from loopin_schemas.window import Grain
from loopin_sinks.repair.recompute import recompute_windows
from loopin_sinks.repair.requests import Request, note_outcome, pending_repairs
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store, StoreError
from loopin_sinks.store.errors import STORE_UNREACHABLE
from loopin_streams.kafka.errors import BrokerRefused, BrokerUnreachable
from loopin_streams.kafka.progress import committed_offsets, least_watermark, log_ends
from loopin_streams.kafka.reader import Reader
from loopin_streams.projects.project import Projects
from loopin_streams.windows.grains import BY_NAME, DAY, DAY_MS

log = structlog.get_logger(__name__)

POLL_S = 0.5
CATCH_UP_S = 60.0
"""How long one round waits for the sinks; the next round asks anew."""

MAX_WINDOWS = 5_000
"""Windows of one query, whose text ClickHouse bounds."""

TRIED_AGAIN = (
    *(StoreError, BrokerUnreachable, BrokerRefused),
    *(KafkaException, KafkaError, OSError, TimeoutError, ValueError),
)
"""What fails a round and not the role: the store, the broker, or a marker that cannot be read."""

LONGEST_REST_S = 600.0
"""Longest that a repair which failed is left alone."""

REPAIRED = "repaired"
UNCOVERED = "uncovered"


Group = tuple[str, Grain, str]
"""A project, a grain and a month (``202601``): windows that one query replaces, or does not."""


class _Rest(NamedTuple):
    """Why a group is left alone, for how long, and until when (seconds of the monotonic clock)."""

    reason: str
    seconds: float
    until: float


class Repairer:
    """Recomputes windows of late events from the table ``events``.

    A window is repaired when the watermark of every raw partition has left it behind, so that no stream
    corrects it afterwards, and when the sinks have stored all that had been enriched by then, so that the
    events are complete. What comes later still makes a new request. What the store cannot recompute is tried
    again, after a rest that doubles each time.

    ``repaired`` counts windows, ``pending`` says how many were asked for at the last look (at most
    ``MAX_PENDING``; None in a process that does not repair), ``failing`` holds one sentence while repairs
    fail.
    """

    def __init__(
        self,
        settings: SinkSettings,
        store: Store,
        projects: Projects,
        *,
        partitions: int,
        leads: Callable[[], bool],
    ) -> None:
        """``partitions`` is what the broker says of ``events.enriched``, and so of ``enrich.state``.

        ``leads`` says whether this process is the one of several that repairs.
        """
        self.repaired = 0
        self.pending: int | None = None
        self.failing: str | None = None
        self._settings = settings
        self._store = store
        self._projects = projects
        self._partitions = partitions
        self._leads = leads
        self._rests: dict[Group, _Rest] = {}
        self._group = f"{settings.topic_prefix}clickhouse"

    async def run(self, stop: asyncio.Event) -> None:
        """Repair until ``stop`` is set; what fails is tried again."""
        while not await _stopped(stop, self._settings.repair_interval_s):
            try:
                await self.repair_once(stop)
                self.failing = next((rest.reason for rest in self._rests.values()), None)
            except TRIED_AGAIN as error:
                self.failing = str(error)
                log.warning("repair_failed", reason=str(error))

    async def repair_once(self, stop: asyncio.Event) -> int:
        """Repair what can be repaired now; how many windows that were.

        Raises:
            StoreError: the store does not answer, or refused a repair; what was repaired stays.
            BrokerUnreachable, BrokerRefused, KafkaException, KafkaError, TimeoutError: the broker does not
                answer as it should.
            ValueError: a marker cannot be read.
        """
        due = self._due(await pending_repairs(self._store) if self._leads() else None)
        if not due:
            return 0
        ends = await self._complete_up_to(due)
        if ends is None or not await self._stored(ends[1], stop):
            return 0
        ready = [r for r in due if BY_NAME[r.window.grain].gone(r.window.start, ends[0])]
        await self._repair_all(ready)
        return len(ready)

    def _due(self, pending: list[Request] | None) -> list[Request]:
        """Those whose group does not rest."""
        self.pending = len(pending) if pending is not None else None
        groups = dict(_by_month(pending or ()))
        # Somebody else may have repaired the others.
        self._rests = {group: rest for group, rest in self._rests.items() if group in groups}
        resting = {group for group, rest in self._rests.items() if rest.until > monotonic()}
        return [request for group, requests in groups.items() if group not in resting for request in requests]

    async def _repair_all(self, ready: Iterable[Request]) -> None:
        refused: StoreError | None = None
        for group, requests in _by_month(ready):
            try:
                await self._repair(group, requests)
            except StoreError as error:
                if error.code == STORE_UNREACHABLE:
                    raise
                # A project with too many events for the store's memory must not hold up the others.
                refused = error
                self._let_rest(group, str(error))
            else:
                self._rests.pop(group, None)
        if refused is not None:
            raise refused

    def _let_rest(self, group: Group, reason: str) -> None:
        before = self._rests[group].seconds if group in self._rests else self._settings.repair_interval_s
        seconds = min(2 * before, LONGEST_REST_S)
        self._rests[group] = _Rest(reason, seconds, monotonic() + seconds)
        project, grain, month = group
        log.error("repair_refused", project=project, grain=grain, month=month, reason=reason, rests_s=seconds)

    async def _repair(self, group: Group, requests: list[Request]) -> None:
        project, grain, _ = group
        now_ms, of = int(time() * 1000), self._projects.of(project)
        days = of.whole_days(now_ms)
        # A day that is partly removed already would be counted short.
        covered_from = DAY.start(now_ms) - (days - 1) * DAY_MS
        covered = [r for r in requests if DAY.start(r.window.start) >= covered_from]
        uncovered = [r for r in requests if DAY.start(r.window.start) < covered_from]
        for at in range(0, len(covered), MAX_WINDOWS):
            part = covered[at : at + MAX_WINDOWS]
            await recompute_windows(
                self._store,
                project,
                grain,
                [request.window.start for request in part],
                of=of,
                now_ms=now_ms,
            )
            await note_outcome(self._store, part, REPAIRED)
            self.repaired += len(part)
        await note_outcome(self._store, uncovered, UNCOVERED)
        log.info(
            "windows_repaired", project=project, grain=grain, windows=len(covered), uncovered=len(uncovered)
        )

    async def _complete_up_to(self, pending: Iterable[Request]) -> tuple[int, dict[int, int]] | None:
        """The least watermark, and what had been enriched when it was read; None if it would help nobody."""
        settings = self._settings
        state, enriched = settings.topic(ENRICH_STATE.name), settings.topic(ENRICHED.name)
        numbers = range(self._partitions)
        async with Reader(settings.kafka_bootstrap, [(state, number) for number in numbers]) as reader:
            watermark = await least_watermark(reader, state, self._partitions)
        if watermark is None:
            return None
        if not any(BY_NAME[r.window.grain].gone(r.window.start, watermark) for r in pending):
            return None
        # Not only what is committed: a transaction ends in each topic in its own time, so its marker may be
        # seen when its events are not.
        return watermark, await asyncio.to_thread(
            log_ends, settings.kafka_bootstrap, enriched, self._partitions
        )

    async def _stored(self, ends: dict[int, int], stop: asyncio.Event) -> bool:
        """Whether the sinks have stored all below ``ends``, after at most ``CATCH_UP_S``."""
        topic = self._settings.topic(ENRICHED.name)
        async with Reader(self._settings.kafka_bootstrap, [(topic, number) for number in ends]) as reader:
            for _ in range(int(CATCH_UP_S / POLL_S)):
                done = await committed_offsets(self._settings.kafka_bootstrap, self._group, topic)
                if all([await _passed(reader, topic, at, done.get(at, 0), end) for at, end in ends.items()]):
                    return True
                if await _stopped(stop, POLL_S):
                    break
        return False


async def _passed(reader: Reader, topic: str, partition: int, done: int, end: int) -> bool:
    """Whether no record from ``done`` to ``end`` is left; the note that ends a transaction is none."""
    if done >= end:
        return True
    if (await reader.log(topic, partition)).end < end:
        # A transaction is open there.
        return False
    blocks = reader.blocks(topic, partition, start=done, end=end)
    async with aclosing(blocks):
        async for block in blocks:
            if block:
                return False
    return True


def _by_month(requests: Iterable[Request]) -> Iterable[tuple[Group, list[Request]]]:
    def month(request: Request) -> Group:
        start = datetime.fromtimestamp(request.window.start / 1000, UTC)
        return request.window.project, request.window.grain, f"{start:%Y%m}"

    for key, group in groupby(sorted(requests, key=month), key=month):
        yield key, list(group)


async def _stopped(stop: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True
