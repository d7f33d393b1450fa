"""The watermark that all partitions begin with again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from loopin_streams.windows.grains import HOUR_MS, LATENESS_MS

MOST_BEHIND_MS: Final = 6 * HOUR_MS
"""A partition that is further behind the newest event holds the others' windows open no longer."""


def common_watermark(newest: Mapping[int, int], waiting: Mapping[int, int]) -> int | None:
    """One watermark for every partition (epoch ms); None where there is no event.

    Windows are sums over all partitions. One that is open in this partition and gone from that one would be
    published as this one's share, so all begin at the same time: that of the partition which is furthest
    behind, among those where records wait. ``newest`` gives each partition's greatest min(event time, append
    time), ``waiting`` the append time of the first record that is still to be absorbed, if there is one.
    """
    if not newest:
        return None
    ahead = max(newest.values())
    behind = min((max(newest.get(at, 0), ms) for at, ms in waiting.items()), default=ahead)
    return max(min(ahead, behind), ahead - MOST_BEHIND_MS) - LATENESS_MS
