"""The demo: a real shop's clickstream and a simulated community's events, through the whole system."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from loopin_deploy.api_client import ApiClient
from loopin_deploy.errors import DeployError
from loopin_deploy.stack import Stack
from loopin_producers import DeliveryFailed, Loopin
from loopin_producers.broken_records import broken_records
from loopin_producers.replay import Replay, Summary, load_mapping
from loopin_producers.replay.ecom import ecom_file, ecom_map
from loopin_producers.simulator import KafkaOutput, Parameters, Simulation, Written, resumed
from loopin_schemas.topics import ENRICH_STATE, event_key
from loopin_streams.kafka.marker import Counts
from loopin_streams.kafka.progress import job_counts
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin

SHOP = "shop"
COMMUNITY = "demo"
RETENTION_DAYS = {SHOP: 365}
USERS, DAYS, SEED = 60, 14, 14
"""The community's world: it began two weeks before the first run, and each run brings it up to now."""

REPEATS = 5
"""Events that are sent a second time with the same uuid, as a client does that missed the answer."""

STALL_S = 60.0
_POLL_S = 0.2


class Result(msgspec.Struct, frozen=True):
    """What one demo run did. ``dropped`` counts by reason; times are ms from sending to queryable."""

    published: int
    enriched: int
    stored: int
    dead_lettered: int
    dropped: dict[str, int]
    events_per_s: float
    p50_ms: float | None
    p99_ms: float | None

    @property
    def adds_up(self) -> bool:
        """Whether every published event is accounted for."""
        return self.published == self.stored + self.dead_lettered + sum(self.dropped.values())


@dataclass(frozen=True, slots=True)
class Sample:
    """What came out of one project."""

    project: str
    events: int
    users: int
    active_today: int
    revenue: float
    top_events: list[tuple[str, int]]
    sentiments: dict[str, int]


@dataclass(frozen=True, slots=True)
class _State:
    """Totals over all projects and all time."""

    counts: Counts
    stored: int


class Demo:
    """One run over a running stack; :meth:`run` blocks its coroutine only, not the event loop.

    Args:
        stack: the system.
        on_replayed: told how far the shop's file is.
        on_stored: told (stored, expected) while the rest comes in.
    """

    def __init__(
        self,
        stack: Stack,
        progress_folder: Path,
        *,
        on_replayed: Callable[[Summary], None],
        on_stored: Callable[[int, int], None],
    ) -> None:
        self._settings = KafkaSettings(kafka_bootstrap=stack.state.bootstrap)
        self._partitions: int
        self._progress_file = progress_folder / "ecom.json"
        self._world_file = progress_folder / "world.json"
        self._on_replayed = on_replayed
        self._on_stored = on_stored
        self._stopped = False
        self._clients = {
            project: ApiClient(stack.state.api_url, stack.secrets.personal_key(project))
            for project in (SHOP, COMMUNITY)
        }

    async def run(self) -> Result:
        """Publish, and wait until all of it is stored, dead-lettered or dropped.

        Raises:
            DeployError: ``demo_stalled`` when nothing moves for a minute.
            ReplayError: the shop's file is missing.
            BrokerUnreachable: no broker answers.
        """
        await self._caught_up()
        # The workers may have been started with another number than this process's settings say.
        topics = await asyncio.to_thread(TopicAdmin(self._settings).describe)
        self._partitions = topics[ENRICH_STATE.name].partitions
        before = await self._state()
        started = time.monotonic()
        published = await asyncio.to_thread(self._publish)
        after = await self._settled(before, published)
        seconds = time.monotonic() - started
        latency = await asyncio.to_thread(self._clients[SHOP].latency_ms)
        dropped = _difference(after.counts.dropped, before.counts.dropped)
        return Result(
            published=published,
            enriched=after.counts.passed - before.counts.passed,
            stored=after.stored - before.stored,
            dead_lettered=sum(_difference(after.counts.dead_lettered, before.counts.dead_lettered).values()),
            dropped=dropped,
            events_per_s=round(published / seconds, 1),
            p50_ms=latency.get("0.5"),
            p99_ms=latency.get("0.99"),
        )

    def stop(self) -> None:
        """Let a replay that is under way end; what it has published is noted, so the next run goes on."""
        self._stopped = True

    def _progress(self, done: Summary) -> None:
        self._on_replayed(done)
        if self._stopped:
            raise asyncio.CancelledError

    def samples(self) -> list[Sample]:
        """What the API says of each project now."""
        return [_sample(project, client) for project, client in self._clients.items()]

    def _publish(self) -> int:
        with self._client(SHOP) as client:
            mapping = load_mapping(ecom_map())
            replay = Replay(
                client,
                ecom_file(),
                mapping,
                shift_to="now",
                progress_file=self._progress_file,
                on_progress=self._progress,
            )
            summary = replay.run()
        if summary.problem:
            raise DeployError("replay_ended", None, summary.problem)
        with self._client(COMMUNITY) as client:
            self._simulate(client, time.time_ns() // 1_000_000)
            while not self._stopped and client.flush(0.5):
                continue
            delivered = client.stats().delivered
        return summary.published + delivered

    def _simulate(self, client: Loopin, now_ms: int) -> None:
        """Publish the community's events up to now, some of them twice, and records that are broken."""
        start = (datetime.fromtimestamp(now_ms / 1000, UTC) - timedelta(days=DAYS)).date()
        wanted = Parameters(project=COMMUNITY, users=USERS, days=DAYS, seed=SEED, start=start)
        earlier = resumed(self._world_file, wanted, any_start=True)
        output = _Remembering(client)
        simulation = Simulation(
            earlier.world,
            output,
            end_ms=now_ms,
            skipped=earlier.acknowledged,
            progress_file=self._world_file,
            on_progress=lambda _: simulation.stop() if self._stopped else None,
        )
        if problem := simulation.run().problem:
            raise DeployError("simulation_ended", None, problem)
        for written in output.last:
            client.publish_record(
                event_key(COMMUNITY, written.distinct_id.decode()), written.body, _unnoticed
            )
        for _, key, value in broken_records(COMMUNITY, SEED):
            client.publish_record(key, value, _unnoticed)

    def _client(self, project: str) -> Loopin:
        return Loopin(
            self._settings.kafka_bootstrap,
            project,
            topic_prefix=self._settings.topic_prefix,
            disabled=False,
        )

    async def _state(self) -> _State:
        counts = await job_counts(
            self._settings.kafka_bootstrap, self._settings.topic(ENRICH_STATE.name), self._partitions
        )
        stored = await asyncio.to_thread(
            lambda: sum(int(client.overview()["tracked_events"]) for client in self._clients.values())
        )
        return _State(counts, stored)

    async def _caught_up(self) -> None:
        """Wait until what an earlier run has published is stored, so that this run counts its own only."""
        moved, last = time.monotonic(), -1
        while True:
            components = (await asyncio.to_thread(self._clients[SHOP].health))["components"]
            lags = [components[name]["lag"] for name in ("stream", "sink")]
            behind = sum(lag if lag is not None else 1 for lag in lags)
            if behind == 0:
                return
            if behind != last:
                last, moved = behind, time.monotonic()
            elif time.monotonic() - moved > STALL_S:
                raise DeployError(
                    "demo_stalled",
                    None,
                    f"Nothing has moved for {STALL_S:.0f} s ({behind} records of an earlier run wait): "
                    "see the logs in the data folder.",
                )
            await asyncio.sleep(_POLL_S)

    async def _settled(self, before: _State, published: int) -> _State:
        last, moved = before, time.monotonic()
        while True:
            now = await self._state()
            expected = published - _left_out(now.counts) + _left_out(before.counts)
            self._on_stored(now.stored - before.stored, expected)
            read = now.counts.read - before.counts.read
            if read >= published and now.stored - before.stored >= now.counts.passed - before.counts.passed:
                return now
            if now != last:
                last, moved = now, time.monotonic()
            elif time.monotonic() - moved > STALL_S:
                raise DeployError(
                    "demo_stalled",
                    None,
                    f"Nothing has moved for {STALL_S:.0f} s ({read} of {published} events read): "
                    "see the logs in the data folder.",
                )
            await asyncio.sleep(_POLL_S)


class _Remembering(KafkaOutput):
    """Keeps the last events, to send them again."""

    def __init__(self, client: Loopin) -> None:
        super().__init__(client)
        self.last: deque[Written] = deque(maxlen=REPEATS)

    def send(self, number: int, written: Written) -> bool:
        """Publish, and keep."""
        self.last.append(written)
        return super().send(number, written)


def _unnoticed(failure: DeliveryFailed | None, partition: int, offset: int) -> None:
    """The client counts deliveries; there is nothing to add."""


def _left_out(counts: Counts) -> int:
    return sum(counts.dropped.values()) + sum(counts.dead_lettered.values())


def _difference(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {name: n - before.get(name, 0) for name, n in after.items() if n > before.get(name, 0)}


def _sample(project: str, client: ApiClient) -> Sample:
    overview = client.overview()
    names: Counter[str] = Counter()
    users: set[str] = set()
    sentiments: Counter[str] = Counter()
    for row in client.exported():
        names[row["event"]] += 1
        users.add(row["distinct_id"])
        if row["sentiment_label"]:
            sentiments[row["sentiment_label"]] += 1
    return Sample(
        project=project,
        events=names.total(),
        users=len(users),
        active_today=overview["active_users_today"],
        revenue=overview["total_revenue"],
        top_events=names.most_common(5),
        sentiments=dict(sentiments),
    )
