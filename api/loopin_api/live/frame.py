"""Records of the live feed, each written as JSON once for all clients."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

import msgspec

from loopin_api.live.place import Offsets
from loopin_schemas.codec import encode
from loopin_schemas.window import MetricWindow

Kind = Literal["metric", "alert", "insight", "online"]

KINDS: Final[tuple[Kind, ...]] = ("metric", "alert", "insight", "online")
"""What a client may ask for, in the order of the docs."""

MILLION: Final = 1_000_000

OVERHEAD: Final = 800
"""Bytes that a frame takes beside its record, about."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Message(NamedTuple):
    """What a client is told: ``kind`` is the name of the event, ``id`` where the client is then."""

    kind: str
    id: str
    data: bytes


class Frame:
    """A record of a topic.

    ``seq`` numbers frames as they came, ``at`` is when (seconds of the feed's clock), and ``offsets`` say how
    far the feed had come in the topic then, this record included.
    """

    __slots__ = ("_data", "at", "offset", "offsets", "partition", "seq", "size", "window")

    def __init__(self, seq: int, at: float, partition: int, offset: int, offsets: Offsets, size: int) -> None:
        self.seq = seq
        self.at = at
        self.partition = partition
        self.offset = offset
        self.offsets = offsets
        self.size = size + OVERHEAD
        self.window: MetricWindow | None = None
        self._data: bytes | None = None

    @property
    def data(self) -> bytes:
        """It as JSON without line breaks."""
        if self._data is None:
            assert self.window is not None
            self._data = encode(metric_json(self.window))
        return self._data

    @data.setter
    def data(self, data: bytes) -> None:
        self._data = data


def metric_json(window: MetricWindow) -> dict[str, Any]:
    """A window as clients read it: amounts in units, not millionths, and the time as text."""
    start = _EPOCH + timedelta(milliseconds=window.start)
    return {
        "metric": window.metric,
        "dimension": window.dimension,
        "dimension_value": window.value,
        "grain": window.grain,
        "start": start.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "count": window.count,
        "sum": _units(window.sum),
        "min": _units(window.min),
        "max": _units(window.max),
        "closed": window.closed,
        "basis": window.basis,
        "revision": window.revision,
    }


def read_window(value: bytes) -> MetricWindow:
    """A record of ``metrics``. Raises ValueError or RecursionError."""
    return _decode_window(value)


def read_told(value: bytes) -> tuple[str, bytes]:
    """A record that is told as it is: its project, and itself on one line.

    Raises:
        ValueError, RecursionError: it is none.
    """
    record = _decode_told(value)
    project = record.get("project")
    if not isinstance(project, str):
        raise ValueError("It names no project.")
    return project, encode(record)


def _units(millionths: int | None) -> float | None:
    return None if millionths is None else millionths / MILLION


_decode_window = msgspec.json.Decoder(MetricWindow).decode
_decode_told = msgspec.json.Decoder(dict[str, Any]).decode
