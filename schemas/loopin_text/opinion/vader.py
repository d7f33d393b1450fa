"""VADER: a lexicon rated by people, with rules for negation, degree, capitals, emoticons and emoji."""

from __future__ import annotations

from loopin_text.opinion.method import Scored
from loopin_text.sentiment import label, score, scored_part, shared_vader


class VaderMethod:
    """The score that the stream gives an event's text (Hutto and Gilbert, 2014)."""

    name = "vader"

    def score(self, text: str) -> Scored:
        """Its compound, and beside it the shares of negative and positive words."""
        compound = score(text)
        shares = shared_vader().scores(scored_part(text))
        return Scored(compound, label(compound), (compound, shares.neg, shares.pos))
