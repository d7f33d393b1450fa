"""The hand-written loop may commit only what a restart need not read again."""

from __future__ import annotations

from aiokafka import TopicPartition

from tests.bench.purchases import BACKLOG_LATENESS_MS, WINDOW_MS, Cell
from tests.bench.systems.aiokafka import OpenWindows

ONE, TWO = TopicPartition("events", 0), TopicPartition("events", 1)


def test_offsets_stay_at_the_first_event_of_the_oldest_open_window() -> None:
    windows = OpenWindows(Cell, WINDOW_MS)
    series = ("event", "ticket_purchased")
    for offset in range(10):
        windows.read(ONE, offset)
    windows.read(TWO, 3)
    windows.cell(ONE, 4, series, 0)
    windows.cell(ONE, 7, series, WINDOW_MS)

    assert windows.close() == []
    assert windows.safe() == {ONE: 4, TWO: 4}

    windows.cell(TWO, 3, series, WINDOW_MS + BACKLOG_LATENESS_MS)
    (closed,) = windows.close()
    assert closed[:2] == (series, 0)
    assert windows.safe() == {ONE: 7, TWO: 3}
