"""Long work in between requests: other requests get their turn while it lasts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar
from weakref import WeakValueDictionary

P = ParamSpec("P")
T = TypeVar("T")

TURN_S: Final = 0.005
"""So long one request's work goes on before others get their turn, in seconds."""

LONG_BYTES: Final = 4 * 1024
"""What is read or searched in longer texts than this may take more than a turn by itself."""


class Turns:
    """Whether the work of one request has had its turn; ``clock`` gives seconds, from any beginning."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._begun = clock()

    async def give_way(self) -> None:
        """Let others go on, if this turn is over."""
        if self._clock() - self._begun >= TURN_S:
            await asyncio.sleep(0)
            self._begun = self._clock()


class Aside:
    """Runs long work in a thread, one at a time: more would take the interpreter from all requests.

    Those it is done for get their turns in a circle: of each, only one piece of work waits for its turn, and
    the others wait behind that, so that nobody waits for more than one of anybody else's.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._own: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def run(
        self, whose: str, length: int, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The result of work on so many bytes for a key or an address, done at once where they are few."""
        if length <= LONG_BYTES:
            return work(*args, **kwargs)
        own = self._own.setdefault(whose, asyncio.Lock())
        async with own, self._turn:
            return await asyncio.to_thread(work, *args, **kwargs)
