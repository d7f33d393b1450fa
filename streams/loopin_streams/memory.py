"""What Python's garbage collector looks at."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from typing import Final

_M_ARENA_MAX: Final = -8
"""``mallopt``'s name for the number of heaps (malloc.h)."""


def settle_memory() -> None:
    """Keep the collector off what stays; called once, when a role has loaded all it needs.

    Events and state are structs and bytes, which hold no cycles. So all that the imports made is frozen, and
    a batch's objects are looked at once, not seven times.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    _share_arenas()


def _share_arenas() -> None:
    """One heap for all threads, where the C library is GNU's.

    By default each thread that allocates gets one of its own and keeps what it has freed there: with a thread
    that fetches, one that absorbs and one that sends, a burst's bytes are kept three times. The interpreter's
    lock lets one thread allocate at a time anyway.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
