"""Which windows an event comes too late for."""

from __future__ import annotations

from typing import Final

from loopin_schemas.event import EnrichedEvent
from loopin_streams.enrich.draft import Context, Draft, Outcome
from loopin_streams.windows.grains import GRAINS, LATENESS_MS, MINUTE

_KEPT_MS: Final = MINUTE.keep_ms


def mark_late(draft: Draft, context: Context) -> Outcome:
    """Name the longest window that is gone; the stored ones are then recomputed from the stored events."""
    judge(draft.enriched, context.windows.watermark)
    return None


def judge(event: EnrichedEvent, watermark: int | None) -> None:
    """Set ``late``.

    A window is gone when the watermark has left it behind, and also when the event itself arrived that long
    after it: an import of old events would fill the memory with windows that nobody looks at.
    """
    arrived = event.received_at - LATENESS_MS
    now = arrived if watermark is None or watermark < arrived else watermark
    if event.timestamp < now - _KEPT_MS:
        gone = [grain for grain in GRAINS if grain.gone(grain.start(event.timestamp), now)]
        event.late = gone[-1].name if gone else None
