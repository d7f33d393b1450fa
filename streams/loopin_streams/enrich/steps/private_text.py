"""Text that the catalogue marks private leaves the event once it is scored."""

from __future__ import annotations

from loopin_schemas.catalogue import by_name
from loopin_streams.enrich.draft import Context, Draft, Outcome
from loopin_text.private import without_private_text


def remove_private_text(draft: Draft, _: Context) -> Outcome:
    """Take private properties out (``message_sent``'s text is never stored); ``$text_length`` stays."""
    known = by_name(draft.event.event)
    if known is None or not known.private or draft.properties.keys().isdisjoint(known.private):
        return None
    # The sentiment step has scored it.
    draft.replace(without_private_text(draft.properties, known.private, score=False))
    return None
