from __future__ import annotations

import gc
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from loopin_streams.rebuild.last_hashes import LastHashes


def record(hashes: int, at: int = 0) -> bytes:
    return at.to_bytes(8, "little") + bytes(8 * hashes)


@given(st.lists(st.integers(0, 7), max_size=40), st.integers(1, 30))
def test_the_newest_are_kept_and_no_record_more_than_they_need(sizes: list[int], limit: int) -> None:
    found = LastHashes(limit)
    every = [record(size, at) for at, size in enumerate(sizes)]
    for one in every:
        found.add(one)
    kept = list(found.records)
    assert kept == every[len(every) - len(kept) :]
    numbers = sizes[len(every) - len(kept) :]
    assert sum(numbers) >= min(limit, sum(sizes))
    assert sum(numbers[1:]) < limit


def test_memory_does_not_grow_with_the_hours() -> None:
    found = LastHashes(10_000)
    gc.collect()
    tracemalloc.start()
    try:
        for at in range(1_000):
            found.add(record(1_000, at))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 3 * 10_000 * 8
