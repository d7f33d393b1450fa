"""The client's address, once it was looked up."""

from __future__ import annotations

from loopin_streams.enrich.draft import Context, Draft, Outcome
from loopin_streams.enrich.ip_privacy import without_ip


def keep_ip_private(draft: Draft, context: Context) -> Outcome:
    """Drop or truncate it, as the settings say."""
    kept = without_ip(draft.properties, context.ip)
    if kept is not draft.properties:
        draft.replace(kept)
    return None
