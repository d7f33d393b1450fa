"""What the runner measures as it works: once for each batch, never for each event."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from loopin_streams.instruments import COUNTS, SECONDS, Instrument

BATCH_EVENTS = Instrument(
    "loopin_batch_events", "histogram", "Records absorbed by one transaction.", ("consumer",), COUNTS[:10]
)
BATCH_SECONDS = Instrument(
    "loopin_batch_duration_seconds",
    "histogram",
    "From the moment a batch is gathered to its commit: its steps, its state, its transaction.",
    ("consumer",),
    SECONDS,
)
TRANSACTION_SECONDS = Instrument(
    "loopin_transaction_duration_seconds",
    "histogram",
    "Encoding and committing one transaction, those of idle partitions included.",
    ("consumer",),
    SECONDS,
)
RESTORE_SECONDS = Instrument(
    "loopin_restore_duration_seconds",
    "histogram",
    "Opening one partition: fencing its former owner and reading its state back.",
    ("consumer",),
    (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0),
)

RUNNER_METRICS = (BATCH_EVENTS, BATCH_SECONDS, TRANSACTION_SECONDS, RESTORE_SECONDS)


class Meter:
    """One job's measurements; thread-safe."""

    def __init__(self, meters: Meters, consumer: str) -> None:
        self._batch_events = meters.batch_events.labels(consumer)
        self._batch_seconds = meters.batch_seconds.labels(consumer)
        self._transaction_seconds = meters.transaction_seconds.labels(consumer)
        self._restore_seconds = meters.restore_seconds.labels(consumer)

    def batch(self, events: int, seconds: float) -> None:
        """A batch was committed."""
        self._batch_events.observe(events)
        self._batch_seconds.observe(seconds)

    def transaction(self, seconds: float) -> None:
        """A transaction was committed."""
        self._transaction_seconds.observe(seconds)

    def restore(self, seconds: float) -> None:
        """A partition was opened."""
        self._restore_seconds.observe(seconds)


class Meters:
    """The measurements of all jobs of a process, in ``registry``."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.batch_events = BATCH_EVENTS.histogram(self.registry)
        self.batch_seconds = BATCH_SECONDS.histogram(self.registry)
        self.transaction_seconds = TRANSACTION_SECONDS.histogram(self.registry)
        self.restore_seconds = RESTORE_SECONDS.histogram(self.registry)

    def of(self, consumer: str) -> Meter:
        """One job's."""
        return Meter(self, consumer)
