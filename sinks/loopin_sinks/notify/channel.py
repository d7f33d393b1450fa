"""A channel, whatever it speaks."""

from __future__ import annotations

from typing import Protocol

from loopin_schemas.alert import Alert
from loopin_sinks.notify.answer import Answer
from loopin_sinks.notify.apprise_service import AppriseService
from loopin_sinks.notify.channels_file import Channel
from loopin_sinks.notify.webhook import Webhook


class Teller(Protocol):
    """Tells somebody of alerts, one at a time."""

    async def deliver(self, alert: Alert) -> Answer: ...
    async def close(self) -> None: ...


def open_channel(name: str, channel: Channel, timeout_s: float) -> Teller:
    """What delivers to a channel.

    Raises:
        NotifyError: ``channel_invalid`` or ``library_missing``.
    """
    return Webhook(name, channel, timeout_s) if channel.webhook else AppriseService(name, channel)
