"""Text that the catalogue marks private leaves the event once it is scored."""

from __future__ import annotations

from typing import Final

from loopin_schemas.catalogue import CATALOGUE
from loopin_streams.enrich.draft import Context, Draft, Outcome
from loopin_text.private import without_private_text

_PRIVATE: Final = {event.name: event.private for event in CATALOGUE if event.private}


def remove_private_text(draft: Draft, _: Context) -> Outcome:
    """Take private properties out (``message_sent``'s text is never stored); ``$text_length`` stays."""
    private = _PRIVATE.get(draft.event.event)
    if private is None or draft.properties.keys().isdisjoint(private):
        return None
    # The sentiment step has scored it.
    draft.replace(without_private_text(draft.properties, private, score=False))
    return None
