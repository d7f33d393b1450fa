"""Errors get the fingerprint that they are grouped by."""

from __future__ import annotations

from loopin_streams.enrich.draft import Context, Draft, Outcome
from loopin_text.fingerprint import FINGERPRINT, of_event


def add_fingerprint(draft: Draft, _: Context) -> Outcome:
    """Add an error's fingerprint; one that the client has said stays."""
    found = of_event(draft.event.event, draft.properties)
    if found is not None:
        draft.add({FINGERPRINT: found})
    return None
