"""What a method of judging a text is."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from loopin_text.sentiment import Label


class Scored(NamedTuple):
    """What one method says of a text."""

    score: float
    """From -1 (negative) to 1 (positive)."""
    label: Label
    signals: tuple[float, ...]
    """What the combination is told: always as many numbers, the first of which has the score's sign."""


class Method(Protocol):
    """Judges texts in English. Safe to share between threads."""

    @property
    def name(self) -> str:
        """Its name in answers and tables."""
        ...

    def score(self, text: str) -> Scored | None:
        """Its judgement of the text's scored part; None where it is off. Never raises."""
        ...
