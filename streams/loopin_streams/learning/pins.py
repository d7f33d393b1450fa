"""Which versions people want to answer, as the configuration says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from loopin_schemas.model import ModelPin
from loopin_streams.kafka.config_state import Configuration
from loopin_streams.learning.models import Of


class Pins:
    """The pinned versions of now; 0 is the heuristic."""

    def __init__(self, configuration: Callable[[], Configuration]) -> None:
        self._configuration = configuration

    def state(self) -> tuple[Configuration, int]:
        """Another one whenever they may be others."""
        configuration = self._configuration()
        return configuration, configuration.changes

    def of_all(self) -> Mapping[Of, int]:
        """By project and target."""
        # A copy at once: it may be changed from another thread meanwhile.
        pins = list(self._configuration().of(ModelPin).values())
        return {(pin.body.project, pin.body.target): pin.body.version for pin in pins}


_NOTHING: Final = Configuration()
NO_PINS: Final = Pins(lambda: _NOTHING)
