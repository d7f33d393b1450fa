"""A message that says that a channel works."""

from __future__ import annotations

from time import time
from uuid import uuid4

from loopin_schemas.alert import Alert, AlertWindow
from loopin_sinks.notify.answer import Answer
from loopin_sinks.notify.channel import open_channel
from loopin_sinks.notify.channels_file import Channels
from loopin_sinks.notify.errors import NotifyError

RULE = "test"
"""Name of the rule that a test message is of; no rule is called so."""


async def try_channel(channels: Channels, name: str, timeout_s: float) -> Answer:
    """Tell a channel once, past topic and routes, and say what it answered.

    Raises:
        NotifyError: ``channel_unknown``, ``channel_invalid`` or ``library_missing``.
    """
    if name not in channels.channels:
        raise NotifyError(
            "channel_unknown", f"There is no channel {name}: give one of {', '.join(channels.channels)}."
        )
    teller = open_channel(name, channels.channels[name], timeout_s)
    try:
        return await teller.deliver(trial_alert(name, int(time() * 1000)))
    finally:
        await teller.close()


def trial_alert(channel: str, now_ms: int) -> Alert:
    """What a channel is told for a trial."""
    return Alert(
        id=f"{RULE}:{uuid4()}",
        sequence=1,
        event="fired",
        state="firing",
        severity="warning",
        project="",
        rule=RULE,
        rule_version="1",
        metric=RULE,
        value=None,
        window=AlertWindow(grain="moment", start=now_ms, end=now_ms),
        message=f"This is a test of the channel {channel}: nothing has happened.",
        opened_at=now_ms,
        fired_at=now_ms,
        at=now_ms,
    )
