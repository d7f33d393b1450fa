"""The whole rebuild, in its order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from loopin_schemas.topics import DLQ, ENRICH_STATE, ENRICHED, IDENTITY_STATE, MERGE_STATE, RAW
from loopin_streams.enrich.draft import Origin
from loopin_streams.enrich.job import EnrichJob
from loopin_streams.identity.job import IdentityJob
from loopin_streams.kafka.config_log import read_config
from loopin_streams.kafka.marker import Counts, Marker
from loopin_streams.kafka.outbox import Probe, no_probe
from loopin_streams.kafka.reader import Reader
from loopin_streams.learning.answers import Answers
from loopin_streams.learning.model_log import read_models
from loopin_streams.learning.pins import Pins
from loopin_streams.merge.job import MergeJob
from loopin_streams.projects.project import Projects
from loopin_streams.rebuild.align import Aligned, align, look
from loopin_streams.rebuild.enrich import REACH_MS, EnrichRebuild, Plan, Rebuilt
from loopin_streams.rebuild.identity import RebuiltPersons, rebuild_identity
from loopin_streams.rebuild.idle import check_no_workers, fence
from loopin_streams.rebuild.letters import read_letters_of
from loopin_streams.rebuild.merge import left_behind, reset_merge, unmerged_windows
from loopin_streams.rebuild.old_state import erase_marker, kept_windows, readable_marker
from loopin_streams.rebuild.position import Position, find_position
from loopin_streams.rebuild.refused import RebuildRefused
from loopin_streams.rebuild.truth import Truth, WindowId
from loopin_streams.rebuild.watermark import common_watermark
from loopin_streams.settings import StreamSettings

Scope = Literal["enrich", "merge", "identity", "train"]
"""``enrich`` makes the merge new, too: it adds up what the enrichment counts. ``train`` is the trainer's."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What is going to be done; ``since`` is each project's oldest event time (epoch ms)."""

    plans: Sequence[Plan]
    watermark: int | None
    since: Mapping[str, int]
    events: int
    ends: Mapping[int, int]
    unmerged: frozenset[WindowId]
    merge_counts: Sequence[Counts]


@dataclass(frozen=True, slots=True)
class MergePreview:
    """What is going to be done to the merge alone."""

    aligned: Aligned
    unmerged: frozenset[WindowId]
    merge_counts: Sequence[Counts]


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Makes an installation's state new: first :meth:`prepare`, which changes no state, then :meth:`run`.

    ``topic_ids`` gives Kafka's ids by name without prefix.
    """

    settings: StreamSettings
    truth: Truth
    partitions: int
    topic_ids: dict[str, str]
    probe: Probe = no_probe

    async def prepare(self, caught_up: Callable[[], Awaitable[None]], *, accept_loss: bool) -> Preview:
        """See what there is; ``caught_up`` returns when the store holds all that was enriched.

        Raises:
            RebuildRefused: ``workers_run`` or ``records_lost``.
        """
        await self._shut_out(EnrichJob.name, MergeJob.name)
        await caught_up()
        newest, extents = await self.truth.newest(), await self.truth.extents()
        plans = [await self._plan(number) for number in range(self.partitions)]
        lost = {plan.partition: plan.position.lost for plan in plans if plan.position.lost}
        if lost and not accept_loss:
            raise RebuildRefused("records_lost", _loss(self.settings.topic(RAW.name), lost))
        waiting = {
            plan.partition: plan.position.waiting for plan in plans if plan.position.waiting is not None
        }
        return Preview(
            plans,
            common_watermark(newest, waiting),
            {project: extent.oldest for project, extent in extents.items()},
            sum(extent.events for extent in extents.values()),
            await self._ends(),
            await self._unmerged(),
            await self._merge_counts(),
        )

    async def run(self, preview: Preview, progress: Callable[[int], None]) -> list[Rebuilt]:
        """Replace all state. A run that is killed leaves no marker, so that workers refuse until the next.

        Raises:
            RebuildRefused: ``workers_run`` or ``workers_ran``.
            Fenced: a worker was started meanwhile.
        """
        await check_no_workers(self.settings)
        await self._erase(EnrichJob.name, ENRICH_STATE.name)
        await self._erase(MergeJob.name, MERGE_STATE.name)
        if await self._ends() != preview.ends:
            raise RebuildRefused(
                "workers_ran", "A worker ran meanwhile: see that none does, and run it again."
            )
        configured, models = await read_config(self.settings), await read_models(self.settings)
        enrich = EnrichRebuild(
            self.settings,
            self.truth,
            self.partitions,
            self.topic_ids,
            preview.watermark,
            Projects(self.settings.project, lambda: configured),
            Answers(lambda: models, Pins(lambda: configured)),
            progress,
            self.probe,
        )
        rebuilt = []
        doubtful = left_behind(preview.unmerged, preview.watermark)
        for plan in preview.plans:
            done, crowded = await enrich.run(plan)
            rebuilt.append(done)
            doubtful |= left_behind(plan.windows, preview.watermark) | set(crowded)
        # A repaired window outranks what the stream says of it, and now it is open again.
        settled = await self.truth.settled(since=(preview.watermark or 0) - REACH_MS)
        doubtful |= settled - left_behind(settled, preview.watermark)
        await self.truth.ask_for_repairs(doubtful)
        await self._reset_merge(preview.merge_counts)
        return rebuilt

    async def prepare_merge(self) -> MergePreview:
        """See what there is for a rebuild of the merge alone.

        Raises:
            RebuildRefused: ``workers_run`` or ``enrich_unfit``.
            RefusedToOpen: ``transaction_left_open``: the enrichment has to be rebuilt, too.
        """
        await self._shut_out(MergeJob.name)
        aligned = await look(self.settings, self.partitions, self.topic_ids)
        return MergePreview(aligned, await self._unmerged(), await self._merge_counts())

    async def run_merge(self, preview: MergePreview) -> None:
        """Replace the merge's state, and bring the enrichment's partitions to the same watermark.

        Raises:
            RebuildRefused: ``workers_run``.
            Fenced: a worker was started meanwhile.
        """
        await check_no_workers(self.settings)
        await self._erase(MergeJob.name, MERGE_STATE.name)
        aligned = preview.aligned
        doubtful = left_behind(preview.unmerged, aligned.watermark)
        for number in range(self.partitions):
            doubtful.update(aligned.gone(number).values())
        await self.truth.ask_for_repairs(doubtful)
        for number in range(self.partitions):
            await align(self.settings, aligned, number, self.probe)
        await self._reset_merge(preview.merge_counts)

    async def prepare_identity(self) -> None:
        """See that nobody is at work.

        Raises:
            RebuildRefused: ``workers_run``.
        """
        await self._shut_out(IdentityJob.name)

    async def run_identity(self) -> RebuiltPersons:
        """Replace the identity job's state, from the journal of merges and the stored events.

        Raises:
            RebuildRefused: ``workers_run``.
            Fenced: a worker was started meanwhile.
        """
        await check_no_workers(self.settings)
        await erase_marker(self.settings, IdentityJob.name, IDENTITY_STATE.name, 0, self.probe)
        return await rebuild_identity(self.settings, self.topic_ids, self.truth.identified(), self.probe)

    async def _shut_out(self, *made_anew: str) -> None:
        await check_no_workers(self.settings)
        await fence(self.settings, self.partitions, made_anew=made_anew)

    async def _plan(self, partition: int) -> Plan:
        settings, topic_id = self.settings, self.topic_ids[RAW.name]
        raw, state = settings.topic(RAW.name), settings.topic(ENRICH_STATE.name)
        topics = [(topic, partition) for topic in (raw, state, settings.topic(DLQ.name))]
        async with Reader(settings.kafka_bootstrap, topics) as reader:
            marker = await readable_marker(reader, state, partition)
            windows = await kept_windows(reader, state, partition)
            letters = await read_letters_of(reader, settings, partition, topic_id)
            position = await find_position(
                reader,
                self.truth,
                Origin(raw, topic_id, partition),
                marker=marker,
                letters_end=letters.end,
            )
        counts = _counts_of(marker, topic_id, position)
        return Plan(partition, position, letters, counts, frozenset(windows.values()))

    async def _ends(self) -> dict[int, int]:
        """Ends of the enriched events' logs, which only a worker moves."""
        topic = self.settings.topic(ENRICHED.name)
        numbers = range(self.partitions)
        async with Reader(self.settings.kafka_bootstrap, [(topic, number) for number in numbers]) as reader:
            return {number: (await reader.log(topic, number)).end for number in numbers}

    async def _unmerged(self) -> frozenset[WindowId]:
        found: set[WindowId] = set()
        for number in range(self.partitions):
            found |= await unmerged_windows(self.settings, number, self.topic_ids, self.truth)
        return frozenset(found)

    async def _merge_counts(self) -> list[Counts]:
        topic = self.settings.topic(MERGE_STATE.name)
        numbers = range(self.partitions)
        async with Reader(self.settings.kafka_bootstrap, [(topic, number) for number in numbers]) as reader:
            markers = [await readable_marker(reader, topic, number) for number in numbers]
        return [Counts() if marker is None else marker.counts for marker in markers]

    async def _erase(self, job: str, state_topic: str) -> None:
        for number in range(self.partitions):
            await erase_marker(self.settings, job, state_topic, number, self.probe)

    async def _reset_merge(self, counts: Sequence[Counts]) -> None:
        for number in range(self.partitions):
            await reset_merge(
                self.settings, number, self.partitions, self.topic_ids, counts[number], self.probe
            )


def _counts_of(marker: Marker | None, topic_id: str, position: Position) -> Counts | None:
    """The marker's counts, unless more was absorbed since."""
    if marker is None:
        return None
    stale = marker.topic_id == topic_id and marker.position < position.offset - position.lost
    return None if stale else marker.counts


def _loss(topic: str, lost: Mapping[int, int]) -> str:
    number = sum(lost.values())
    where = f"partition{'s' if len(lost) > 1 else ''} {', '.join(map(str, lost))} of {topic}"
    return (
        f"Up to {number:,} records of {where} were removed before anybody absorbed them: run it again with "
        "--accept-loss to go on without them."
    )
