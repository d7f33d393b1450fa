"""What librdkafka says of its connections, for the program's log: once a kind and hour, or outage."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from confluent_kafka import KafkaError

from loopin_producers.guard import Kinds

kafka_logger = logging.getLogger("loopin_producers.kafka")

_TOLD_AS_ERRORS: Final = frozenset({"FAIL", "ERROR"})
"""Lines that come as an error as well."""


AGAIN_S: Final = 3600.0
"""With one broker of several away nothing ends that, and next month's failure may be another broker's."""


class KafkaLog:
    """The ``logger`` of a producer, and the place for its errors. Safe to share by threads.

    A broker that is away fails once a second for as long as it is, and librdkafka tells all of it.

    Args:
        clock: says the time (s).
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._known = Kinds(new_after=AGAIN_S, clock=clock)

    def log(self, level: int, message: str, facility: str, *told: Any) -> None:
        """A line of librdkafka's, in its own form: facility, producer and text."""
        if level < logging.WARNING:
            kafka_logger.log(level, message, facility, *told)
        elif facility not in _TOLD_AS_ERRORS and self._known.is_new(facility):
            kafka_logger.log(level, f"{message} Further ones (%s) are not logged.", facility, *told, facility)

    def error(self, error: KafkaError) -> None:
        """An error that is about no record."""
        if self._known.is_new(name := error.name()):
            kafka_logger.warning("Kafka: %s. Further ones (%s) are not logged.", error.str(), name)

    @property
    def says_down(self) -> bool:
        """Whether no broker could be reached. Some of several may be away while events arrive."""
        return "_ALL_BROKERS_DOWN" in self._known

    def forget(self) -> None:
        """Events arrive again: of what comes now, the first of each kind is logged anew."""
        self._known.forget()
