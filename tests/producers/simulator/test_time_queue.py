from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loopin_producers.simulator.parameters import DAY_MS
from loopin_producers.simulator.time_queue import TimeQueue


def line(at_ms: int, name: str) -> bytes:
    return b"%013d\t%b\n" % (at_ms, name.encode())


ITEMS = st.lists(
    st.tuples(st.integers(0, 6 * DAY_MS - 1), st.text("abc", min_size=1, max_size=200)), max_size=120
)


@given(ITEMS, st.integers(1, 30), st.integers(0, 7))
def test_gives_back_everything_sorted_and_nothing_early(
    items: list[tuple[int, str]], kept: int, day: int
) -> None:
    queue = TimeQueue(kept)
    for at_ms, name in items:
        queue.push(at_ms, line(at_ms, name))
    made = sorted(line(*item) for item in items)
    early = list(queue.drain(day * DAY_MS))
    assert early == [each for each in made if int(each[:13]) < day * DAY_MS]
    assert list(queue.drain(7 * DAY_MS)) == made[len(early) :]
    assert list(queue.drain(7 * DAY_MS)) == []
    queue.close()


def test_keeps_no_more_lines_in_memory_than_it_may() -> None:
    queue = TimeQueue(100)
    for number in range(5_000):
        at_ms = number * 7_919 % (3 * DAY_MS)
        queue.push(at_ms, line(at_ms, "x"))
        assert sum(len(day.lines) for day in queue._days.values()) < 100
    assert len(list(queue.drain(3 * DAY_MS))) == 5_000
    queue.close()


def test_what_is_left_is_let_go() -> None:
    queue = TimeQueue(2)
    for at_ms in range(9):
        queue.push(at_ms, line(at_ms, "x"))
    queue.close()
    assert list(queue.drain(DAY_MS)) == []
