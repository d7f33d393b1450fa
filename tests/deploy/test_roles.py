"""A role ends when it is told to, even if what it waits for never comes, and says what it leaves alone."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from types import SimpleNamespace
from typing import Any

import pytest

from loopin_deploy import roles
from loopin_deploy.roles.storing import Storing, model_health
from loopin_schemas.alert_rules.models import MODEL_HEALTH
from loopin_sinks.alerts.totals import Total
from loopin_streams.kafka.config_state import Configuration
from loopin_streams.learning.models import Models
from loopin_streams.learning.pins import Pins
from loopin_streams.readiness import first_reason
from tests.streams.kafka.configured import Record
from tests.streams.learning.made_models import pin_record, standing_record


async def test_a_role_that_ends_in_time_is_waited_for() -> None:
    ended: list[str] = []

    async def role(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        await asyncio.sleep(0)
        ended.append("in order")

    await roles._until_signalled(role, lambda: ended.append("hard"))
    assert ended == ["in order"]


async def test_a_role_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "STOP_TIMEOUT_S", 0.05)
    released = asyncio.Event()
    ended: list[str] = []

    async def role(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        await released.wait()

    def leave() -> None:
        ended.append("hard")
        released.set()

    await roles._until_signalled(role, leave)
    assert ended == ["hard"]


async def test_what_a_role_raises_is_not_swallowed() -> None:
    async def role(_: asyncio.Event) -> None:
        raise RuntimeError("the store is gone")

    with pytest.raises(RuntimeError, match="the store is gone"):
        await roles._until_signalled(role)


def sink(opening: str | None = None, refused: str | None = None, failing: str | None = None) -> Any:
    return SimpleNamespace(
        opening=lambda: opening,
        refused=lambda: refused,
        failing=failing,
        writer=SimpleNamespace(failing=failing),
    )


def storing(events: Any, windows: Any) -> Storing:
    unused: Any = None
    watch: Any = SimpleNamespace(unready=lambda _: "It is behind.")
    return Storing(unused, events, (windows,), unused, unused, unused, unused, unused, watch, *[unused] * 3)


def test_what_a_sink_refuses_is_a_check_of_its_own() -> None:
    parts = storing(sink(refused="Partition 1 is refused: act."), sink(refused="Partition 2 is refused."))
    both = "Partition 1 is refused: act. Partition 2 is refused."

    assert first_reason(parts.checks) == first_reason(parts.checks, ["lag"]) == both
    assert first_reason(parts.checks, ["refused"]) == "It is behind."
    assert first_reason(parts.checks, ["refused", "lag"]) is None


def test_a_sink_that_opens_partitions_or_cannot_store_is_not_at_work() -> None:
    for parts, reason in (
        (storing(sink(opening="partitions are being opened: 0"), sink()), "partitions are being opened: 0"),
        (storing(sink(failing="The disk is full."), sink()), "The disk is full."),
        (storing(sink(), sink(failing="The disk is full.")), "The disk is full."),
    ):
        assert first_reason(parts.checks, ["refused", "lag"]) == reason


def test_alerts_are_told_what_is_on_the_topic_of_models() -> None:
    models, configuration = Models(), Configuration()
    for record in (
        standing_record(version=3, degraded=True, earlier=2, score_shift=0.4),
        standing_record(project="shop", score_shift=0.1, worse_at=round(time.time() * 1000)),
        Record(b"demo:churn:4", b"{"),
    ):
        models.apply(record)
    pins = Pins(lambda: configuration)

    def told() -> dict[str, Total]:
        return {metric: model_health(metric, models, pins) for metric in MODEL_HEALTH}

    expected = {
        "models_degraded": Total(2, 2.0),
        "model_shift": Total(0, 0.4),
        "models_broken": Total(1, 1.0),
    }
    assert told() == expected
    configuration.apply(pin_record(2))
    assert told() == expected | {"models_degraded": Total(1, 1.0)}
