"""What a running system learns and says of users while its processes are killed: as if none had been.

The trainer's models are compared with those of one that learned the same examples without an interruption,
and each user's scores with what the version that they name says of the user's behaviour.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from loopin_deploy.api_client import ApiClient
from loopin_deploy.data_folder import DataFolder, open_data_folder
from loopin_deploy.stack import Plan, Ports, Stack, running_stack
from loopin_producers import Loopin
from loopin_schemas.codec import decode
from loopin_schemas.example import Example
from loopin_schemas.model import Model, ModelRecord, SessionModel
from loopin_schemas.profile import Profile, Score
from loopin_streams.anomalies.features import TARGET as SESSION
from loopin_streams.anomalies.sessions import SessionLearner
from loopin_streams.kafka.marker import MARKER_KEY, Marker
from loopin_streams.learning.features import KEPT, contrasts, features_of
from loopin_streams.learning.learner import Learner
from loopin_streams.learning.scoring import log_odds, sigmoid
from loopin_streams.learning.targets import CHURN, TARGETS
from loopin_streams.train.absorber import TrainAbsorber
from tests.e2e.prefork import until
from tests.e2e.test_worker_killed import kill_and_await_successor

PROJECT: Final = "demo"
USERS, DAYS = 250, 110
_TARGETS: Final = {target.name: target for target in TARGETS}


async def test_models_and_scores_are_as_if_nothing_had_been_killed(tmp_path: Path) -> None:
    with open_data_folder(tmp_path / "data") as folder:
        async with _running(folder) as stack:
            await asyncio.to_thread(_live_through_kills, stack)
            await asyncio.to_thread(_everybody_comes, stack)
            kept = await asyncio.to_thread(_judged, stack)
            await asyncio.to_thread(_a_score_follows_its_event, stack, kept)
            kept = await asyncio.to_thread(_scores, stack)
        # The same after all of it was down.
        async with _running(folder) as stack:
            again = await asyncio.to_thread(_scores, stack)
    same = [user for user, scores in kept.items() if again.get(user) == scores]
    later = [
        user
        for user, scores in kept.items()
        if user in again and again[user]["churn"].at > scores["churn"].at  # Its turn of the day has come.
    ]
    assert len(same) + len(later) == len(kept)
    assert len(same) > len(kept) * 0.9


def _running(folder: DataFolder) -> Any:
    plan = Plan(folder, Ports(0, 0, 0), (PROJECT,), {PROJECT: 365}, host_metrics=False)
    return running_stack(plan, on_line=lambda *_: None, on_notice=print)


def _live_through_kills(stack: Stack) -> None:
    """Months of a simulated world go through; stream and trainer are killed in the midst of them."""
    command = ["simulate", "--project", PROJECT, "--users", str(USERS), "--days", str(DAYS), "--end", "now"]
    simulated = subprocess.Popen(
        [sys.executable, "-m", "loopin_deploy", *command, "--seed", "31", "--speed", "max"],
        env={**os.environ, "LOOPIN_KAFKA_BOOTSTRAP": stack.state.bootstrap},
        stdout=subprocess.DEVNULL,
    )
    for name, topic, records in (
        ("stream", "profiles", 100),
        ("trainer", "models", 1),
        ("stream", "examples", 400),
        ("trainer", "models", 6),
    ):
        until(_reached(stack, topic, records), f"{records} records on {topic}", 600)
        kill_and_await_successor(stack, name)
    assert simulated.wait(600) == 0
    api = _api(stack)
    sent = _end(stack, "events.raw")
    until(lambda: _stored(api) == sent, "all events are stored", 900)
    until(lambda: _learned(stack), "all examples are learned", 900)


def _everybody_comes(stack: Stack) -> None:
    """All who are scored do something: the newest models say what of it."""
    standings = {
        record.standing.target: record.standing for record in _models(stack) if record.standing is not None
    }
    answers = {name for name, standing in standings.items() if standing.answers == "model"}
    assert "conversion" in answers, standings
    before = _scores(stack)
    with Loopin(stack.state.bootstrap, PROJECT) as client:
        for user in before:
            client.capture("message_sent", user, {"length": 3})

    def scored() -> bool:
        return all(
            user in now and (score := now[user][name]).at > before[user][name].at and score.version > 0
            for now in [_scores(stack)]
            for user in before
            for name in answers & now.get(user, {}).keys()
        )

    until(scored, "scores of everybody by the models", 300)


def _reached(stack: Stack, topic: str, records: int) -> Callable[[], bool]:
    return lambda: _end(stack, topic) >= records


def _learned(stack: Stack) -> bool:
    """Whether the trainer's marker, committed with what it learned, is past every example there is."""
    newest = max((message.offset() or 0 for message in _read(stack, "examples")), default=-1)
    return _position(stack) > newest


def _position(stack: Stack) -> int:
    """The offset of the first example that the trainer has not learned yet."""
    markers = [message.value() for message in _read(stack, "train.state") if message.key() == MARKER_KEY]
    return decode(markers[-1] or b"", Marker).position if markers else 0


def _settled_models(stack: Stack) -> tuple[int, list[ModelRecord]]:
    """What is on the topic ``models``, and the trainer's position then."""
    while True:
        position = _position(stack)
        records = _models(stack)
        if _position(stack) == position:
            return position, records


def _judged(stack: Stack) -> dict[str, dict[str, Score]]:
    """Compare models with an undisturbed trainer's, and scores with the versions that they name."""
    until(lambda: _learned(stack), "all examples are learned", 900)
    position, records = _settled_models(stack)
    published = {
        (model.target, model.version): model for record in records if (model := record.model) is not None
    }
    rows = contrasts(np.random.default_rng(5).integers(60, 200, (300, KEPT)).astype(np.uint8))
    for learner in _undisturbed(stack, position):
        name, newest = learner.target.name, learner.model()
        columns = rows[:, list(learner.target.columns())]
        told = {number: model for (target, number), model in published.items() if target == name}
        assert (newest.version if newest else 0) == max(told, default=0)
        for version in learner.versions:
            if (model := told.get(version.number)) is not None:
                slope, intercept = version.calibration[model.method]
                scores = log_odds(version.scorers[model.method], columns)
                expected = sigmoid(slope * scores + intercept)
                assert _chances(model, columns) == pytest.approx(expected, abs=1e-9)
        if newest is not None:
            assert told[newest.version].method == newest.method
    sessions = [record.sessions for record in records if record.sessions is not None]
    assert sessions[-1] == _session_model(stack, sessions[-1].version)
    assert {target for target, _ in published} >= {"churn", "conversion"}

    found = _scores(stack)
    by_model = 0
    for key, profile in _profiles(stack).items():
        for name, score in profile.scores.items():
            assert profile.behaviour is not None
            assert 0 <= score.chance <= 1
            if score.version == 0:
                continue
            by_model += 1
            row = contrasts(features_of([profile.behaviour], [score.at]))[:, list(_TARGETS[name].columns())]
            said = _chances(published[name, score.version], row)[0]
            assert score.chance == pytest.approx(said, abs=6e-5), key
            assert len(score.reasons) == 3
    assert by_model > 0
    return found


def _undisturbed(stack: Stack, position: int) -> list[Learner]:
    """What one that was never killed makes of the examples before an offset, in other batches."""
    absorber = TrainAbsorber()
    absorber.opened(Marker(topic_id="t", position=0), {})
    messages = [one for one in _examples(stack, *_TARGETS) if (one.offset() or 0) < position]
    for first in range(0, len(messages), 173):
        part = [_Sent(message) for message in messages[first : first + 173]]
        absorber.absorb(part, first + len(part))
    return list(absorber.learners.values())


def _session_model(stack: Stack, version: int) -> SessionModel | None:
    """The version that one who was never killed makes of the sessions."""
    learner = SessionLearner(PROJECT)
    for message in _examples(stack, SESSION):
        if learner.version < version:
            learner.learn([decode(message.value() or b"", Example)])
    return learner.model()


class _Sent:
    """A message as the lane gives it."""

    def __init__(self, message: Message) -> None:
        self.key, self.value = message.key(), message.value()
        self.offset, self.timestamp = message.offset() or 0, message.timestamp()[1]


def _a_score_follows_its_event(stack: Stack, scores: dict[str, dict[str, Score]]) -> None:
    """A user does something: topic, store and API have a score that knows of it."""
    user = max(scores, key=lambda each: scores[each]["churn"].chance)
    before, events = scores[user]["churn"], _profiles(stack)[user].events
    with Loopin(stack.state.bootstrap, PROJECT) as client:
        for _ in range(5):
            client.capture("message_sent", user, {"length": 3})
    api = _api(stack)

    def told() -> dict[str, Any]:
        answer = api.ask("GET", "/api/analytics/predictions?kind=churn&limit=1000")
        rows = {str(row["user_id"]): row for row in answer["users"]}
        return dict(rows[user])

    def calculated_ms() -> float:
        at: str = told()["calculated_at"]
        return datetime.fromisoformat(at).astimezone(UTC).timestamp() * 1000

    until(lambda: calculated_ms() > before.at, "the score of after the event", 300)
    until(lambda: _profiles(stack)[user].events == events + 5, "the profile counts all", 300)
    now = _profiles(stack)[user].scores["churn"]
    until(lambda: told()["score"] == now.chance, "the API tells the newest score", 300)


def _chances(model: Model, rows: Any) -> Any:
    return sigmoid(model.slope * log_odds(model.scorer, rows) + model.intercept)


def _scores(stack: Stack) -> dict[str, dict[str, Score]]:
    return {
        user: profile.scores for user, profile in _profiles(stack).items() if CHURN.name in profile.scores
    }


def _profiles(stack: Stack) -> dict[str, Profile]:
    newest = {message.key(): message.value() for message in _read(stack, "profiles")}
    return {
        (key or b"").decode().partition(":")[2]: decode(value, Profile)
        for key, value in newest.items()
        if value is not None
    }


def _examples(stack: Stack, *targets: str) -> list[Message]:
    return [
        message
        for message in _read(stack, "examples")
        if decode(message.value() or b"", Example).target in targets
    ]


def _models(stack: Stack) -> list[ModelRecord]:
    return [
        decode(value, ModelRecord)
        for message in _read(stack, "models")
        if (value := message.value()) is not None
    ]


def _api(stack: Stack) -> ApiClient:
    return ApiClient(stack.state.api_url, stack.secrets.personal_key(PROJECT))


def _stored(api: ApiClient) -> int | None:
    """How many events are stored; None while the store does not answer."""
    try:
        return int(api.overview()["tracked_events"])
    except RuntimeError:
        return None


def _partitions(stack: Stack, topic: str) -> list[TopicPartition]:
    admin = AdminClient({"bootstrap.servers": stack.state.bootstrap})
    found = admin.list_topics(f"loopin.{topic}", timeout=60).topics[f"loopin.{topic}"].partitions
    return [TopicPartition(f"loopin.{topic}", number, 0) for number in found]


def _end(stack: Stack, topic: str) -> int:
    """Offsets at the end of all partitions, added up."""
    consumer = Consumer({"bootstrap.servers": stack.state.bootstrap, "group.id": "unused"})
    try:
        return sum(consumer.get_watermark_offsets(at, timeout=60)[1] for at in _partitions(stack, topic))
    finally:
        consumer.close()


def _read(stack: Stack, topic: str) -> list[Message]:
    """Every committed record, by partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": stack.state.bootstrap,
            "group.id": "unused",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    found: list[Message] = []
    try:
        assigned = _partitions(stack, topic)
        consumer.assign(assigned)
        ended = 0
        while ended < len(assigned):
            for message in consumer.consume(10_000, 0.05):
                if message.error() is None:
                    found.append(message)
                else:
                    ended += 1
    finally:
        consumer.close()
    return sorted(found, key=lambda message: (message.partition() or 0, message.offset() or 0))
