"""What somebody should look at: one record for each thing that happens to an alert."""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["warning", "critical"]

AlertState = Literal["pending", "firing", "acknowledged", "resolved"]
"""``pending``: true, but not for long enough yet. An acknowledged alert is one that somebody looks after."""

AlertEvent = Literal[
    "pending", "fired", "worse", "acknowledged", "silenced", "unsilenced", "reminded", "escalated", "resolved"
]
"""What has happened: ``worse`` is a warning that became critical."""

AlertGrain = Literal["minute", "hour", "day", "moment"]
"""Length of the windows that were judged; ``moment`` where the present state was."""


class AlertWindow(msgspec.Struct, frozen=True, kw_only=True):
    """The time that was judged, epoch ms; ``end`` is exclusive. It consists of windows of ``grain``."""

    grain: AlertGrain
    start: int
    end: int


class ExpectedRange(msgspec.Struct, frozen=True, kw_only=True):
    """What a value was expected to be, in the metric's unit."""

    low: float
    high: float


class Alert(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One record on ``alerts``: an alert as it is since this record.

    An alert is about one rule and one value of its dimension. All its records have the same ``id``;
    ``sequence`` counts them from 1, so that (``id``, ``sequence``) tells a repeated record from news.
    ``value`` is that of ``metric``, ``threshold`` the limit that it passed, both in the metric's unit;
    ``count`` is how many events or users the value is made of, ``dimensions`` says what of (``country``:
    ``IN``).

    ``windows`` names the windows that ``value`` was added up from, as ``metric/dimension/value/grain/start``,
    so that an alert can be traced to its events: the table ``metric_windows`` holds those of the stream; what
    the store is asked for is computed, and not stored. ``rule_version`` is the rule's when this record was
    made; that of a built-in rule is the release's. All times are epoch ms; ``at`` is when this happened, by
    the clock of who says so, and ``window`` is event time. A ``silenced`` alert is not to be delivered.
    ``reason`` says why it ended, where that is not by its value.
    """

    id: str
    sequence: int
    event: AlertEvent
    state: AlertState
    severity: Severity
    project: str
    rule: str
    rule_version: str
    metric: str
    dimensions: dict[str, str] = {}
    value: float | None
    threshold: float | None = None
    expected: ExpectedRange | None = None
    count: int = 0
    window: AlertWindow
    windows: list[str] = []
    message: str
    labels: dict[str, str] = {}
    silenced: bool = False
    escalated: bool = False
    acknowledged_by: str = ""
    opened_at: int
    fired_at: int | None = None
    resolved_at: int | None = None
    at: int
    reason: str = ""
    version: int = 1
