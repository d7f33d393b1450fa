"""A table of computed values that no input can make grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

V = TypeVar("V")

ENTRIES: Final = 32_768
"""Values that a table remembers; the next one empties it first."""

LONGEST_KEY: Final = 40
"""Characters of the longest key that is remembered: with ``ENTRIES``, at most 12 MB a table."""


class Memo(dict[str, V]):
    """``memo[key]`` is ``compute(key)``, mostly remembered.

    Emptied when full, which costs each word in use one more computation; what is kept in order of use, as
    ``lru_cache`` does it, would cost more at every look-up. Safe to share between threads: two may compute
    the same value, and both get it.
    """

    def __init__(self, compute: Callable[[str], V]) -> None:
        super().__init__()
        self._compute = compute

    def __missing__(self, key: str) -> V:
        value = self._compute(key)
        if len(key) <= LONGEST_KEY:
            if len(self) >= ENTRIES:
                self.clear()
            self[key] = value
        return value
