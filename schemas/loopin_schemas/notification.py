"""What became of telling a channel of an alert."""

from __future__ import annotations

from typing import Literal

import msgspec

from loopin_schemas.alert import AlertEvent

Outcome = Literal["delivered", "failed", "dropped"]
"""``failed``: the channel refused it for good, or did not take it in time; ``dropped``: too
many others waited."""


class Notification(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One record on ``notifications``: a record of an alert with which a channel is done.

    ``alert`` and ``sequence`` identify the record on ``alerts``, ``attempts`` is how often the channel was
    tried, ``reason`` why it did not take it. ``at`` is epoch ms. A channel's address is never part of it.
    """

    channel: str
    alert: str
    sequence: int
    event: AlertEvent
    project: str
    outcome: Outcome
    attempts: int
    reason: str = ""
    at: int
    version: int = 1
