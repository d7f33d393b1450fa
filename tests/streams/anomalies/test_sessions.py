"""The model of sessions: against plain code, restored, and what it takes for the usual."""

from __future__ import annotations

import numpy as np
import pytest

from loopin_schemas.codec import decode, encode
from loopin_schemas.example import Example
from loopin_schemas.model import SessionModel
from loopin_streams.anomalies import sessions as learning
from loopin_streams.anomalies.features import FEATURES, NAMES, kept_rows, number_of, packed
from loopin_streams.anomalies.sessions import LEAST, SessionLearner
from loopin_streams.anomalies.tails import fitted, oddness, surprises, threshold

DAY_MS = 86_400_000


def sessions(number: int, seed: int = 1, first: int = 0, odd: bool = False) -> list[Example]:
    """Ordinary sessions, a thousand a day."""
    rng = np.random.default_rng(seed)
    found = []
    for place in range(number):
        numbers = rng.poisson([8, 4, 3, 3, 4, 2, 4, 3, 2, 0.2, 0.02, 0.1, 0.1, 1, 1, 1]).astype(float)
        at = (first + place) * DAY_MS // 1000
        found.append(
            Example(
                project="demo",
                target="session",
                distinct_id=f"user-{place}",
                made_at=at,
                known_at=at + 600_000,
                features=packed([numbers.tolist()])[0].tobytes(),
                outcome=odd,
            )
        )
    return found


@pytest.fixture(scope="module")
def model() -> SessionModel:
    return fitted("demo", 1, kept_rows([one.features for one in sessions(3000)]), 0, 3000)


def test_oddness_is_what_plain_code_says(model: SessionModel) -> None:
    known = np.array([list(one.features) for one in sessions(3000)]) * 9 / 255
    asked = sessions(50, seed=4)
    found = oddness(model, kept_rows([one.features for one in asked]))
    for one, score in zip(asked, found, strict=True):
        total = 0.0
        for place, byte in enumerate(one.features):
            tail = sorted(known[:, place])
            begins, far = np.interp([0.9 * 2999, 0.995 * 2999], range(3000), tail)
            scale = max((far - begins) / np.log(20), 0.3)
            total += max(0.0, byte * 9 / 255 - begins) ** 2 / scale**2
        assert score == pytest.approx(total**0.5)


def test_a_model_is_the_same_after_its_way_over_the_topic(model: SessionModel) -> None:
    again = decode(encode(model), SessionModel)
    rows = kept_rows([one.features for one in sessions(200, seed=2)])
    assert again == model
    assert (oddness(again, rows) == oddness(model, rows)).all()
    assert len(encode(model)) < 3_000


def test_few_ordinary_sessions_are_odd_and_odd_ones_say_by_what(model: SessionModel) -> None:
    rows = kept_rows([one.features for one in sessions(20_000, seed=9)])
    assert (oddness(model, rows) > model.threshold).mean() < 0.002
    for name, value in (("errors", 60.0), ("failed", 25.0), ("pages", 600.0), ("social", 300.0)):
        row = rows[0].copy()
        row[NAMES.index(name)] = np.log1p(value)
        assert oddness(model, row[None, :])[0] > model.threshold, name
        found = surprises(model, row[None, :])[0]
        assert NAMES[int(found.argmax())] == name
        assert number_of(row[NAMES.index(name)]) == pytest.approx(value)


def test_the_threshold_is_where_an_exponential_tail_says() -> None:
    rng = np.random.default_rng(0)
    scores = rng.exponential(2, 200_000)
    assert (scores > threshold(scores)).mean() == pytest.approx(1 / 10_000, rel=0.5)


def test_a_learner_that_begins_again_is_the_same() -> None:
    given = sessions(2 * LEAST + 150)
    whole, parted = SessionLearner("demo"), SessionLearner("demo")
    whole.learn(given)
    for at in range(0, len(given), 37):
        parted.learn(given[at : at + 37])
    assert whole.version == parted.version == 2
    assert whole.model() == parted.model()
    made = whole.model()
    assert made is not None
    assert (made.examples, made.version) == (2 * LEAST, 2)


def test_nothing_is_said_of_too_few() -> None:
    learner = SessionLearner("demo")
    learner.learn(sessions(LEAST - 1))
    assert learner.model() is None
    assert (learner.version, learner.learned) == (0, LEAST - 1)


def test_a_version_is_of_the_newest_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "FITTED", 600)
    given = sessions(2 * LEAST)
    learner = SessionLearner("demo")
    learner.learn(given)
    newest = kept_rows([one.features for one in given[-600:]])
    assert learner.model() == fitted("demo", 2, newest, given[-1].known_at, 2 * LEAST)


def test_versions_are_made_each_week() -> None:
    learner = SessionLearner("demo", version=4, learned=10_000)
    learner.learn(sessions(LEAST))
    learner.learn(sessions(10, first=8000))
    assert learner.version == 6
    assert learner.learned == 10_000 + LEAST + 10


def test_sessions_in_which_something_was_raised_are_not_the_usual_until_most_are() -> None:
    def with_odd(number: int) -> SessionModel:
        learner = SessionLearner("demo")
        odd = sessions(number, seed=5, odd=True)
        wide = bytes([250] * len(FEATURES))
        odd = [
            Example(
                project="demo", target="session", distinct_id="x", made_at=0, known_at=0, features=wide,
                outcome=True,
            )
            for _ in odd
        ]  # fmt: skip
        learner.learn([*odd, *sessions(LEAST - number)])
        made = learner.model()
        assert made is not None
        return made

    row = kept_rows([bytes([250] * len(FEATURES))])
    few, many = with_odd(5), with_odd(60)
    assert oddness(few, row)[0] > few.threshold
    assert oddness(many, row)[0] < many.threshold / 2
