"""Feedback on the product."""

from __future__ import annotations

from loopin_producers.simulator import moods
from loopin_producers.simulator.visit import Visit


def feedback(visit: Visit) -> None:
    """Say what one thinks of the product."""
    tone = visit.tone()
    text = moods.feedback(moods.mood_of(tone), visit.dice)
    rating = moods.rating_of(tone, visit.dice)
    visit.event("feedback_submitted", {"rating": rating, "text": text.words}, text)
