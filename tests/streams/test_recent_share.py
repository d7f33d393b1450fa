from __future__ import annotations

from loopin_streams.recent_share import RecentShare


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_share_of_what_came_since_the_first_question() -> None:
    share = RecentShare(Clock())
    assert share.add({0: (10, 100)}) is None, "what came before counts no more"
    assert share.add({0: (13, 110)}) == 0.3
    assert share.add({0: (13, 130)}) == 0.1


def test_only_the_last_minute_counts() -> None:
    clock = Clock()
    share = RecentShare(clock)
    share.add({0: (0, 0)})
    clock.now = 30
    share.add({0: (50, 100)})
    clock.now = 90
    assert share.add({0: (50, 200)}) == 0.0, "the bad half minute has passed"
    clock.now = 300
    assert share.add({0: (150, 300)}) == 1.0, "of a longer pause all of it counts"


def test_nothing_new_has_no_share() -> None:
    share = RecentShare(Clock())
    share.add({0: (1, 2)})
    assert share.add({0: (1, 2)}) is None


def test_a_partition_that_comes_or_goes_brings_no_past() -> None:
    share = RecentShare(Clock())
    share.add({0: (0, 100), 1: (500, 500)})
    assert share.add({0: (5, 200), 7: (900, 900)}) == 0.05
    assert share.add({0: (5, 200), 7: (1000, 1000)}) == 105 / 200
