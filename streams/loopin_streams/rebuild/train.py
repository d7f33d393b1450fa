"""The trainer's state: what the topic ``examples`` still holds, learned once more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from loopin_schemas.example import Example
from loopin_schemas.topics import EXAMPLES, MODELS, TRAIN_STATE
from loopin_streams.anomalies.features import TARGET as SESSIONS
from loopin_streams.anomalies.sessions import SessionLearner
from loopin_streams.kafka.job import Message
from loopin_streams.kafka.marker import STATE_VERSION, Counts, Marker
from loopin_streams.kafka.outbox import Probe, no_probe
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.learning.learner import Learner
from loopin_streams.learning.model_log import read_models
from loopin_streams.learning.models import Models, Of
from loopin_streams.rebuild.idle import TRAINERS, check_no_workers, fence
from loopin_streams.rebuild.old_state import (
    BEGUN_KEY,
    commit_all,
    erase_marker,
    last_messages,
    own_outbox,
    readable_marker,
    stale_keys,
)
from loopin_streams.train.absorber import (
    learner_of,
    readable_example,
    session_learner,
    sessions_message,
    standing_message,
    version_message,
)
from loopin_streams.train.job import TrainJob
from loopin_streams.train.kept import KeptExamples


class RebuiltModels(NamedTuple):
    """How many targets of projects were learned, from how many examples, and from which offset it goes on."""

    targets: int
    examples: int
    position: int


async def prepare_train(settings: KafkaSettings) -> None:
    """See that no trainer is at work.

    Raises:
        RebuildRefused: ``workers_run``.
    """
    await check_no_workers(settings, TRAINERS)
    await fence(settings, 1, made_anew=TRAINERS, jobs=TRAINERS)


async def rebuild_train(
    settings: KafkaSettings, topic_ids: Mapping[str, str], probe: Probe = no_probe
) -> RebuiltModels:
    """Replace the state, the marker last. Versions go on counting from the newest on the topic ``models``.

    Raises:
        RebuildRefused: ``workers_run``.
        Fenced: a trainer was started meanwhile.
    """
    await check_no_workers(settings, TRAINERS)
    state, input = settings.topic(TRAIN_STATE.name), settings.topic(EXAMPLES.name)
    models = await read_models(settings)
    async with Reader(settings.kafka_bootstrap, [(state, 0), (input, 0)]) as reader:
        before = await readable_marker(reader, state, 0)
        log = await reader.log(input, 0)
        learned = await _learn(reader, input, log.end, models)
        await erase_marker(settings, TrainJob.name, TRAIN_STATE.name, 0, probe)
        async with own_outbox(settings, TrainJob.name, 0, probe) as outbox:

            def left_over(keys: Sequence[bytes]) -> list[bytes]:
                return [key for key in keys if key != BEGUN_KEY]

            await commit_all(outbox, state, 0, stale_keys(reader, state, 0, left_over))
            await commit_all(
                outbox, state, 0, (each for kept, _ in learned.values() for each in kept.whole())
            )
            told = (each for _, learner in learned.values() for each in _told(learner))
            await commit_all(outbox, settings.topic(MODELS.name), 0, told)
            marker = _marker(before, topic_ids, log.end)
            await outbox.commit([(state, 0, last_messages(marker))])
    return RebuiltModels(len(learned), sum(len(kept) for kept, _ in learned.values()), marker.position)


async def _learn(
    reader: Reader, topic: str, end: int, models: Models
) -> dict[Of, tuple[KeptExamples, Learner | SessionLearner]]:
    given: dict[Of, list[Example]] = {}
    async for block in reader.blocks(topic, 0, end=end):
        for record in block:
            example = readable_example(record)
            if example is not None:
                given.setdefault((example.project, example.target), []).append(example)
    found: dict[Of, tuple[KeptExamples, Learner | SessionLearner]] = {}
    for of, examples in given.items():
        kept = KeptExamples(*of)
        if of[1] == SESSIONS:
            sessions = models.sessions(of[0])
            version, known = (0, 0) if sessions is None else (sessions.version, sessions.examples)
            kept.begin(examples, version, max(len(examples), known))
            found[of] = kept, await asyncio.to_thread(session_learner, of[0], kept)
            continue
        standing = models.standings.get(of)
        newest = max([*models.versions(*of), (standing.version or 0) if standing is not None else 0])
        kept.begin(examples, newest, max(len(examples), 0 if standing is None else standing.examples))
        found[of] = kept, await asyncio.to_thread(learner_of, of, kept)
    return found


def _told(learner: Learner | SessionLearner) -> Iterator[Message]:
    """The models that may answer, and how they stand; older ones stay on the topic."""
    if isinstance(learner, SessionLearner):
        if (of_sessions := learner.model()) is not None:
            yield sessions_message(of_sessions)
        return
    yield from map(version_message, learner.take_models())
    yield standing_message(learner.standing())


def _marker(before: Marker | None, topic_ids: Mapping[str, str], position: int) -> Marker:
    same = before is not None and before.topic_id == topic_ids[EXAMPLES.name]
    return Marker(
        topic_id=topic_ids[EXAMPLES.name],
        position=position,
        counts=before.counts if same and before is not None else Counts(),
        partitions=1,
        stores={name: topic_ids[name] for name in (TrainJob.state_topic, *TrainJob.history)},
        version=STATE_VERSION,
    )
