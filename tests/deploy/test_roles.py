"""A role ends when it is told to, even if what it waits for never comes, and says what it leaves alone."""

from __future__ import annotations

import asyncio
import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest

from loopin_deploy import roles
from loopin_deploy.roles.storing import Storing
from loopin_streams.readiness import first_reason


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
