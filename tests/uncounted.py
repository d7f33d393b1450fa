"""Work of which coverage has nothing to learn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from coverage import Coverage


@contextmanager
def uncounted() -> Iterator[None]:
    """Coverage counts no lines within the block: counted, loops over the same few take several times as long.

    What only such a block runs counts as not run.
    """
    counting = Coverage.current()
    if counting is None:
        yield
        return
    counting.stop()
    try:
        yield
    finally:
        counting.start()
