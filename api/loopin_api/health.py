"""The state of the system's components, asked at most once a second whoever asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, Field

from loopin_streams.readiness import Checks

PROBE_TIMEOUT_S: Final = 2.0
"""How long a component may take to answer before it counts as not ok, in seconds."""

KEPT_S: Final = 1.0
"""How long an answer is given again, in seconds: health is public, so many callers must not cost more."""


Seconds = Annotated[float, AfterValidator(lambda age: round(age, 3))]


class Component(BaseModel):
    """State of one part of the system."""

    ok: bool = Field(description="Whether it answered, and in time.")
    lag: int | None = Field(
        None, description="Records that it has yet to handle, count; null where it does not say."
    )
    lag_s: Seconds | None = Field(
        None,
        description="Age of the oldest of them, seconds, 0 when none waits; null where it does not say.",
    )
    freshness_s: Seconds | None = Field(
        None,
        description="Age of the newest event that it has handled, seconds, to three decimals; null where "
        "there is none.",
    )
    version: str | None = Field(None, description="Version of its software; null where it does not say.")
    reason: str | None = Field(None, description="Why it is not ok, one sentence; null where it is.")


Probe = Callable[[], Awaitable[Component]]
"""Asks one component; may raise anything, which counts as not ok."""


class HealthBoard:
    """Asks components through their probes, all at once, and keeps the answers for a second.

    Args:
        probes: by the component's name.
        checks: what this process's readiness takes beside an answering store.
        freshness: up to how many seconds ago all received events are queryable; None while unknown.
    """

    def __init__(
        self,
        probes: Mapping[str, Probe],
        checks: Checks | None = None,
        freshness: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.checks = checks or {}
        self.freshness = freshness
        self._probes = dict(probes)
        self._lock = asyncio.Lock()
        self._asked_at = float("-inf")
        self._answers: dict[str, Component] = {}

    async def components(self) -> dict[str, Component]:
        """State of each component by name."""
        async with self._lock:
            if time.monotonic() - self._asked_at >= KEPT_S:
                answers = await asyncio.gather(*map(_ask, self._probes.values()))
                self._answers = dict(zip(self._probes, answers, strict=True))
                self._asked_at = time.monotonic()
            return dict(self._answers)


async def _ask(probe: Probe) -> Component:
    try:
        return await asyncio.wait_for(probe(), PROBE_TIMEOUT_S)
    except Exception:  # whatever it is, the component is not well
        return Component(ok=False, reason="It does not answer.")
