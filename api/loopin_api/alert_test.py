"""A test alert: what tells whether alerts reach whoever is to be told."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from loopin_api.auth import Caller
from loopin_api.delivery import Outgoing, deliver
from loopin_api.errors import unavailable
from loopin_api.services import Services
from loopin_producers.uuid7 import uuid7
from loopin_schemas.alert import Alert, AlertWindow
from loopin_schemas.codec import encode
from loopin_schemas.topics import ALERTS
from loopin_sinks.metric_values.scope import epoch_ms

RULE: Final = "test"


async def raise_test_alert(use: Services, caller: Caller) -> Alert:
    """Publish an alert that fires and one that says it is over; the latter.

    Raises:
        ApiError: 503, the broker has not acknowledged them.
    """
    now_ms = epoch_ms(use.clock())
    fired = Alert(
        id=f"{RULE}:{uuid7()}",
        sequence=1,
        event="fired",
        state="firing",
        severity="warning",
        project=caller.project,
        rule=RULE,
        rule_version=RULE,
        metric=RULE,
        value=1.0,
        threshold=1.0,
        count=1,
        window=AlertWindow(grain="moment", start=now_ms, end=now_ms),
        message=f"This is a test alert of project {caller.project}: nothing is wrong.",
        labels={"raised_by": caller.author},
        opened_at=now_ms,
        fired_at=now_ms,
        at=now_ms,
    )
    over = replace(
        fired, sequence=2, event="resolved", state="resolved", resolved_at=now_ms, reason="it was a test."
    )
    key = f"{caller.project}:{RULE}".encode()
    records = [Outgoing(key, encode(alert)) for alert in (fired, over)]
    publisher, timeout_s = use.intake.publisher, use.settings.publish_timeout_s
    done = await deliver(publisher, records, timeout_s, topic=ALERTS.name)
    if not all(done):
        raise unavailable("NOT_PUBLISHED", "The broker has not taken the test alert; see that Kafka runs.")
    return over
