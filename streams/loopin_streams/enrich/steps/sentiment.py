"""How the text that the event carries feels."""

from __future__ import annotations

from loopin_streams.enrich.draft import Context, Draft, Outcome
from loopin_text.private import SENTIMENT
from loopin_text.sentiment import label, score, texts_of


def score_sentiment(draft: Draft, context: Context) -> Outcome:
    """VADER's compound and label of the text properties, or what the client scored where it left them out.

    Nothing where there is neither, and with a warning where the client's ``$sentiment`` is no number from -1
    to 1.
    """
    properties = draft.properties
    if not context.sentiment:
        return None
    if not properties.keys().isdisjoint(context.text_properties):
        text = texts_of(properties, context.text_properties)
        if text is not None:
            _set(draft, score(text))
            return None
    if SENTIMENT in properties:
        _take(draft, properties[SENTIMENT])
    return None


def _take(draft: Draft, claimed: object) -> None:
    if isinstance(claimed, bool) or not isinstance(claimed, int | float):
        fault = "wrong_type"
    elif not -1 <= claimed <= 1:
        fault = "out_of_range"
    else:
        _set(draft, float(claimed))
        return
    warning = f"{SENTIMENT}:{fault}"
    if warning not in draft.enriched.warnings:
        draft.enriched.warnings = (*draft.enriched.warnings, warning)


def _set(draft: Draft, compound: float) -> None:
    draft.enriched.sentiment = compound
    draft.enriched.sentiment_label = label(compound)
