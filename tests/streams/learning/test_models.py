"""What the topic ``models`` adds up to: which version answers, and that nothing broken ever does."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_streams.kafka.config_state import Configuration
from loopin_streams.learning.answers import Answers
from loopin_streams.learning.features import KEPT, contrasts
from loopin_streams.learning.models import Models
from loopin_streams.learning.pins import Pins
from loopin_streams.learning.targets import CHURN
from tests.streams.kafka.configured import Record
from tests.streams.learning.made_models import (
    FEATURES,
    forest,
    linear,
    model,
    pin_record,
    standing_record,
    tree,
    version_record,
)

OF = ("demo", "churn")


def held(*records: Record) -> Models:
    found = Models()
    for record in records:
        found.apply(record)
    return found


def answering(models: Models, **pins: int) -> int:
    """Version that answers for churn; 0 for the heuristic."""
    found = models.answering({OF: pins["pin"]} if pins else None).get(OF)
    return 0 if found is None else found.version


def versions(*numbers: int) -> list[Record]:
    return [version_record(version=number) for number in numbers]


def test_the_newest_answers_where_a_model_does() -> None:
    assert answering(held(*versions(1, 2), standing_record(version=2))) == 2
    assert answering(held(*versions(1, 2), standing_record(version=2, answers="heuristic"))) == 0
    assert answering(held(*versions(1, 2))) == 0


def test_the_version_that_a_standing_names_in_its_place_answers() -> None:
    assert answering(held(*versions(1, 2, 3), standing_record(version=3, earlier=1))) == 1


def test_a_pinned_version_answers_in_any_case() -> None:
    models = held(*versions(1, 2, 3), standing_record(version=3, answers="heuristic"))
    assert answering(models, pin=2) == 2
    assert answering(held(*versions(1, 2, 3), standing_record(version=3)), pin=0) == 0


def test_a_pin_of_a_version_that_is_gone_counts_for_nothing() -> None:
    models = held(*versions(2, 3), standing_record(version=3), Record(b"demo:churn:2", None))
    assert answering(models, pin=2) == 3


@pytest.mark.parametrize("value", [b"", b"{}", b"{", b"\xff" * 9, b"[" * 5_000, b'{"version":99,"model":{}}'])
def test_where_a_version_cannot_be_read_the_one_before_answers(value: bytes) -> None:
    models = held(*versions(1, 2), standing_record(version=2), Record(b"demo:churn:3", value, 7))
    models.apply(standing_record(version=3))
    assert answering(models) == 2
    (broken,) = models.broken.values()
    assert (broken.key, broken.offset) == ("demo:churn:3", 7)
    models.apply(version_record(version=3))
    assert (answering(models), models.broken) == (3, {})


def test_what_replaces_a_good_version_and_cannot_be_used_does_not() -> None:
    models = held(*versions(1), standing_record(version=1))
    before = models.answering()[OF]
    assert models.apply(version_record(scorer=linear(weights=[1.0]))) is not None
    assert models.apply(standing_record(rule=[1e300, 0.0])) is not None
    assert models.answering() == {OF: before}
    assert len(models.broken) == 2


@pytest.mark.parametrize("key", [b"", b"\xff\xfe", b"demo", b"demo:weather:1", b"demo:churn:abc"])
def test_what_lies_under_a_key_of_no_target_breaks_nothing(key: bytes) -> None:
    models = held(*versions(1), standing_record(version=1))
    assert models.apply(Record(key, b"rubbish")) is not None
    assert (answering(models), models.broken) == (1, {})


def test_a_broken_record_that_is_removed_is_forgotten() -> None:
    models = held(Record(b"demo:churn:4", b"{"))
    assert len(models.broken) == 1
    models.apply(Record(b"demo:churn:4", None))
    assert models.broken == {}


@pytest.mark.parametrize(
    ("scorer", "says"),
    [
        (linear(weights=[0.5] * (FEATURES - 1)), "weights for"),
        (linear(centre=[0.0] * (FEATURES + 1)), "weights for"),
        (linear(bias=1e12), "too great"),
        (linear(weights=[1e300] * FEATURES), "too great"),
        (forest(tree(left=(0, 1, 3, 3, 4))), "lead down"),
        (forest(tree(left=(1, 1, 0, 3, 4))), "lead down"),
        (forest(tree(right=(9, 1, 4, 3, 4))), "lead down"),
        (forest(tree(left=(-1, 1, 3, 3, 4))), "lead down"),
        (forest(tree(feature=(FEATURES, -1, 1, -1, -1))), "asks for feature"),
        (forest(tree(feature=(-2, -1, 1, -1, -1))), "asks for feature"),
        (forest(tree(value=(0.5, 1.2, 0.7, 0.6, 0.9))), "no number"),
        (forest(tree(value=(0.5,))), "one length"),
        (forest(tree((), (), (), (), ())), "one length"),
        (forest(weights=[]), "one weight"),
        (forest(weights=[0.0]), "no shares"),
        (forest(weights=[-1.0]), "no shares"),
        ({"type": "blend", "of": []}, "mean of nothing"),
        ({"type": "blend", "of": [linear(), forest(tree(value=(2.0,)))]}, "one length"),
        (linear(bias=None), "float"),
    ],
)
def test_models_that_would_not_give_probabilities_are_told(scorer: Any, says: str) -> None:
    reason = Models().apply(version_record(scorer=scorer))
    assert reason is not None
    assert says in reason


def test_models_of_each_kind_can_be_used() -> None:
    blend = {"type": "blend", "of": [linear(), forest()]}
    for scorer in (linear(), forest(), forest(tree(), tree(), weights=[1.0, 0.5]), blend):
        assert Models().apply(version_record(scorer=scorer)) is None


@pytest.mark.parametrize("fields", [{"slope": 1e12}, {"intercept": -1e12}, {"version": 0}])
def test_calibrations_and_versions_are_looked_at_too(fields: dict[str, Any]) -> None:
    assert Models().apply(version_record(**fields)) is not None


def test_a_model_under_the_key_of_another_is_not_taken() -> None:
    stray = Record(b"shop:churn:1", version_record().value)
    assert "key" in (Models().apply(stray) or "")
    assert "key" in (Models().apply(Record(b"shop:churn", standing_record().value)) or "")


_JSON = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=3),
    st.lists(st.integers(-2, 60) | st.floats(-2, 2), max_size=6),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, one in inside for place in places(one, (*path, name)))]


@given(
    st.data(),
    st.sampled_from([linear(), forest(tree(), tree()), {"type": "blend", "of": [linear(), forest()]}]),
)
def test_whatever_is_damaged_a_score_is_a_probability(data: st.DataObject, scorer: Any) -> None:
    body = json.loads(json.dumps({"model": model(2, scorer), "version": 1}))
    for _ in range(data.draw(st.integers(1, 3))):
        *above, last = data.draw(st.sampled_from(places(body)[1:]))
        parent = body
        for name in above:
            parent = parent[name]
        parent[last] = copy.copy(data.draw(_JSON))
    models = held(version_record(version=1), standing_record(version=2))
    models.apply(Record(b"demo:churn:2", json.dumps(body).encode()))
    rng = np.random.default_rng(3)
    kept = np.vstack([rng.integers(0, 256, (20, KEPT)), np.zeros((1, KEPT)), np.full((1, KEPT), 255)])
    said = Answers(lambda: models).of("demo", CHURN, contrasts(kept.astype(np.uint8)))
    assert said.version in (1, 2)
    assert all(0 <= chance <= 1 for chance in said.chances)
    assert all(-FEATURES - 2 <= reason <= FEATURES + 1 for reasons in said.reasons for reason in reasons)


def test_scores_follow_a_pin_at_once() -> None:
    models, configuration = held(*versions(1, 2), standing_record(version=2)), Configuration()
    answers = Answers(lambda: models, Pins(lambda: configuration))
    rows = contrasts(np.full((1, KEPT), 100, np.uint8))

    def said() -> int:
        return answers.of("demo", CHURN, rows).version

    assert said() == 2
    configuration.apply(pin_record(1))
    assert said() == 1
    configuration.apply(pin_record(0))
    assert said() == 0
    configuration.apply(Record(pin_record(0).key, None))
    assert said() == 2
    models.apply(standing_record(version=2, earlier=1))
    assert said() == 1
