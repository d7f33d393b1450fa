"""The last word on a text: of the language model where it has one, else of the methods together."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

from loopin_text.opinion.endpoint import Judgement
from loopin_text.opinion.opinions import opinion
from loopin_text.sentiment import Label

Method = Literal["combination", "language_model", ""]
"""Who has judged; empty for nobody, as nobody knows the language."""


class Judge(Protocol):
    """A language model: see ``loopin_text.opinion.endpoint.Endpoint``."""

    def judge(self, text: str) -> Judgement: ...


class Judged(NamedTuple):
    """What is kept of a text; None where nobody knows."""

    sentiment: Label | None
    score: float | None
    confidence: float | None
    intensity: int | None
    emotions: tuple[str, ...]
    language: str | None
    method: Method


def by_methods(text: str) -> Judged:
    """What the methods together say of a text."""
    said = opinion(text)
    return Judged(
        sentiment=said.sentiment,
        score=said.score,
        confidence=said.confidence,
        intensity=said.intensity,
        emotions=said.emotions,
        language=said.language,
        method="combination" if said.supported else "",
    )


def by_language_model(text: str, model: Judge) -> Judged:
    """What a language model says of a text; takes as long as that may.

    Raises:
        NoAnswer: nothing.
    """
    judgement = model.judge(text)
    return Judged(
        sentiment=judgement.sentiment,
        score=judgement.score,
        confidence=None,
        intensity=judgement.intensity,
        emotions=judgement.emotions,
        language=opinion(text).language,
        method="language_model",
    )
