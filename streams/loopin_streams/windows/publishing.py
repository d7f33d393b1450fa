"""What changed in a raw partition's windows, as records for the merge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from zlib import crc32

from loopin_schemas.codec import encode
from loopin_schemas.topics import WINDOWS
from loopin_schemas.window import Cell, Window, WindowPartials
from loopin_streams.kafka.job import Output
from loopin_streams.kafka.marker import STATE_VERSION
from loopin_streams.windows.open_windows import OpenWindow, as_window
from loopin_streams.windows.operations import OPERATIONS

MAX_BYTES: Final = 800_000
"""Bytes of one record, at most; the broker takes none above 1 MB."""


def publish_windows(
    output: Output,
    changed: Iterable[tuple[OpenWindow, list[Cell]]],
    *,
    partition: int,
    partitions: int,
    position: int,
    watermark: int | None,
) -> None:
    """Add the records to the output: cells to the merge partition of their series, the watermark to all."""
    parts: list[list[Window]] = [[] for _ in range(partitions)]
    for window, cells in changed:
        by_target: dict[int, list[Cell]] = {}
        for cell in cells:
            by_target.setdefault(merge_partition(window.project, cell, partitions), []).append(cell)
        for target, share in by_target.items():
            parts[target].append(as_window(window, share))
    for target, windows in enumerate(parts):
        records = list(_in_records(windows))
        for at, record in enumerate(records):
            last = at == len(records) - 1
            partials = WindowPartials(
                partition=partition,
                position=position,
                watermark=watermark if last else None,
                windows=record,
                more=not last,
                version=STATE_VERSION,
            )
            output.route(WINDOWS.name, target, b"%d" % partition, encode(partials))


def merge_partition(project: str, cell: Cell, partitions: int) -> int:
    """The partition of ``windows`` that all raw partitions send the series to.

    Operational metrics of a project go to one, so that their ratio can be told there.
    """
    series = "" if cell.metric in OPERATIONS else f"{cell.metric}\0{cell.dimension}\0{cell.value}"
    return crc32(f"{project}\0{series}".encode()) % partitions


def _in_records(windows: list[Window]) -> Iterator[list[Window]]:
    share: list[Window] = []
    room = MAX_BYTES
    for window in windows:
        part: Window | None = None
        for cell in window.cells:
            size = _most_bytes(cell)
            if size > room:
                yield share
                share, part, room = [], None, MAX_BYTES
            if part is None:
                part = Window(project=window.project, grain=window.grain, start=window.start, cells=[])
                share.append(part)
            part.cells.append(cell)
            room -= size
    yield share


def _most_bytes(cell: Cell) -> int:
    """More than the cell can take, alone in its window: a character of the value takes up to six bytes."""
    return 350 + 6 * len(cell.value)
