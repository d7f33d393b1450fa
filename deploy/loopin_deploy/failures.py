"""What a command that failed says, and its exit code."""

from __future__ import annotations

from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException
from pydantic import ValidationError
from pydantic_settings import SettingsError

from loopin_api.settings import ConfigurationError
from loopin_deploy.errors import DeployError, machine_fault
from loopin_deploy.setting_faults import setting_fault
from loopin_producers.errors import LoopinError
from loopin_producers.replay import ReplayError
from loopin_producers.simulator import SimulationError
from loopin_schemas.errors import InvalidEvent
from loopin_sinks.migrate import MigrationError
from loopin_sinks.notify.errors import NotifyError
from loopin_sinks.opinions.settings import LanguageModelError
from loopin_sinks.store import StoreError
from loopin_streams.kafka.errors import (
    EXIT_REFUSED,
    BrokerRefused,
    BrokerUnreachable,
    ConfigBusy,
    RefusedToOpen,
)

EXPECTED = (
    BrokerRefused,
    BrokerUnreachable,
    ConfigBusy,
    ConfigurationError,
    DeployError,
    InvalidEvent,
    LanguageModelError,
    LoopinError,
    MigrationError,
    NotifyError,
    ReplayError,
    SimulationError,
    StoreError,
)
"""Errors whose text is one sentence that says what to do."""


def told(error: Exception) -> Exception | None:
    """The error whose text is shown for this one; None for a defect of ours, which needs its traceback."""
    if isinstance(error, (RefusedToOpen, *EXPECTED)):
        return error
    if isinstance(error, (ValidationError, SettingsError)):
        return setting_fault(error)
    if isinstance(error, TimeoutError):
        return BrokerUnreachable(
            "Kafka did not answer in time: check LOOPIN_KAFKA_BOOTSTRAP and the broker's log."
        )
    if isinstance(error, OSError):
        return machine_fault(error)
    if isinstance(error, (KafkaError, KafkaException)):
        return BrokerUnreachable(f"Kafka: {error}. Check LOOPIN_KAFKA_BOOTSTRAP and the broker's log.")
    return None


def exit_code(error: Exception) -> int:
    """Of the process that ends with the error."""
    return EXIT_REFUSED if isinstance(error, RefusedToOpen) else 1
