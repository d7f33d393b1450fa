from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_sinks.latency import Latency

batches = st.lists(st.lists(st.integers(-1000, 10**9), max_size=30), max_size=20)


def test_nothing_is_known_before_the_first_event() -> None:
    latency = Latency()
    assert latency.percentile(50) is None
    latency.add([])
    assert latency.percentile(99) is None


@given(batches, st.sampled_from([0.0, 50.0, 99.0, 100.0]))
def test_below_the_limit_it_is_the_percentile_of_all(found: list[list[int]], q: float) -> None:
    latency = Latency()
    for batch in found:
        latency.add(batch)
    everything = [value for batch in found for value in batch]
    expected = float(np.percentile(everything, q)) if everything else None
    assert latency.percentile(q) == expected


@given(batches)
def test_at_the_limit_the_latest_count(found: list[list[int]]) -> None:
    limit = 25
    latency = Latency(limit)
    for batch in found:
        latency.add(batch)
    everything = [value for batch in found for value in batch]
    if everything:
        latest = everything[-limit:]
        least, most = latency.percentile(0), latency.percentile(100)
        assert least is not None
        assert most is not None
        assert least <= min(latest)
        assert most >= max(latest)


def test_old_batches_leave_whole_and_at_least_the_limit_stays() -> None:
    latency = Latency(limit=10)
    latency.add([1000] * 10)
    latency.add([1] * 9)
    assert latency.percentile(100) == 1000
    latency.add([1])
    assert latency.percentile(100) == 1


@pytest.mark.parametrize("size", [1, 10, 11, 50])
def test_one_batch_is_kept_whatever_its_size(size: int) -> None:
    latency = Latency(limit=10)
    latency.add(range(size))
    assert latency.percentile(100) == size - 1


def test_several_percentiles_are_those_asked_for_singly() -> None:
    latency = Latency()
    assert latency.percentiles([50, 99]) == []
    latency.add(range(1000))
    assert latency.percentiles([50, 99]) == [latency.percentile(50), latency.percentile(99)]
