"""Up to where a topic is done with, against a count by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loopin_sinks.notify.unsettled import Unsettled


def test_nothing_read_is_nothing_done() -> None:
    assert Unsettled(7).committable == 7


@given(
    st.lists(st.integers(0, 3), max_size=12),
    st.randoms(use_true_random=False),
)
def test_all_before_the_oldest_that_waits_is_done(channels: list[int], dice: object) -> None:
    unsettled = Unsettled(0)
    left = [offset for offset, number in enumerate(channels) for _ in range(number)]
    for offset, number in enumerate(channels):
        unsettled.add(offset, number)
        unsettled.position = offset + 1
    dice.shuffle(left)  # type: ignore[attr-defined]  # a Random
    while left:
        assert unsettled.committable == min(left)
        unsettled.settle(left.pop())
    assert unsettled.committable == len(channels)
