"""How long the first record that waits has waited, from looks at a position and at the log's end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_streams.kafka.logs import Dated
from loopin_streams.kafka.partition_lag import LONGEST_GAP_S, Moment, PartitionLag

T0 = 1_700_000_000.0


def at(seconds: float) -> Moment:
    """So many seconds after the test began, by both clocks."""
    return Moment(T0 + seconds, seconds)


def test_who_has_read_all_is_not_behind_however_long_nothing_comes() -> None:
    lag = PartitionLag()
    for second in (0, 1, 3600):
        assert not lag.look(50, 50, at(second))
        assert (lag.events, lag.seconds(at(second)), lag.still_s(at(second))) == (0, 0, 0)


def test_what_was_there_before_the_first_look_is_read_and_dated_by_its_append_time() -> None:
    lag = PartitionLag()
    assert lag.look(10, 50, at(0)), "nobody knows yet how old it is"
    lag.date(Dated(12, int((T0 - 500) * 1000), b""), None)
    assert lag.events == 38, "offsets 10 and 11 are no records"
    assert lag.seconds(at(0)) == 500
    assert lag.seconds(at(7)) == 507


def test_what_came_since_the_last_look_is_dated_between_the_two() -> None:
    lag = PartitionLag()
    lag.look(100, 100, at(0))
    assert not lag.look(150, 200, at(1)), "half of what came within the second is done"
    assert lag.events == 50
    assert lag.seconds(at(1)) == pytest.approx(0.5)


def test_after_a_longer_pause_between_looks_it_is_read_instead() -> None:
    lag = PartitionLag()
    lag.look(100, 100, at(0))
    assert lag.look(150, 200, at(LONGEST_GAP_S + 1))


def test_what_the_last_look_had_seen_already_is_read() -> None:
    lag = PartitionLag()
    lag.look(100, 100, at(0))
    lag.look(110, 300, at(1))
    assert lag.look(120, 400, at(2)), "120 was there at the second look"


def test_who_stands_still_is_read_once_and_grows_older() -> None:
    lag = PartitionLag()
    assert lag.look(10, 50, at(0))
    lag.date(Dated(10, int(T0 * 1000), b""), None)
    for second in (1, 2, 60):
        assert not lag.look(10, 50 + second, at(second))
    assert lag.seconds(at(60)) == 60
    assert lag.events == 100
    assert lag.still_s(at(60)) == 60


def test_who_moves_or_has_nothing_to_do_does_not_stand_still() -> None:
    lag = PartitionLag()
    lag.look(10, 10, at(99))
    lag.look(10, 20, at(100))
    assert lag.still_s(at(101)) == 1, "it has only just got something to do"
    lag.look(11, 20, at(105))
    assert lag.still_s(at(106)) == 1


def test_transaction_markers_alone_are_no_lag_and_are_asked_about_once() -> None:
    lag = PartitionLag()
    assert lag.look(10, 12, at(0))
    lag.date(None, None)
    assert not lag.look(10, 12, at(1))
    assert (lag.events, lag.seconds(at(1)), lag.still_s(at(1))) == (0, 0, 0)
    assert lag.look(10, 14, at(2)), "something came"


def test_a_question_that_was_not_answered_is_asked_again() -> None:
    lag = PartitionLag()
    assert lag.look(10, 12, at(0))
    assert lag.look(10, 12, at(1))


def test_an_event_may_be_older_than_its_record() -> None:
    lag = PartitionLag()
    lag.look(0, 1, at(0))
    lag.date(Dated(0, int((T0 - 2) * 1000), b""), int((T0 - 3600) * 1000))
    assert lag.seconds(at(0)) == 2
    assert lag.received_s(at(0)) == 3600


@given(
    arrivals=st.lists(st.floats(0, 20), min_size=1, max_size=60).map(sorted),
    reads=st.lists(st.integers(0, 15), min_size=21, max_size=21),
)
def test_it_is_right_to_a_second_whatever_comes_and_is_read(arrivals: list[float], reads: list[int]) -> None:
    """Against the known append times, with a look each second."""
    lag = PartitionLag()
    position = 0
    for second, read in enumerate(reads):
        end = sum(arrived <= second for arrived in arrivals)
        position = min(end, position + read)
        if lag.look(position, end, at(second)):
            lag.date(Dated(position, round((T0 + arrivals[position]) * 1000), b""), None)
        waiting = arrivals[position:end]
        assert lag.events == len(waiting)
        if waiting:
            assert lag.seconds(at(second)) == pytest.approx(second - waiting[0], abs=1.001)
        else:
            assert lag.seconds(at(second)) == 0
