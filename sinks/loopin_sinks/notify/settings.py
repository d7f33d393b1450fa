"""Settings of the notifier."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from loopin_streams.kafka.settings import KafkaSettings


class NotifySettings(KafkaSettings):
    """How alerts are delivered (environment: ``LOOPIN_...``); whom to tell stands in a file."""

    notify_file: Path | None = Field(
        None,
        description="JSON file of channels and routes, only its owner may read it (docs/notifications.md); "
        "without one nobody is told of alerts",
    )
    notify_timeout_s: float = Field(
        10.0, gt=0, le=120, description="longest wait for a webhook's answer, in seconds"
    )
    notify_retry_s: float = Field(
        3600.0, ge=0, le=86_400, description="how long a channel that fails is tried again, in seconds"
    )
    notify_waiting: int = Field(
        1000, ge=1, le=100_000, description="most notifications that wait for one channel; more are dropped"
    )
