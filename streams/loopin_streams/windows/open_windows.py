"""The windows of one raw partition that are still in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from loopin_schemas.codec import decoder, encode
from loopin_schemas.window import Cell, Window
from loopin_schemas.window import Grain as GrainName
from loopin_streams.kafka.job import Message
from loopin_streams.kafka.marker import STATE_VERSION
from loopin_streams.kafka.state_record import read_state
from loopin_streams.windows.grains import BY_NAME, DAY, GRAINS, Grain
from loopin_streams.windows.series import OTHER, Series, SeriesOfDay

STATE_PREFIX = b"w:"
"""Begins the keys of windows on the job's state topic."""


class OpenCell(msgspec.Struct, array_like=True, gc=False):
    """One series of an open window, as it is kept; ``number`` is the series' in its metric and day."""

    metric: str
    dimension: str
    value: str
    number: int
    count: int = 0
    sum: int | None = None
    min: int | None = None
    max: int | None = None

    def add(self, count: int, total: int | None = None, least: int = 0, greatest: int = 0) -> None:
        """Add a number of events, and what was measured of them, in millionths."""
        self.count += count
        if total is None:
            return
        if self.sum is None or self.min is None or self.max is None:
            self.sum, self.min, self.max = total, least, greatest
        else:
            self.sum += total
            self.min = min(self.min, least)
            self.max = max(self.max, greatest)

    def add_part(self, count: int, total: int) -> None:
        """Add to the whole of a ratio, and to its part, in millionths."""
        self.count += count
        self.sum = total if self.sum is None else self.sum + total


class _Stored(msgspec.Struct, array_like=True):
    """A window on the state topic."""

    version: int
    project: str
    grain: GrainName
    start: int
    cells: list[OpenCell]


_decode = decoder(_Stored).decode


class OpenWindow:
    """One project's window, with the cells that changed since it was last published."""

    __slots__ = ("cells", "code", "grain", "project", "start", "unpublished")

    def __init__(self, project: str, grain: Grain, start: int) -> None:
        self.project = project
        self.grain = grain
        self.start = start
        self.code = grain.code(start)
        self.cells: dict[Series, OpenCell] = {}
        self.unpublished: dict[Series, OpenCell] = {}

    @property
    def key(self) -> bytes:
        """Its key on the state topic."""
        return b"%s%s:%s:%d" % (STATE_PREFIX, self.project.encode(), self.grain.name.encode(), self.start)

    def cell(self, series: Series, number: int) -> OpenCell:
        """The series' cell, about to be changed."""
        found = self.cells.get(series)
        if found is None:
            found = self.cells[series] = OpenCell(*series, number)
        self.unpublished[series] = found
        return found


class Target(NamedTuple):
    """A cell to add to, and the window that it is in."""

    window: OpenWindow
    number: int
    cell: OpenCell


class OpenWindows:
    """Every window in memory, by project, grain and start."""

    def __init__(self) -> None:
        self.watermark: int | None = None
        self._windows: dict[tuple[str, int], OpenWindow] = {}
        self._days: dict[tuple[str, int], SeriesOfDay] = {}
        self._changed: dict[int, OpenWindow] = {}

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def cells(self) -> int:
        """Series in all open windows together; may be asked from another thread."""
        return sum(len(window.cells) for window in tuple(self._windows.values()))

    @property
    def unpublished(self) -> bool:
        """Whether something changed since :meth:`publish`."""
        return any(window.unpublished for window in self._windows.values())

    @property
    def crowded(self) -> list[tuple[str, GrainName, int]]:
        """The windows of days in which some values share a series: project, grain and start."""
        windows = self._windows.values()
        days = {
            (window.project, DAY.start(window.start))
            for window in windows
            if any(value == OTHER for _, _, value in window.cells)
        }
        return [
            (window.project, window.grain.name, window.start)
            for window in windows
            if (window.project, DAY.start(window.start)) in days
        ]

    def in_time(self, at: int) -> tuple[Grain, ...]:
        """The grains whose windows of the moment are still in memory."""
        if self.watermark is None:
            return GRAINS
        return tuple(grain for grain in GRAINS if not grain.gone(grain.start(at), self.watermark))

    def targets(
        self, project: str, at: int, grains: Iterable[Grain], wanted: Iterable[Series]
    ) -> list[list[Target]]:
        """For each wanted series, its cell in the moment's window of each grain."""
        windows = [self._window(project, grain, grain.start(at)) for grain in grains]
        if not windows:
            # The series of a day without windows would stay for ever.
            return [[] for _ in wanted]
        day = self._day(project, at)
        admitted = [day.admit(*series) for series in wanted]
        return [
            [Target(window, number, window.cell(series, number)) for window in windows]
            for series, number in admitted
        ]

    def advance(self, watermark: int) -> None:
        """Move the watermark on; it never goes back."""
        self.watermark = watermark if self.watermark is None else max(self.watermark, watermark)

    def publish(self) -> Iterator[tuple[OpenWindow, list[Cell]]]:
        """What changed since the last time, as absolute numbers, by window."""
        for window in self._windows.values():
            if window.unpublished:
                cells = [_published(cell) for cell in window.unpublished.values()]
                window.unpublished = {}
                yield window, cells

    def drop_gone(self) -> list[Message]:
        """Forget windows that the watermark has left behind, all published; removes them from the state."""
        if self.watermark is None:
            return []
        gone = [at for at, window in self._windows.items() if window.grain.gone(window.start, self.watermark)]
        messages: list[Message] = []
        for at in gone:
            window = self._windows.pop(at)
            self._changed.pop(id(window), None)
            messages.append((window.key, None))
            if window.grain is DAY:
                self._days.pop((window.project, window.start), None)
        return messages

    def changes(self) -> list[Message]:
        """The windows that changed since the last time, for the state topic."""
        messages: list[Message] = [(window.key, encode(_stored(window))) for window in self._changed.values()]
        self._changed = {}
        return messages

    def restore(self, state: Mapping[bytes, bytes]) -> None:
        """Take in what :meth:`changes` has written; all of it counts as unpublished.

        Raises:
            RefusedToOpen: ``state_unreadable`` or ``state_version``.
        """
        for key, value in state.items():
            if not key.startswith(STATE_PREFIX):
                continue
            stored = _readable(key, value)
            window = self._window(stored.project, BY_NAME[stored.grain], stored.start)
            day = self._day(stored.project, stored.start)
            for cell in stored.cells:
                series = (cell.metric, cell.dimension, cell.value)
                window.cells[series] = window.unpublished[series] = cell
                if window.grain is DAY:
                    day.known(series, cell.number)
        self._changed = {}

    def _window(self, project: str, grain: Grain, start: int) -> OpenWindow:
        at = (project, grain.code(start))
        window = self._windows.get(at)
        if window is None:
            window = self._windows[at] = OpenWindow(project, grain, start)
        self._changed[id(window)] = window
        return window

    def _day(self, project: str, at: int) -> SeriesOfDay:
        start = DAY.start(at)
        found = self._days.get((project, start))
        if found is None:
            found = self._days[project, start] = SeriesOfDay()
        return found


def _published(cell: OpenCell) -> Cell:
    return Cell(cell.metric, cell.dimension, cell.value, cell.count, cell.sum, cell.min, cell.max)


def _stored(window: OpenWindow) -> _Stored:
    return _Stored(
        STATE_VERSION, window.project, window.grain.name, window.start, list(window.cells.values())
    )


def as_window(window: OpenWindow, cells: list[Cell]) -> Window:
    """The part of a window that a record on ``windows`` carries."""
    return Window(project=window.project, grain=window.grain.name, start=window.start, cells=cells)


def _readable(key: bytes, value: bytes) -> _Stored:
    what = f"The window {key[:120]!r} on the topic enrich.state"
    return read_state(value, _decode, what=what, topic="enrich.state", job="enrich")
