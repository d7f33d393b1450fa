"""What is told of models that are not well, and that nothing is told of those that are."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from loopin_streams.kafka.config_state import Configuration
from loopin_streams.learning.model_health import degraded, greatest_shift
from loopin_streams.learning.model_metrics import MODEL_METRICS, ModelCollector
from loopin_streams.learning.models import Models
from loopin_streams.learning.pins import Pins
from tests.streams.kafka.configured import Record
from tests.streams.learning.made_models import pin_record, quality, standing_record, version_record
from tests.streams.scraped import Scraped

DAY_MS = 86_400_000
NOW = 1_795_000_000_000
OF = {"project": "demo", "target": "churn"}


def of(*records: Record) -> Models:
    found = Models()
    for record in records:
        found.apply(record)
    return found


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({}, 0),
        ({"degraded": True, "answers": "heuristic"}, 1),
        ({"degraded": True, "earlier": 1}, 1),
        ({"answers": "heuristic"}, 0),
        ({"worse_at": NOW - 6 * DAY_MS}, 1),
        ({"worse_at": NOW - 8 * DAY_MS}, 0),
        ({"worse_at": NOW - DAY_MS, "answers": "heuristic"}, 0),
    ],
)
def test_models_that_fell_back_or_err_more_are_counted(fields: dict[str, Any], number: int) -> None:
    models = of(standing_record(version=2, **fields))
    assert degraded(models, {}, NOW) == number
    # Where a person has decided who answers, there is nothing to tell.
    assert degraded(models, {("demo", "churn"): 1}, NOW) == 0


def test_each_target_of_each_project_counts() -> None:
    pairs = [("demo", "churn"), ("demo", "conversion"), ("shop", "churn")]
    models = of(*(standing_record(project=one, target=target, degraded=True) for one, target in pairs))
    assert degraded(models, {("shop", "churn"): 0}, NOW) == 2


def test_scores_that_shift_are_told_once_there_are_enough_examples() -> None:
    assert greatest_shift(of(standing_record(score_shift=0.4))) == 0.4
    assert greatest_shift(of(standing_record(score_shift=0.4, examples=999))) == 0
    assert greatest_shift(of(standing_record(score_shift=None))) == 0
    assert greatest_shift(of(standing_record(score_shift=0.4, answers="heuristic"))) == 0
    both = of(standing_record(score_shift=0.1), standing_record(target="conversion", score_shift=0.2))
    assert greatest_shift(both) == 0.2
    assert greatest_shift(Models()) == 0


def scraped(models: Models, pins: Pins | None = None) -> Scraped:
    registry = CollectorRegistry()
    given = {} if pins is None else {"pins": pins}
    registry.register(ModelCollector(lambda: models, clock=lambda: NOW / 1000, **given))
    return Scraped.of(generate_latest(registry).decode())


def test_prometheus_is_told_what_is_on_the_topic() -> None:
    models = of(
        version_record(version=6, made_at=NOW - 3 * DAY_MS),
        version_record(version=7),
        standing_record(version=7, earlier=6, degraded=True),
        Record(b"demo:churn:8", b"{"),
    )
    found = scraped(models)
    told = {one.name.removeprefix("loopin_"): found.total(one.name, **OF) for one in MODEL_METRICS}
    assert told == {
        "model_examples": 1500,
        "model_answers": 6,
        "model_newest": 7,
        "model_pinned": 0,
        "model_age_seconds": 3 * 86_400,
        "model_auc_ratio": 0.86,
        "model_log_loss": 0.41,
        "model_calibration_error_ratio": 0.02,
        "model_precision_top_ratio": 0.7,
        "model_drifts": 2,
        "model_shift": 0.07,
        "model_feature_shift": 0.31,
        "model_shifted_features": 1,
        "model_degraded": 1,
        "models_broken": None,
    }
    assert found.total("loopin_models_broken") == 1


def test_a_heuristic_has_neither_age_nor_area() -> None:
    records = [standing_record(version=None, answers="heuristic", qualities={}, champion=None, shifted={})]
    found = scraped(of(*records))
    assert found.total("loopin_model_answers", **OF) == 0
    assert found.total("loopin_model_newest", **OF) == 0
    for name in ("age_seconds", "auc_ratio", "log_loss"):
        assert found.total(f"loopin_model_{name}") is None
    alike = scraped(of(standing_record(qualities={"logistic": quality(auc=None)})))
    assert alike.total("loopin_model_auc_ratio") is None
    assert alike.total("loopin_model_log_loss") == 0.41


def test_a_pin_is_told() -> None:
    configuration = Configuration()
    configuration.apply(pin_record(1))
    models = of(version_record(version=1), version_record(version=2), standing_record(version=2))
    found = scraped(models, Pins(lambda: configuration))
    assert (found.total("loopin_model_answers"), found.total("loopin_model_pinned")) == (1, 1)


def test_of_very_many_projects_the_largest_are_told() -> None:
    models = of(*(standing_record(project=f"p{at}", examples=at) for at in range(400)))
    found = scraped(models).by("loopin_model_examples", "project")
    assert len(found) == 300
    assert min(found.values()) == 100
