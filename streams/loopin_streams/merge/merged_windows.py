"""The windows that the merge adds up, with each raw partition's share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from loopin_schemas.codec import decoder, encode
from loopin_schemas.window import Grain as GrainName
from loopin_schemas.window import MetricWindow, Window
from loopin_streams.kafka.job import Message
from loopin_streams.kafka.marker import STATE_VERSION
from loopin_streams.kafka.state_record import read_state
from loopin_streams.windows.grains import BY_NAME, Grain
from loopin_streams.windows.series import Series

STATE_PREFIX = b"w:"
"""Begins the keys of windows on the job's state topic."""


class Share(msgspec.Struct, array_like=True, gc=False):
    """One raw partition's numbers of a cell; ``sum``, ``min`` and ``max`` are millionths."""

    partition: int
    count: int
    sum: int | None = None
    min: int | None = None
    max: int | None = None


class _Stored(msgspec.Struct, array_like=True):
    """A window on the state topic."""

    version: int
    project: str
    grain: GrainName
    start: int
    closed: bool
    cells: list[tuple[str, str, str, list[Share]]]


_decode = decoder(_Stored).decode


class MergedWindow:
    """One project's window: shares by series and raw partition, and the series changed since published."""

    __slots__ = ("cells", "closed", "grain", "project", "start", "unpublished")

    def __init__(self, project: str, grain: Grain, start: int) -> None:
        self.project = project
        self.grain = grain
        self.start = start
        self.closed = False
        self.cells: dict[Series, dict[int, Share]] = {}
        self.unpublished: set[Series] = set()

    @property
    def key(self) -> bytes:
        """Its key on the state topic."""
        return b"%s%s:%s:%d" % (STATE_PREFIX, self.project.encode(), self.grain.name.encode(), self.start)

    @property
    def end(self) -> int:
        """Where the window ends (exclusive), epoch ms."""
        return self.start + self.grain.size_ms

    def count(self, series: Series) -> int:
        """A series' count over all partitions; 0 where there is none."""
        return sum(share.count for share in self.cells.get(series, {}).values())

    def sums(self, series: Series) -> tuple[int, int]:
        """A series' count over all partitions, and the sum of what was measured, in millionths."""
        shares = self.cells.get(series, {}).values()
        return sum(share.count for share in shares), sum(share.sum or 0 for share in shares)


class MergedWindows:
    """Every window of one merge partition that may still change."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, int], MergedWindow] = {}
        self._changed: dict[tuple[str, int], MergedWindow] = {}

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def cells(self) -> int:
        """Series in all windows together; may be asked from another thread."""
        return sum(len(window.cells) for window in tuple(self._windows.values()))

    @property
    def unpublished(self) -> bool:
        """Whether something changed since :meth:`publish`."""
        return any(window.unpublished for window in self._windows.values())

    def find(self, project: str, grain: Grain, start: int) -> MergedWindow | None:
        """The window of a project that begins at ``start``, if anything has happened in it."""
        return self._windows.get((project, grain.code(start)))

    def all(self) -> Iterable[MergedWindow]:
        """All that may still change."""
        return self._windows.values()

    def projects(self) -> set[str]:
        """Of whom there are windows."""
        return {project for project, _ in self._windows}

    def take(self, partition: int, windows: Iterable[Window]) -> list[MergedWindow]:
        """Replace a raw partition's shares; the windows touched."""
        touched = []
        for part in windows:
            window = self._window(part.project, BY_NAME[part.grain], part.start)
            for cell in part.cells:
                share = Share(partition, cell.count, cell.sum, cell.min, cell.max)
                series = (cell.metric, cell.dimension, cell.value)
                shares = window.cells.setdefault(series, {})
                # What a partition repeats after it was opened anew is no news.
                if shares.get(partition) != share:
                    shares[partition] = share
                    window.unpublished.add(series)
            touched.append(window)
        return touched

    def close(self, watermark: int) -> None:
        """Mark windows that end at or before the least watermark as closed, all to be published."""
        for at, window in self._windows.items():
            if not window.closed and window.end <= watermark:
                window.closed = True
                window.unpublished.update(window.cells)
                self._changed[at] = window

    def publish(self, revision: int) -> Iterator[MetricWindow]:
        """The sums of what changed since the last time."""
        for window in self._windows.values():
            for series in sorted(window.unpublished):
                yield _merged(window, series, revision)
            window.unpublished.clear()

    def drop_gone(self, watermark: int) -> list[Message]:
        """Forget windows, all published, that no raw partition holds any more."""
        gone = [at for at, window in self._windows.items() if window.grain.gone(window.start, watermark)]
        messages: list[Message] = []
        for at in gone:
            self._changed.pop(at, None)
            messages.append((self._windows.pop(at).key, None))
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
            if key.startswith(STATE_PREFIX):
                stored = _readable(key, value)
                window = self._window(stored.project, BY_NAME[stored.grain], stored.start)
                window.closed = stored.closed
                for metric, dimension, name, shares in stored.cells:
                    window.cells[metric, dimension, name] = {share.partition: share for share in shares}
                window.unpublished.update(window.cells)
        self._changed = {}

    def _window(self, project: str, grain: Grain, start: int) -> MergedWindow:
        at = (project, grain.code(start))
        window = self._windows.get(at)
        if window is None:
            window = self._windows[at] = MergedWindow(project, grain, start)
        self._changed[at] = window
        return window


def _merged(window: MergedWindow, series: Series, revision: int) -> MetricWindow:
    shares = window.cells[series].values()
    metric, dimension, value = series
    measured = [share for share in shares if share.sum is not None]
    return MetricWindow(
        project=window.project,
        metric=metric,
        dimension=dimension,
        value=value,
        grain=window.grain.name,
        start=window.start,
        count=sum(share.count for share in shares),
        sum=sum(share.sum or 0 for share in measured) if measured else None,
        min=min((share.min for share in measured if share.min is not None), default=None),
        max=max((share.max for share in measured if share.max is not None), default=None),
        closed=window.closed,
        revision=revision,
    )


def _stored(window: MergedWindow) -> _Stored:
    cells = [(*series, list(shares.values())) for series, shares in window.cells.items()]
    return _Stored(STATE_VERSION, window.project, window.grain.name, window.start, window.closed, cells)


def _readable(key: bytes, value: bytes) -> _Stored:
    what = f"The window {key[:120]!r} on the topic merge.state"
    return read_state(value, _decode, what=what, topic="merge.state", job="merge")
