"""Captures what a transaction did, if and when it is committed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from time import time_ns
from typing import Any

from django.db import transaction

from loopin_producers.django.client import get_client
from loopin_producers.guard import Guard

_guard = Guard("A signal's event was not captured.")


def capture_after_commit(
    event: str,
    distinct_id: str,
    properties: Mapping[str, Any],
    *,
    using: str | None = None,
    groups: Mapping[str, str] | None = None,
) -> None:
    """Capture an event of now once the open transaction is committed: at once where there is none.

    A transaction that is rolled back takes it along. Raises nothing when it is committed.

    Args:
        using: alias of the database; the default one if None.
    """
    now_ms = time_ns() // 1_000_000
    captured = partial(_capture, event, distinct_id, properties, timestamp=now_ms, groups=groups)
    transaction.on_commit(captured, using=using)


def _capture(event: str, distinct_id: str, properties: Mapping[str, Any], **options: Any) -> None:
    with _guard:
        get_client().capture(event, distinct_id, properties, source="signal", **options)
