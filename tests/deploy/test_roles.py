"""A role ends when it is told to, even if what it waits for never comes."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from loopin_deploy import roles


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
