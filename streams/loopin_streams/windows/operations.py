"""Metrics about the stream itself, in windows of the broker's append time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from loopin_streams.windows.grains import MINUTE_MS
from loopin_streams.windows.open_windows import OpenWindows
from loopin_streams.windows.series import Series

RECEIVED: Final = "records_received"
"""Records read, by project; ``""`` where a record does not say whose it is."""

REJECTED: Final = "records_rejected"
"""Of those, records sent to the dead letters, in whole and by reason."""

REASON: Final = "reason"

OPERATIONS: Final = frozenset((RECEIVED, REJECTED))


def count_operations(
    windows: OpenWindows,
    received: Mapping[tuple[str, int], int],
    rejected: Mapping[tuple[str, int, str], int],
) -> None:
    """Add records to the windows of their append time: numbers by project and minute (since 1970).

    ``rejected`` says the reason, too; its records are among the received.
    """
    for (project, minute), number in received.items():
        _add(windows, project, minute, number, [(RECEIVED, "", "")])
    for (project, minute, reason), number in rejected.items():
        _add(windows, project, minute, number, [(REJECTED, "", ""), (REJECTED, REASON, reason)])


def _add(windows: OpenWindows, project: str, minute: int, number: int, series: list[Series]) -> None:
    at = minute * MINUTE_MS
    for targets in windows.targets(project, at, windows.in_time(at), series):
        for target in targets:
            target.cell.add(number)
