"""Alerts as an evaluator writes them."""

from __future__ import annotations

from typing import Any

from loopin_schemas.alert import Alert, AlertWindow

T = 1_768_473_000_000
"""2026-01-15T10:30Z, epoch ms."""

MINUTE_MS = 60_000


def some_alert(sequence: int = 1, **fields: Any) -> Alert:
    """A warning of payments; ``sequence`` minutes after ``T`` it happened."""
    given: dict[str, Any] = {
        "id": f"shop:payment_failure_rate:{T}",
        "event": "fired",
        "state": "firing",
        "severity": "warning",
        "project": "shop",
        "rule": "payment_failure_rate",
        "rule_version": "built-in 0.1",
        "metric": "payment_failure_rate",
        "value": 0.152,
        "threshold": 0.1,
        "count": 46,
        "window": AlertWindow(grain="minute", start=T - 15 * MINUTE_MS, end=T),
        "message": "payment_failure_rate of project shop is 15.2% over 15 minutes (limit 10.0%).",
        "opened_at": T,
        "fired_at": T,
        "at": T + sequence * MINUTE_MS,
    }
    return Alert(sequence=sequence, **{**given, **fields})
