"""What the trainer tells Prometheus of the models, as they are on the topic ``models``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import time
from typing import Final

from prometheus_client.core import Metric

from loopin_schemas.alert_rules.models import SHIFTED_FROM
from loopin_schemas.model import Standing
from loopin_streams.instruments import Instrument
from loopin_streams.learning.model_health import LEAST_FOR_SHIFT, is_degraded, shift_of
from loopin_streams.learning.models import Models
from loopin_streams.learning.pins import NO_PINS, Pins

MOST: Final = 300
"""Targets of projects that are told of: those with the most examples."""

OF: Final = ("project", "target")

EXAMPLES: Final = Instrument("loopin_model_examples", "gauge", "Outcomes that were learned from so far.", OF)
ANSWERS: Final = Instrument(
    "loopin_model_answers", "gauge", "Version of the model that answers; 0 while the heuristic does.", OF
)
NEWEST: Final = Instrument(
    "loopin_model_newest", "gauge", "Version of the newest model; 0 before the first.", OF
)
PINNED: Final = Instrument(
    "loopin_model_pinned", "gauge", "1 where a person has said which version answers.", OF
)
AGE: Final = Instrument(
    "loopin_model_age_seconds",
    "gauge",
    "Age of the newest outcome that the model which answers has learned from.",
    OF,
)
AUC: Final = Instrument(
    "loopin_model_auc_ratio", "gauge", "Area under the ROC curve (0-1) of the best candidate.", OF
)
LOG_LOSS: Final = Instrument("loopin_model_log_loss", "gauge", "Mean log loss of the best candidate.", OF)
CALIBRATION: Final = Instrument(
    "loopin_model_calibration_error_ratio",
    "gauge",
    "Mean distance (0-1) of probabilities and shares, of the best candidate.",
    OF,
)
PRECISION: Final = Instrument(
    "loopin_model_precision_top_ratio",
    "gauge",
    "Share (0-1) that happened of the twentieth with the greatest probabilities, of the best candidate.",
    OF,
)
DRIFTS: Final = Instrument(
    "loopin_model_drifts", "gauge", "How often the errors of the best candidate have changed (ADWIN).", OF
)
SHIFT: Final = Instrument(
    "loopin_model_shift",
    "gauge",
    f"Population stability index of the newest model's scores; 0 below {LEAST_FOR_SHIFT:,} examples.",
    OF,
)
FEATURE_SHIFT: Final = Instrument(
    "loopin_model_feature_shift", "gauge", "Greatest population stability index of a feature.", OF
)
SHIFTED: Final = Instrument(
    "loopin_model_shifted_features",
    "gauge",
    f"Features whose population stability index is {SHIFTED_FROM} or more.",
    OF,
)
DEGRADED: Final = Instrument(
    "loopin_model_degraded",
    "gauge",
    "1 while an earlier version or the heuristic answers for a model that turned out worse, and for a week "
    "after its errors rose.",
    OF,
)
BROKEN: Final = Instrument(
    "loopin_models_broken", "gauge", "Records on the topic `models` that cannot be used; the log names them."
)

MODEL_METRICS: Final = (
    *(EXAMPLES, ANSWERS, NEWEST, PINNED, AGE, AUC, LOG_LOSS, CALIBRATION, PRECISION),
    *(DRIFTS, SHIFT, FEATURE_SHIFT, SHIFTED, DEGRADED, BROKEN),
)


class ModelCollector:
    """All of ``MODEL_METRICS``."""

    def __init__(
        self, models: Callable[[], Models], pins: Pins = NO_PINS, clock: Callable[[], float] = time
    ) -> None:
        self._models = models
        self._pins = pins
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """What is on the topic now."""
        models, pinned, now = self._models(), self._pins.of_all(), self._clock()
        answering = models.answering(pinned)
        families = {one.name: one.gauge() for one in MODEL_METRICS}
        standings = sorted(models.standings.values(), key=lambda one: -one.examples)
        for standing in standings[:MOST]:
            of = standing.project, standing.target
            model = answering.get(of)
            numbers = _numbers(standing, now) | {
                ANSWERS: 0 if model is None else model.version,
                PINNED: float(of in pinned),
            }
            if model is not None:
                numbers[AGE] = now - model.made_at / 1000
            for instrument, number in numbers.items():
                families[instrument.name].add_metric(of, number)
        families[BROKEN.name].add_metric([], len(models.broken))
        yield from families.values()


def _numbers(standing: Standing, now: float) -> dict[Instrument, float]:
    found: dict[Instrument, float] = {
        EXAMPLES: standing.examples,
        NEWEST: standing.version or 0,
        DRIFTS: standing.drifts,
        SHIFT: shift_of(standing),
        FEATURE_SHIFT: max(standing.shifted.values(), default=0.0),
        SHIFTED: sum(index >= SHIFTED_FROM for index in standing.shifted.values()),
        DEGRADED: float(is_degraded(standing, round(now * 1000))),
    }
    quality = standing.qualities.get(standing.champion or "")
    if quality is not None:
        found |= {
            LOG_LOSS: quality.log_loss,
            CALIBRATION: quality.calibration_error,
            PRECISION: quality.precision_top,
        }
        if quality.auc is not None:
            found[AUC] = quality.auc
    return found
