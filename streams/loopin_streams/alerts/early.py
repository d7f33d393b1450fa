"""Changed windows, each when its time has come."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from loopin_streams.alerts.window_numbers import newest
from loopin_streams.merge.merged_windows import MergedWindow
from loopin_streams.windows.series import Series


class Early:
    """Keeps those that could not be judged yet.

    While one partition lags, so does the watermark: what the others tell of newer windows has to wait.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[str, int], tuple[MergedWindow, set[Series]]] = {}

    def ripe(
        self, touched: Iterable[MergedWindow], watermark: int
    ) -> Iterator[tuple[MergedWindow, Collection[Series]]]:
        """Changed windows with their changed series, also those that were put off."""
        for key, (window, changed) in list(self._held.items()):
            if window.start <= newest(window.grain, watermark):
                del self._held[key]
                yield window, changed
        for window in touched:
            if not self.put_off(window, watermark):
                yield window, window.unpublished

    def put_off(self, window: MergedWindow, watermark: int) -> bool:
        """Keep a window for later, if its time has not come."""
        if window.start <= newest(window.grain, watermark):
            return False
        held = self._held.setdefault((window.project, window.grain.code(window.start)), (window, set()))
        held[1].update(window.unpublished)
        return True
