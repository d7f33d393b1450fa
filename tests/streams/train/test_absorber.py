"""The trainer's absorber: what it learns, keeps and publishes, and that one that begins again is the same."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
import pytest

from loopin_schemas.codec import decode, encode
from loopin_schemas.example import Example
from loopin_schemas.model import Model, ModelRecord, SessionModel, Standing
from loopin_streams.anomalies.features import FEATURES
from loopin_streams.kafka.job import Output
from loopin_streams.kafka.marker import Marker
from loopin_streams.learning.features import KEPT, contrasts
from loopin_streams.learning.models import Models
from loopin_streams.learning.pins import NO_PINS, Pins
from loopin_streams.learning.scoring import probabilities
from loopin_streams.learning.targets import CHURN
from loopin_streams.train import absorber as train_absorber
from loopin_streams.train import kept as train_kept
from loopin_streams.train.absorber import TrainAbsorber
from loopin_streams.train.job import TrainJob

DAY_MS = 86_400_000


@dataclass
class Sent:
    offset: int
    value: bytes | None
    key: bytes | None = None
    timestamp: int = 2_000_000_000_000


def examples(number: int, project: str = "demo", target: str = "churn", seed: int = 1) -> list[Example]:
    rng = np.random.default_rng(seed)
    found = []
    for place in range(number):
        features = rng.integers(80, 160, KEPT).astype(np.uint8)
        chance = 1 / (1 + np.exp(-(float(features[1]) - 130) / 8))
        made_at = place * DAY_MS // 60
        found.append(
            Example(
                project=project,
                target=target,
                distinct_id=f"user-{place}",
                made_at=made_at,
                known_at=made_at + 30 * DAY_MS,
                features=features.tobytes(),
                outcome=bool(rng.random() < chance),
            )
        )
    return found


class Topics:
    """What a compacted topic holds after some outputs."""

    def __init__(self) -> None:
        self.held: dict[str, dict[bytes, bytes]] = {}

    def take(self, output: Output) -> None:
        for topic, messages in output.messages.items():
            held = self.held.setdefault(topic, {})
            for key, value in messages:
                assert key is not None
                if value is None:
                    held.pop(key, None)
                else:
                    held[key] = value


def run(absorber: TrainAbsorber, given: list[Example], topics: Topics, batch: int = 97) -> None:
    for at in range(0, len(given), batch):
        part = given[at : at + batch]
        topics.take(
            absorber.absorb([Sent(at + n, encode(one)) for n, one in enumerate(part)], at + len(part))
        )


def opened(topics: Topics, pins: Pins = NO_PINS) -> TrainAbsorber:
    absorber = TrainAbsorber(pins)
    assert TrainJob.history == ("models",)
    absorber.restore(
        "models",
        [Sent(at, value, key) for at, (key, value) in enumerate(topics.held.get("models", {}).items())],
    )
    absorber.opened(Marker(topic_id="t", position=0), topics.held.get("train.state", {}))
    return absorber


def newest(topics: Topics) -> tuple[Model, Standing]:
    standing = standing_of(topics, "demo")
    model = decode(topics.held["models"][f"demo:churn:{standing.version}".encode()], ModelRecord).model
    assert model is not None
    return model, standing


def versions_of(topics: Topics) -> list[int]:
    return sorted(int(key.split(b":")[2]) for key in topics.held["models"] if key.startswith(b"demo:churn:"))


def standing_of(topics: Topics, project: str) -> Standing:
    found = decode(topics.held["models"][f"{project}:churn".encode()], ModelRecord).standing
    assert found is not None
    return found


def test_models_and_standings_are_published() -> None:
    topics, absorber = Topics(), opened(Topics())
    run(absorber, examples(900), topics)
    model, standing = newest(topics)
    assert standing.answers == "model"
    assert standing.examples == 900
    assert standing.qualities["logistic"].auc == pytest.approx(0.85, abs=0.1)
    assert (model.method, model.version) == (standing.champion, standing.version)
    assert absorber.holds() == {"learners": 1, "examples": 900}


@pytest.mark.parametrize("batch", [1, 97, 900])
def test_each_version_is_published_however_many_a_batch_brings(batch: int) -> None:
    topics, absorber = Topics(), opened(Topics())
    run(absorber, examples(900), topics, batch)
    versions = versions_of(topics)
    assert versions == [*range(1, standing_of(topics, "demo").version or 0), versions[-1]]
    assert versions[-1] == standing_of(topics, "demo").version


@pytest.mark.parametrize("cut", [50, 350, 800])
def test_a_trainer_that_begins_again_goes_on_as_if_it_had_not(cut: int) -> None:
    given = examples(1000)
    topics, whole = Topics(), opened(Topics())
    run(whole, given, topics)
    interrupted = Topics()
    run(opened(interrupted), given[:cut], interrupted)
    run(opened(interrupted), given[cut:], interrupted)
    (one, standing), (other, expected) = newest(interrupted), newest(topics)
    assert (one.version, one.method, one.examples) == (other.version, other.method, other.examples)
    assert standing.qualities.keys() == expected.qualities.keys()
    rng = np.random.default_rng(5)
    rows = contrasts(rng.integers(60, 200, (300, KEPT)).astype(np.uint8))[:, list(CHURN.columns())]
    assert probabilities(one, rows) == pytest.approx(probabilities(other, rows), abs=1e-9)


def test_it_begins_anew_before_it_takes_too_long_to_begin_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_kept, "PART", 50)
    monkeypatch.setattr(train_kept, "KEPT", 300)
    monkeypatch.setattr(train_absorber, "MOST", 700)
    topics, absorber = Topics(), opened(Topics())
    run(absorber, examples(1600), topics)
    model, standing = newest(topics)
    assert standing.examples == model.examples == 1600 or model.examples <= 1600 == standing.examples
    assert 300 <= absorber.holds()["examples"] < 800
    versions = versions_of(topics)
    assert versions[-1] == standing.version
    assert len(set(versions)) == len(versions) <= train_absorber.VERSIONS
    again = opened(topics)
    assert again.learners["demo", "churn"].learned == 1600
    assert again.learners["demo", "churn"].version == standing.version


def test_projects_do_not_learn_from_each_other() -> None:
    topics, absorber = Topics(), opened(Topics())
    run(absorber, examples(300) + examples(40, project="shop"), topics)
    shop = standing_of(topics, "shop")
    assert (shop.answers, shop.version, shop.examples) == ("heuristic", None, 40)


def test_what_cannot_be_read_is_counted_and_left_out() -> None:
    (good,) = examples(1)
    bodies = [b"", None, b"{}", encode(good)]
    bodies += [encode({**decode(encode(good), dict), "target": "luck"})]
    bodies += [encode({**decode(encode(good), dict), "features": "AAAA"})]
    output = opened(Topics()).absorb([Sent(at, body) for at, body in enumerate(bodies)], len(bodies))
    assert (output.counts.read, output.counts.passed) == (6, 1)
    assert output.counts.dropped == {"unreadable": 5}


@pytest.mark.parametrize(("later", "passed"), [(0, 1), (DAY_MS, 1), (DAY_MS + 1, 0)])
def test_an_example_of_the_future_is_told_by_when_the_broker_took_it(later: int, passed: int) -> None:
    """So that whoever reads it once more, much later, decides the same."""
    (one,) = examples(1)
    taken = 4_000_000_000_000
    known = msgspec.structs.replace(one, known_at=taken + later)
    output = opened(Topics()).absorb([Sent(0, encode(known), timestamp=taken)], 1)
    assert output.counts.passed == passed
    old = msgspec.structs.replace(one, known_at=1_000 + DAY_MS + later)
    output = opened(Topics()).absorb([Sent(0, encode(old), timestamp=1_000 + DAY_MS)], 1)
    assert output.counts.passed == passed


def finished(number: int, seed: int = 3) -> list[Example]:
    rng = np.random.default_rng(seed)
    return [
        Example(
            project="demo",
            target="session",
            distinct_id=f"user-{place}",
            made_at=place * DAY_MS // 400,
            known_at=place * DAY_MS // 400 + 600_000,
            features=rng.integers(0, 90, len(FEATURES)).astype(np.uint8).tobytes(),
            outcome=bool(rng.random() < 0.01),
        )
        for place in range(number)
    ]


def of_sessions(topics: Topics) -> SessionModel:
    found = decode(topics.held["models"][b"demo:session"], ModelRecord).sessions
    assert found is not None
    return found


@pytest.mark.parametrize("cut", [200, 600, 1500])
def test_what_is_known_of_sessions_outlives_a_restart(cut: int) -> None:
    given = [*finished(1000), *finished(1100, seed=4)]
    whole, interrupted = Topics(), Topics()
    run(opened(whole), given, whole)
    run(opened(interrupted), given[:cut], interrupted)
    run(opened(interrupted), given[cut:], interrupted)
    assert of_sessions(interrupted) == of_sessions(whole)
    assert of_sessions(whole).version >= 3
    models = Models()
    for key, value in whole.held["models"].items():
        assert models.apply(Sent(0, value, key)) is None
    assert models.sessions("demo") == of_sessions(whole)
    assert models.sessions("shop") is None


def test_a_learner_of_sessions_begins_anew_and_counts_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_kept, "PART", 50)
    monkeypatch.setattr(train_kept, "KEPT", 600)
    monkeypatch.setattr(train_absorber, "MOST", 1300)
    topics, absorber = Topics(), opened(Topics())
    run(absorber, finished(3000), topics)
    again = opened(topics)
    assert again.sessions["demo"].learned == absorber.sessions["demo"].learned == 3000
    assert again.sessions["demo"].version == absorber.sessions["demo"].version
    assert absorber.holds()["examples"] < 1500
    assert of_sessions(topics).version == again.sessions["demo"].version


class Following:
    """The topic ``models`` as whoever follows it reads it, good records and others."""

    def __init__(self) -> None:
        self.models, self.now, self.offset = Models(), 0.0, 0

    def put(self, key: bytes, value: bytes | None) -> None:
        self.models.apply(Sent(self.offset, value, key))
        self.offset += 1

    def idle(self, absorber: TrainAbsorber, seconds: float) -> list[tuple[bytes, bytes | None]]:
        """What is written while so many seconds pass, and is read again."""
        self.now += seconds
        output = absorber.idle(0, None)
        found = [] if output is None else output.messages["models"]
        for key, value in found:
            assert key is not None
            self.put(key, value)
        return [(key or b"", value) for key, value in found]


def test_what_cannot_be_read_is_written_again_as_it_was_once_people_were_told() -> None:
    topics, following = Topics(), Following()
    absorber = TrainAbsorber(models=lambda: following.models, clock=lambda: following.now)
    absorber.opened(Marker(topic_id="t", position=0), {})
    run(absorber, examples(900), topics)
    good = topics.held["models"]
    for key, value in good.items():
        following.put(key, value)
    answering = following.models.answering()
    newest_version = standing_of(topics, "demo").version
    broken = [b"demo:churn", f"demo:churn:{newest_version}".encode(), b"demo:churn:99", b"shop:churn:1"]
    for key in broken:
        following.put(key, b"rubbish")
    assert following.idle(absorber, 0.0) == []
    assert following.idle(absorber, train_absorber.MENDED_AFTER_S - 1) == []
    found = dict(following.idle(absorber, 1))
    assert found == {broken[0]: good[broken[0]], broken[1]: good[broken[1]], broken[2]: None}
    assert following.models.answering() == answering
    assert following.models.broken.keys() == {b"shop:churn:1"}, "nobody here learns of it"
    assert following.idle(absorber, 1_000) == []
    # What another release may know how to read stays, and is said to be broken.
    following.put(b"demo:churn:98", b'{"model":{"scorer":{"type":"net"}}}')
    following.idle(absorber, 0)
    assert following.idle(absorber, train_absorber.MENDED_AFTER_S) == []
    assert b"demo:churn:98" in following.models.broken
    # Once more is another record.
    following.put(broken[1], b"{")
    assert following.idle(absorber, 1) == []
    assert dict(following.idle(absorber, train_absorber.MENDED_AFTER_S)) == {broken[1]: good[broken[1]]}


def test_one_that_is_not_read_back_is_written_once() -> None:
    following = Following()
    absorber = TrainAbsorber(models=lambda: following.models, clock=lambda: following.now)
    absorber.opened(Marker(topic_id="t", position=0), {})
    run(absorber, examples(120), Topics())
    following.put(b"demo:churn:50", b"rubbish")
    assert absorber.idle(0, None) is None
    following.now += train_absorber.MENDED_AFTER_S
    assert absorber.idle(0, None) is not None
    assert absorber.idle(0, None) is None


def test_a_model_of_sessions_that_cannot_be_read_is_written_again() -> None:
    topics, following = Topics(), Following()
    absorber = TrainAbsorber(models=lambda: following.models, clock=lambda: following.now)
    absorber.opened(Marker(topic_id="t", position=0), {})
    run(absorber, finished(1_000), topics)
    following.put(b"demo:session", b"rubbish")
    following.idle(absorber, 0)
    following.idle(absorber, train_absorber.MENDED_AFTER_S)
    assert following.models.sessions("demo") == of_sessions(topics)
    assert following.models.broken == {}
