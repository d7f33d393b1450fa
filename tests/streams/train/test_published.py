"""What is on the topic ``models``: which versions stay, and how often it is told how a target stands."""

from __future__ import annotations

import msgspec
import pytest

from loopin_schemas.codec import encode
from loopin_schemas.model import Standing
from loopin_streams.kafka.config_state import Configuration
from loopin_streams.kafka.job import Output
from loopin_streams.learning.pins import Pins
from loopin_streams.rebuild.train import _told
from loopin_streams.train import absorber as train_absorber
from loopin_streams.train import kept as train_kept
from loopin_streams.train.absorber import learner_of
from loopin_streams.train.kept import KeptExamples
from tests.streams.kafka.configured import Record
from tests.streams.learning.made_models import pin_record
from tests.streams.learning.test_learner import examples as steady
from tests.streams.learning.test_learner import spoilt_for_a_week
from tests.streams.train.test_absorber import (
    DAY_MS,
    Sent,
    Topics,
    examples,
    opened,
    run,
    standing_of,
    versions_of,
)


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
