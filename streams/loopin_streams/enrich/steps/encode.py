"""The enriched event as it goes to ``events.enriched``."""

from __future__ import annotations

import msgspec

from loopin_schemas.codec import encode
from loopin_streams.enrich.draft import Context, Draft, Outcome


def encode_enriched(draft: Draft, _: Context) -> Outcome:
    """Encode once, as the last step, so that a failure here too concerns its own event only."""
    if draft.changed:
        draft.enriched.properties = msgspec.Raw(encode(draft.properties))
    draft.body = encode(draft.enriched)
    return None
