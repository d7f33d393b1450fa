"""Text that the catalogue marks private leaves the event once it is scored."""

from __future__ import annotations

import msgspec

from loopin_schemas.catalogue import by_name
from loopin_schemas.codec import encode
from loopin_streams.enrich.draft import Context, Draft, Outcome


def remove_private_text(draft: Draft, _: Context) -> Outcome:
    """Take private properties out (``message_sent``'s text is never stored)."""
    known = by_name(draft.event.event)
    if known is None or not known.private or draft.properties.keys().isdisjoint(known.private):
        return None
    kept = {name: value for name, value in draft.properties.items() if name not in known.private}
    draft.properties = kept
    draft.enriched.properties = msgspec.Raw(encode(kept))
    return None
