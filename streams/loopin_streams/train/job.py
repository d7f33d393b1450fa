"""The trainer, on the exactly-once runner."""

from __future__ import annotations

from collections.abc import Callable

from loopin_schemas import topics
from loopin_streams.learning.models import Models, no_models
from loopin_streams.learning.pins import NO_PINS, Pins
from loopin_streams.train.absorber import TrainAbsorber


class TrainJob:
    """From ``examples`` to ``models``."""

    name = "train"
    input = topics.EXAMPLES.name
    state_topic = topics.TRAIN_STATE.name
    history = (topics.MODELS.name,)
    outputs = (topics.MODELS.name,)

    def __init__(self, pins: Pins = NO_PINS, models: Callable[[], Models] = no_models) -> None:
        self._pins = pins
        self._models = models

    def open(self, partition: int, topic_id: str) -> TrainAbsorber:
        """Nothing learned yet."""
        return TrainAbsorber(self._pins, self._models)
