"""Windows of event time: each partition's share of them, and their sum."""

from __future__ import annotations

from typing import Literal

import msgspec

Grain = Literal["minute", "hour", "day"]


class Cell(msgspec.Struct, array_like=True, gc=False):
    """One series of a window: a metric, whole (``dimension`` ``""``) or for one value of a dimension.

    ``count`` is how many events or users; ``sum``, ``min`` and ``max`` of the measured values are whole
    millionths, None where nothing is measured.
    """

    metric: str
    dimension: str
    value: str
    count: int
    sum: int | None = None
    min: int | None = None
    max: int | None = None


class Window(msgspec.Struct, kw_only=True):
    """Cells of one project's window that begins at ``start`` (epoch ms, UTC)."""

    project: str
    grain: Grain
    start: int
    cells: list[Cell]


class WindowPartials(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One record on ``windows``: what changed in one raw partition since its last one.

    The numbers are absolute: a partition's newest record of a cell replaces its earlier ones. All events
    below ``position`` of the raw partition are in it. ``watermark`` (epoch ms, None while unknown) comes
    last of those records that one flush is split into (``more``).
    """

    partition: int
    position: int
    watermark: int | None = None
    windows: list[Window] = []
    more: bool = False
    version: int = 1


class MetricWindow(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One window of one series over all partitions, on ``metrics``.

    ``count`` is how many events or users; ``sum``, ``min``, ``max`` are of the measured values, in whole
    millionths. A greater ``revision`` (epoch ms) replaces a smaller one. ``closed`` says that every
    partition's watermark has passed the window's end; late events may still correct it. ``basis`` says
    whom users are: live windows count distinct_ids. ``version`` is that of this format.
    """

    project: str
    metric: str
    dimension: str = ""
    value: str = ""
    grain: Grain
    start: int
    count: int
    sum: int | None = None
    min: int | None = None
    max: int | None = None
    closed: bool = False
    revision: int
    basis: Literal["distinct_ids", "persons"] = "distinct_ids"
    version: int = 1
