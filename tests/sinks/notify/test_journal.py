"""What is noted while the broker is away; the topic itself is tested with the notifier."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError
from structlog.testing import capture_logs

from loopin_schemas.notification import Notification
from loopin_sinks.notify import journal
from loopin_sinks.notify.journal import Journal
from loopin_streams.kafka.settings import KafkaSettings
from tests.sinks.notify.told import alert

NOTE = Notification(
    channel="ops", alert=alert().id, sequence=1, event="fired", project="shop", outcome="delivered",
    attempts=1, at=1,
)  # fmt: skip


class Away:
    """A producer whose broker comes back at the fourth try."""

    def __init__(self) -> None:
        self.tries = 0

    async def send_and_wait(self, *_: Any, **__: Any) -> None:
        self.tries += 1
        if self.tries < 4:
            raise KafkaTimeoutError("away")


async def test_it_is_written_once_the_broker_is_back_and_counts_only_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal, "RETRY_S", 0.001)
    producer = Away()
    monkeypatch.setattr(journal, "AIOKafkaProducer", lambda **_: producer)
    one = Journal(KafkaSettings())
    assert not one.knows("ops", alert())
    with capture_logs() as said:
        await one.append(NOTE)
    assert producer.tries == 4
    assert [line["event"] for line in said] == ["notification_not_noted"]
    assert one.knows("ops", alert())
    assert not one.knows("ops", alert(1, 2))
    assert not one.knows("chat", alert())
