from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loopin_streams.rebuild.watermark import MOST_BEHIND_MS, common_watermark

MINUTE = 60_000
HOUR = 60 * MINUTE
NOON = 1_800_000_000_000 - 1_800_000_000_000 % HOUR

times = st.integers(NOON - 48 * HOUR, NOON)


def test_without_events_there_is_none() -> None:
    assert common_watermark({}, {}) is None
    assert common_watermark({}, {0: NOON}) is None


def test_where_nothing_waits_it_is_the_newest_event_less_the_lateness() -> None:
    assert common_watermark({0: NOON, 1: NOON - 5 * HOUR}, {}) == NOON - MINUTE


def test_records_that_wait_in_a_partition_that_is_behind_hold_it_back() -> None:
    newest = {0: NOON, 1: NOON - 2 * HOUR}
    assert common_watermark(newest, {1: NOON - 2 * HOUR + 1}) == NOON - 2 * HOUR + 1 - MINUTE
    assert common_watermark(newest, {0: NOON + 1}) == NOON - MINUTE


def test_what_arrived_after_a_long_silence_holds_it_back_no_further_than_its_arrival() -> None:
    newest = {0: NOON, 1: NOON - 240 * HOUR}
    assert common_watermark(newest, {1: NOON - HOUR}) == NOON - HOUR - MINUTE


def test_nobody_holds_it_back_for_longer_than_the_limit() -> None:
    waiting = {1: NOON - 40 * HOUR}
    newest = {0: NOON, 1: NOON - 41 * HOUR}
    assert common_watermark(newest, waiting) == NOON - MOST_BEHIND_MS - MINUTE


@given(st.dictionaries(st.integers(0, 5), times, min_size=1), st.dictionaries(st.integers(0, 5), times))
def test_no_event_that_waits_is_late_for_it_unless_its_partition_is_far_behind(
    newest: dict[int, int], waiting: dict[int, int]
) -> None:
    found = common_watermark(newest, waiting)
    assert found is not None
    ahead = max(newest.values())
    assert ahead - MOST_BEHIND_MS - MINUTE <= found <= ahead - MINUTE
    for partition, arrived in waiting.items():
        behind = max(arrived, newest.get(partition, 0))
        assert found <= behind - MINUTE or found == ahead - MOST_BEHIND_MS - MINUTE
