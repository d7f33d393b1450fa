"""Text that the catalogue marks private leaves the event once it is scored."""

from __future__ import annotations

from loopin_schemas.private_events import private_event
from loopin_streams.enrich.bots import BOT_NAME, bot_of
from loopin_streams.enrich.draft import Context, Draft, Outcome
from loopin_text.private import SENTIMENT, without_private_text
from loopin_text.sentiment import label


def remove_private_text(draft: Draft, context: Context) -> Outcome:
    """Take private text out (``message_sent``'s words are never stored); score and length stay."""
    properties = draft.properties
    known = private_event(draft.event.event, properties)
    if known is None:
        return None
    kept = without_private_text(properties, known.private, wordless=known.wordless, score=context.sentiment)
    if kept is properties:
        return None
    left = dict(kept)
    if BOT_NAME in properties and properties[BOT_NAME] == bot_of(properties):
        # The stream's own, which may be of several words.
        left[BOT_NAME] = properties[BOT_NAME]
    if kept.get(SENTIMENT) is not properties.get(SENTIMENT):
        # The step before knows only the usual names of texts, and not what the client scored of which.
        compound = left.pop(SENTIMENT, None)
        draft.enriched.sentiment = compound
        draft.enriched.sentiment_label = None if compound is None else label(compound)
    draft.replace(left)
    return None
