"""What a process tells Prometheus about the configuration that it follows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from prometheus_client.core import Metric

from loopin_schemas.config import KINDS
from loopin_streams.instruments import Instrument
from loopin_streams.kafka.config_state import Configuration

ITEMS: Final = Instrument(
    "loopin_config_items",
    "gauge",
    "What is configured, by kind; `other` is of a newer release.",
    ("kind",),
)
BROKEN: Final = Instrument(
    "loopin_config_broken_records",
    "gauge",
    "Items whose newest record cannot be read, so that they count for nothing; the log names them.",
)
AGE: Final = Instrument(
    "loopin_config_age_seconds",
    "gauge",
    "How long ago the broker said that all that is configured is known; absent before the first time.",
)

CONFIG_METRICS: Final = (ITEMS, BROKEN, AGE)


class Followed(Protocol):
    """A configuration that is followed."""

    @property
    def configuration(self) -> Configuration: ...
    def age_s(self) -> float | None: ...


class ConfigCollector:
    """All of ``CONFIG_METRICS``."""

    def __init__(self, config: Followed) -> None:
        self._config = config

    def collect(self) -> Iterator[Metric]:
        """What is held now."""
        held = self._config.configuration
        items, broken, age = ITEMS.gauge(), BROKEN.gauge(), AGE.gauge()
        for kind, body in KINDS.items():
            items.add_metric([kind], len(held.of(body)))
        items.add_metric(["other"], len(held.others))
        broken.add_metric([], len(held.broken))
        age_s = self._config.age_s()
        if age_s is not None:
            age.add_metric([], age_s)
        yield from (items, broken, age)
