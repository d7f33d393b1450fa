"""Personal data that a client published by itself."""

from __future__ import annotations

from loopin_streams.enrich.draft import Context, Draft, Outcome


def scrub_properties(draft: Draft, context: Context) -> Outcome:
    """Replace emails, phone numbers, cards and tokens in property values, as the settings say."""
    scrubbed = context.scrubber.properties(draft.properties)
    if scrubbed is not draft.properties:
        draft.replace(scrubbed)
    return None
