"""How long to wait before a channel is tried again."""

from __future__ import annotations

from random import random
from typing import Final

FIRST_S: Final = 1.0
LONGEST_S: Final = 60.0


def backoff_s(attempts: int) -> float:
    """Seconds after so many attempts in vain: twice as many each time, up to a minute.

    A random share of up to a half is taken off, so that many who wait for one service do not come at once.
    """
    return min(LONGEST_S, FIRST_S * 2.0 ** min(attempts - 1, 20)) * (1 - random() / 2)
