"""What somebody should look at."""

from __future__ import annotations

from typing import Literal

import msgspec


class Alert(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One record on ``alerts``.

    ``id`` is the same for a repeated record, so that a notifier tells it from a new alert. ``observed`` and
    ``threshold`` are in the rule's unit; ``labels`` say what it is about (``reason`` ...). ``window_start``
    and ``raised_at`` are epoch ms.
    """

    id: str
    rule: str
    project: str
    severity: Literal["warning", "critical"]
    message: str
    observed: float
    threshold: float
    labels: dict[str, str] = {}
    window_start: int
    raised_at: int
