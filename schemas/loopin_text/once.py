"""What is made at the first call, once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import TypeVar

Made = TypeVar("Made")


def once(make: Callable[[], Made]) -> Callable[[], Made]:
    """The same function, which makes its value at the first call; threads that call meanwhile wait for it.

    ``functools.cache`` would have each of them make its own.
    """
    kept: list[Made] = []
    lock = Lock()

    @wraps(make)
    def one() -> Made:
        if not kept:
            with lock:
                if not kept:
                    kept.append(make())
        return kept[0]

    return one
