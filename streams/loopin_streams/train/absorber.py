"""The trainer's state: a learner for each target of each project."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from time import monotonic
from typing import Final

import structlog

from loopin_schemas import topics
from loopin_schemas.codec import decode, encode
from loopin_schemas.errors import InvalidEvent
from loopin_schemas.example import Example
from loopin_schemas.model import Model, ModelRecord, SessionModel, Standing
from loopin_schemas.validation import check_project
from loopin_streams.anomalies.features import FEATURES, TARGET
from loopin_streams.anomalies.sessions import SessionLearner
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.job import Message, Output
from loopin_streams.kafka.marker import STATE_VERSION, Marker
from loopin_streams.learning.features import KEPT as KEPT_BYTES
from loopin_streams.learning.learner import DAY_MS, Learner
from loopin_streams.learning.models import Models, Of, Unusable, no_models, of_key, standing_key, version_key
from loopin_streams.learning.pins import NO_PINS, Pins
from loopin_streams.learning.targets import TARGETS, Target
from loopin_streams.train.kept import MOST, KeptExamples, kept_examples
from loopin_streams.train.published import Published

log = structlog.get_logger(__name__)

MENDED_AFTER_S: Final = 300.0
"""So long what cannot be read on the topic is left for people to be told of, seconds."""

VERSIONS: Final = 20
"""Of each target, newest first, that can be gone back to."""

_TARGETS: Final = {target.name: target for target in TARGETS}

_BYTES: Final = {**dict.fromkeys(_TARGETS, KEPT_BYTES), TARGET: len(FEATURES)}
"""Of an example's features, by target."""


class TrainAbsorber:
    """Learns in the order of the topic ``examples``, and publishes what changed.

    ``pins`` say which versions stay on the topic though they are old; one that was pinned goes with the next
    version after that. ``models`` is what can be read of the topic: what cannot is written once more as it
    was before; rubbish of which nobody knows that any more is removed. ``clock`` gives seconds from any
    beginning.
    """

    def __init__(
        self,
        pins: Pins = NO_PINS,
        models: Callable[[], Models] = no_models,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.learners: dict[Of, Learner] = {}
        self._pins = pins
        self._models = models
        self._clock = clock
        self._mend_at: dict[tuple[str, int], float] = {}
        self._published = Published()
        self.sessions: dict[str, SessionLearner] = {}
        self._kept: dict[Of, KeptExamples] = {}

    def restore(self, topic: str, records: Sequence[Record]) -> None:
        """Take in which models there are; what was learned is on the state topic."""
        for record in records:
            self._published.take(record.key or b"", record.value)

    def opened(self, marker: Marker, state: Mapping[bytes, bytes]) -> None:
        """Learn all that is kept once more."""
        self._kept = {of: kept for of, kept in kept_examples(state).items() if of[1] in _BYTES}
        for of, kept in self._kept.items():
            if of[1] == TARGET:
                self.sessions[of[0]] = session_learner(of[0], kept)
            else:
                self.learners[of] = learner_of(of, kept)
                # They were told before.
                self.learners[of].take_models()

    def absorb(self, records: Sequence[Record], position: int) -> Output:
        """Learn; models and standings that changed, and what is kept."""
        output = Output()
        output.counts.read = len(records)
        given: dict[Of, list[Example]] = {}
        for record in records:
            example = readable_example(record)
            if example is None:
                output.counts.dropped["unreadable"] = output.counts.dropped.get("unreadable", 0) + 1
                continue
            output.counts.passed += 1
            given.setdefault((example.project, example.target), []).append(example)
        for of, examples in given.items():
            if of[1] == TARGET:
                self._learn_sessions(of[0], examples, output)
            else:
                self._learn(of, examples, output)
        self._mend(output)
        return output

    def idle(self, position: int, caught_up_ms: int | None) -> Output | None:
        """What is broken on the topic does not wait for examples."""
        output = Output()
        self._mend(output)
        return output if output.messages else None

    def holds(self) -> Mapping[str, int]:
        """Learners, and the examples that they are put together from."""
        learners = len(self.learners) + len(self.sessions)
        return {"learners": learners, "examples": sum(map(len, self._kept.values()))}

    def close(self) -> None:
        """Nothing to let go of."""

    def _learn(self, of: Of, examples: Sequence[Example], output: Output) -> None:
        kept = self._kept.setdefault(of, KeptExamples(*of))
        learner = self.learners.get(of)
        if learner is None:
            learner = self.learners[of] = learner_of(of, kept)
        learner.learn(examples)
        made = learner.take_models()
        if _keep(kept, examples, learner, output):
            learner = self.learners[of] = learner_of(of, kept)
            made += learner.take_models()
        for model in made:
            self._published.put(output, version_message(model))
        if made:
            wanted = {self._pins.of_all().get(of), learner.tried_against()}
            for version in self._published.outdated(of, VERSIONS, wanted):
                self._published.put(output, (version_key(*of, version), None))
        if self._published.is_news(standing := learner.standing()):
            self._published.put(output, standing_message(standing))

    def _mend(self, output: Output) -> None:
        """Write once more what cannot be read of the targets that are learned here, once for each record."""
        models, now = self._models(), self._clock()
        # A copy at once: it may be changed from another thread meanwhile.
        broken = list(models.broken.items())
        before = self._mend_at
        self._mend_at = {
            (one.key, one.offset): before.get((one.key, one.offset), now + MENDED_AFTER_S)
            for _, one in broken
        }
        for key, one in broken:
            if now >= self._mend_at[one.key, one.offset] and (message := self._as_it_was(models, key, one)):
                self._mend_at[one.key, one.offset] = inf
                self._published.put(output, message)

    def _as_it_was(self, models: Models, key: bytes, broken: Unusable) -> Message | None:
        """A record in place of one that cannot be read; None where nothing of its target is learned here.

        What another release may be able to read is never removed: people may go back to that one.
        """
        removed = (key, None) if broken.rubbish else None
        if (found := of_key(key)) is None:
            return None
        of, version = found
        if of[1] == TARGET and of[0] in self.sessions:
            sessions = self.sessions[of[0]].model() if version is None else None
            return sessions_message(sessions) if sessions is not None else removed
        if of not in self.learners:
            return None
        if version is None:
            return standing_message(self.learners[of].standing())
        model = models.versions(*of).get(version)
        return version_message(model) if model is not None else removed

    def _learn_sessions(self, project: str, examples: Sequence[Example], output: Output) -> None:
        kept = self._kept.setdefault((project, TARGET), KeptExamples(project, TARGET))
        learner = self.sessions.get(project)
        if learner is None:
            learner = self.sessions[project] = session_learner(project, kept)
        before = learner.version
        learner.learn(examples)
        if _keep(kept, examples, learner, output):
            learner = self.sessions[project] = session_learner(project, kept)
        model = learner.model() if learner.version > before else None
        if model is not None:
            output.add(topics.MODELS.name, *sessions_message(model))


def _keep(
    kept: KeptExamples, examples: Sequence[Example], learner: Learner | SessionLearner, output: Output
) -> bool:
    """Keep more examples; whether they are so many that the learner is to begin anew with the newest."""
    for message in kept.add(examples):
        output.add(topics.TRAIN_STATE.name, *message)
    if len(kept) < MOST:
        return False
    for message in kept.begin_anew(learner.version, learner.learned):
        output.add(topics.TRAIN_STATE.name, *message)
    return True


def session_learner(project: str, kept: KeptExamples) -> SessionLearner:
    """One that has learned all that is kept."""
    version, learned = kept.begun
    learner = SessionLearner(project, version=version, learned=learned)
    learner.learn(list(kept))
    return learner


def version_message(model: Model) -> Message:
    """What puts a version on the topic."""
    key = version_key(model.project, model.target, model.version)
    return key, encode(ModelRecord(model=model, version=STATE_VERSION))


def sessions_message(model: SessionModel) -> Message:
    """What puts a model of sessions on the topic."""
    return standing_key(model.project, TARGET), encode(ModelRecord(sessions=model, version=STATE_VERSION))


def standing_message(standing: Standing) -> Message:
    """What puts a standing on the topic."""
    record = ModelRecord(standing=standing, version=STATE_VERSION)
    return standing_key(standing.project, standing.target), encode(record)


def learner_of(of: Of, kept: KeptExamples) -> Learner:
    """One that has learned all that is kept."""
    project, name = of
    target: Target = _TARGETS[name]
    version, learned = kept.begun
    learner = Learner(project, target, version=version, learned=learned)
    examples = list(kept)
    learner.relearn(examples[: kept.again])
    learner.learn(examples[kept.again :])
    return learner


def _is_project(name: str) -> bool:
    try:
        check_project(name)
    except InvalidEvent:
        return False
    return True


def readable_example(record: Record) -> Example | None:
    """The record's example; None, and a word in the log, where this release cannot learn from it.

    The latest that an outcome can be known is a day after the broker took the record.
    """
    try:
        example = decode(record.value or b"", Example)
    except (ValueError, RecursionError) as error:
        log.error("example_unreadable", offset=record.offset, reason=str(error)[:200])
        return None
    if len(example.features) != _BYTES.get(example.target):
        log.error("example_of_another_release", offset=record.offset, target=example.target)
        return None
    latest = record.timestamp + DAY_MS
    if not (0 <= example.made_at <= example.known_at <= latest and _is_project(example.project)):
        log.error("example_of_no_time_or_project", offset=record.offset, target=example.target)
        return None
    return example
