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
from loopin_streams.kafka.config_state import Configuration
from loopin_streams.kafka.job import Output
from loopin_streams.kafka.marker import Marker
from loopin_streams.learning.features import KEPT, contrasts
from loopin_streams.learning.models import Models
from loopin_streams.learning.pins import NO_PINS, Pins
from loopin_streams.learning.scoring import probabilities
from loopin_streams.learning.targets import CHURN
from loopin_streams.rebuild.train import _told
from loopin_streams.train import absorber as train_absorber
from loopin_streams.train import kept as train_kept
from loopin_streams.train.absorber import TrainAbsorber, learner_of
from loopin_streams.train.job import TrainJob
from loopin_streams.train.kept import KeptExamples
from tests.streams.kafka.configured import Record
from tests.streams.learning.made_models import pin_record
from tests.streams.learning.test_learner import examples as steady
from tests.streams.learning.test_learner import spoilt_for_a_week

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


@pytest.fixture(autouse=True)
def few_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    fast = replace(CHURN, candidates=("logistic", "online_logistic"))
    monkeypatch.setitem(train_absorber._TARGETS, "churn", fast)


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


@pytest.mark.parametrize("most", [1, 4])
def test_the_newest_versions_stay_however_often_it_begins_anew(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(train_kept, "PART", 50)
    monkeypatch.setattr(train_kept, "KEPT", 1000)
    monkeypatch.setattr(train_absorber, "MOST", 1600)
    monkeypatch.setattr(train_absorber, "VERSIONS", most)
    topics, absorber = Topics(), opened(Topics())
    published: list[int] = []
    given = examples(2600)
    # For two weeks all are told wrong: the version that learned these gives way to the one before.
    given[1200:2000] = [msgspec.structs.replace(one, outcome=not one.outcome) for one in given[1200:2000]]
    earlier: set[int | None] = set()
    for at in range(0, len(given), 50):
        before = set(topics.held.get("models", {}))
        run(absorber, given[at : at + 50], topics, 50)
        told = {
            int(key.split(b":")[2]) for key in set(topics.held["models"]) - before if key.count(b":") == 2
        }
        published += sorted(told)
        there = set(versions_of(topics))
        assert set(published[-most:]) <= there
        earlier.add(now := standing_of(topics, "demo").earlier)
        assert now is None or now in there
        # One more may answer again.
        assert len(there) <= most + 1
        if at % 350 == 0:
            absorber = opened(topics)
    assert len(earlier - {None}) >= 1
    assert published == [*range(1, published[-1] + 1)]
    assert published[-1] == standing_of(topics, "demo").version
    assert absorber.learners["demo", "churn"].learned == 2600 > absorber.holds()["examples"]


def test_a_version_that_may_answer_again_stays_however_old_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_absorber, "VERSIONS", 1)
    topics, absorber = Topics(), opened(Topics())
    given = [*spoilt_for_a_week(), *steady(800, seed=37, first_day=34)]
    seen: set[tuple[int | None, int | None]] = set()
    for at in range(0, len(given), 20):
        run(absorber, given[at : at + 20], topics)
        now = standing_of(topics, "demo")
        assert {now.earlier, now.version} - {None} <= set(versions_of(topics))
        seen.add((now.earlier, now.version))
    # Versions came while an earlier one answered, which answered again after them.
    assert any(version - earlier > 1 for earlier, version in seen if earlier and version)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_pinned_version_stays_until_it_is_not_pinned_any_more(
    monkeypatch: pytest.MonkeyPatch, restarts: bool
) -> None:
    monkeypatch.setattr(train_absorber, "VERSIONS", 3)
    configuration, topics = Configuration(), Topics()
    pins = Pins(lambda: configuration)
    absorber = opened(topics, pins)
    given = examples(2400)
    run(absorber, given[:800], topics)
    before = versions_of(topics)
    assert before == [*range(before[-1] - 2, before[-1] + 1)]
    configuration.apply(pin_record(before[0]))
    run(absorber, given[800:2000], topics)
    # However many have come since.
    there = versions_of(topics)
    assert there == [before[0], *range(there[-1] - 2, there[-1] + 1)]
    assert there[-1] >= before[-1] + 2
    configuration.apply(Record(pin_record(before[0]).key, None))
    if restarts:
        absorber = opened(topics, pins)
    run(absorber, given[2000:], topics)
    there = versions_of(topics)
    assert there == [*range(there[-1] - 2, there[-1] + 1)]


def test_after_a_rebuild_the_newest_versions_stay_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_absorber, "VERSIONS", 5)
    topics, given = Topics(), examples(2400)
    run(opened(topics), given[:1600], topics)
    newest = standing_of(topics, "demo").version or 0
    kept = KeptExamples("demo", "churn")
    kept.begin(given[:1600], newest, 1600)
    rebuilt = Output()
    for key, value in _told(learner_of(("demo", "churn"), kept)):
        rebuilt.add("models", key, value)
    topics.held["train.state"] = {}
    for key, value in kept.whole():
        rebuilt.add("train.state", key, value)
    topics.take(rebuilt)
    # One more than there was, and the one that it is tried against.
    assert versions_of(topics) == [*range(newest - 4, newest + 3)]
    assert standing_of(topics, "demo").version == newest + 2
    run(opened(topics), given[1600:], topics)
    last = standing_of(topics, "demo").version or 0
    assert last > newest + 2
    assert versions_of(topics) == [*range(last - 4, last + 1)]


def test_a_standing_is_told_when_it_changes_what_is_done_and_else_now_and_then() -> None:
    topics, absorber = Topics(), opened(Topics())
    given = [
        msgspec.structs.replace(one, made_at=place * 60_000, known_at=place * 60_000 + 30 * DAY_MS)
        for place, one in enumerate(examples(700))
    ]
    told: list[Standing] = []
    for place, one in enumerate(given):
        if place == 350:
            absorber = opened(topics)
        output = absorber.absorb([Sent(place, encode(one))], place + 1)
        topics.take(output)
        keys = [key for key, _ in output.messages.get("models", ())]
        if b"demo:churn" in keys:
            told.append(standing_of(topics, "demo"))
        now, last = absorber.learners["demo", "churn"].standing(), told[-1]
        acted = ("answers", "champion", "version", "earlier", "degraded", "rule", "delayed", "worse_at")
        assert all(getattr(now, name) == getattr(last, name) for name in acted)
        assert now.examples - last.examples < 100
        assert now.at - last.at < 3_600_000
    # An example a minute: each hour one, and a few when something changed.
    assert 700 // 60 <= len(told) <= 700 // 60 + 12


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
