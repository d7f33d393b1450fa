"""How the text that the event carries feels."""

from __future__ import annotations

from loopin_streams.enrich.draft import Context, Draft, Outcome
from loopin_text.sentiment import label, score, texts_of


def score_sentiment(draft: Draft, context: Context) -> Outcome:
    """VADER's compound and label of the text properties; nothing where there is no text."""
    if context.sentiment and not draft.properties.keys().isdisjoint(context.text_properties):
        text = texts_of(draft.properties, context.text_properties)
        if text is not None:
            draft.enriched.sentiment = score(text)
            draft.enriched.sentiment_label = label(draft.enriched.sentiment)
    return None
