"""Watchers on one installation, a clock that a test moves, and what a plain client finds on ``alerts``."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Protocol

import pytest

from loopin_schemas.alert_rules.models import MODEL_HEALTH
from loopin_sinks.alerts.totals import Total
from loopin_sinks.alerts.watcher import AlertWatcher
from loopin_sinks.metric_values.scope import Scope, from_epoch_ms
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store
from loopin_streams.kafka.config_log import ConfigLog
from tests.committed import committed_records
from tests.sinks.alerts.planted import NOW

DEADLINE_S = 300.0

RULE = "login_failures_of_one_user"


class Broker(Protocol):
    @property
    def bootstrap(self) -> str: ...


@dataclass
class Installation:
    """Its settings and store; ``at`` is the clock, epoch ms."""

    settings: SinkSettings
    store: Store
    at: int = NOW
    leads: bool = True
    lag: Total = Total(0, 0.0)

    def watcher(
        self, config: ConfigLog, *, store: Store | None = None, probe: Callable[[str], None] | None = None
    ) -> AlertWatcher:
        """A watcher of a process of its own."""
        return AlertWatcher(
            self.settings,
            store or self.store,
            config,
            scope_of=lambda project, now: Scope(project, UTC, from_epoch_ms(now)),
            health=lambda metric: Total(0, 0.0) if metric in MODEL_HEALTH else self.lag,
            leads=lambda: self.leads,
            clock=lambda: self.at / 1000,
            probe=probe or (lambda _: None),
        )

    @asynccontextmanager
    async def config(self) -> AsyncIterator[ConfigLog]:
        """What is configured, followed."""
        log, stop = ConfigLog(self.settings), asyncio.Event()
        following = asyncio.create_task(log.run(stop))
        try:
            async with asyncio.timeout(DEADLINE_S):
                await log.known.wait()
            yield log
        finally:
            stop.set()
            await following

    def alerts(self) -> list[dict[str, Any]]:
        """The committed records on ``alerts``."""
        return [json.loads(value) for _, value in self.records("alerts") if value is not None]

    def events(self) -> list[tuple[str, str, int]]:
        """What has been told: rule, event, sequence."""
        return [(each["rule"], each["event"], each["sequence"]) for each in self.alerts()]

    def records(self, topic: str) -> list[tuple[bytes | None, bytes | None]]:
        """The committed records of a topic, by another client."""
        return committed_records(self.settings.kafka_bootstrap, self.settings.topic(topic))

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Return once the condition holds."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"still not: {what}")
            await asyncio.sleep(0.05)
