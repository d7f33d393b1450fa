"""What was delivered, for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, Protocol, get_args

from prometheus_client.core import Metric

from loopin_schemas.notification import Outcome
from loopin_streams.instruments import Instrument

OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)

NOTIFICATIONS: Final = Instrument(
    "loopin_notifications",
    "counter",
    "Notifications that this process is done with: `delivered`; `failed`, refused by the channel or not "
    "taken in time; `dropped`, because too many waited.",
    ("channel", "outcome"),
)
RETRIES: Final = Instrument(
    "loopin_notification_retries", "counter", "Attempts in vain that were followed by another.", ("channel",)
)
WAITING: Final = Instrument(
    "loopin_notifications_waiting", "gauge", "Notifications that wait for a channel.", ("channel",)
)
OLDEST: Final = Instrument(
    "loopin_notifications_oldest_seconds",
    "gauge",
    "For how long the oldest of them has waited, 0 when none does.",
    ("channel",),
)

NOTIFY_METRICS: Final = (NOTIFICATIONS, RETRIES, WAITING, OLDEST)


class Counted(Protocol):
    """A channel as it is counted."""

    @property
    def name(self) -> str: ...
    @property
    def outcomes(self) -> Counter[Outcome]: ...
    @property
    def retries(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def oldest_s(self) -> float: ...


class NotifyCollector:
    """The channels of one process, read when Prometheus asks."""

    def __init__(self, channels: Sequence[Counted]) -> None:
        self._channels = channels

    def collect(self) -> Iterator[Metric]:
        """All of ``NOTIFY_METRICS``."""
        done, retries = NOTIFICATIONS.counter(), RETRIES.counter()
        waiting, oldest = WAITING.gauge(), OLDEST.gauge()
        for channel in self._channels:
            for outcome in OUTCOMES:
                done.add_metric([channel.name, outcome], channel.outcomes[outcome])
            retries.add_metric([channel.name], channel.retries)
            waiting.add_metric([channel.name], channel.waiting)
            oldest.add_metric([channel.name], channel.oldest_s)
        yield from (done, retries, waiting, oldest)
