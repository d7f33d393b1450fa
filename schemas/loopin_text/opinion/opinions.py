"""The judgement of a text by all methods together."""

from __future__ import annotations

from collections.abc import Mapping
from html import unescape
from typing import NamedTuple

from loopin_text.once import once
from loopin_text.opinion.emoji import with_emoticons
from loopin_text.opinion.emotions import emotions_of
from loopin_text.opinion.language import doubtful, language_of, supported
from loopin_text.opinion.learned import Learned, learned
from loopin_text.opinion.method import Scored
from loopin_text.opinion.methods import METHODS
from loopin_text.opinion.stack import Verdict, features_of, feelings_of
from loopin_text.opinion.style import style_of
from loopin_text.opinion.words import speaks, words_of
from loopin_text.sentiment import Label, scored_part


class Opinion(NamedTuple):
    """What is said of a text. In a language that is not supported nobody knows: then most of it is None."""

    sentiment: Label | None
    score: float | None
    """-1 (negative) to 1 (positive): the mean rating that people would give, of -4 to 4, by 4."""
    confidence: float | None
    """0-1: how often a label said with this confidence is right."""
    intensity: int | None
    """0-10: how strong the feeling is, whichever it is."""
    emotions: tuple[str, ...]
    """Names of ``loopin_text.opinion.emotions.EMOTIONS``, those with most words first."""
    language: str | None
    """ISO 639-1, or ``und`` for letters of which only is known that they are not English; None: too short."""
    supported: bool
    """Whether the language is one that the methods know."""
    methods: Mapping[str, Scored | None]
    """What each method says, by its name; None for one that is off or does not know the language."""


class Opinions:
    """Judges texts in English. Safe to share between threads."""

    def __init__(self, learned: Learned) -> None:
        self._methods = tuple(make(learned) for make in METHODS)
        self._stacks = {stack.methods: stack for stack in learned.stacks}

    def of(self, text: str) -> Opinion:
        """The opinion on the text's scored part (``loopin_text.sentiment``). Never raises."""
        language = language_of(text)
        if not supported(language):
            nothing: dict[str, Scored | None] = {method.name: None for method in self._methods}
            return Opinion(None, None, None, None, (), language, False, nothing)
        scored = {method.name: method.score(text) for method in self._methods}
        label, score, confidence = self.verdict(text, scored, language is None)
        return Opinion(
            label, score, confidence, intensity_of(score), emotions_of(text), language, True, scored
        )

    def verdict(self, text: str, scored: Mapping[str, Scored | None], short: bool) -> Verdict:
        """What the methods' scores come to; ``short``: too short to tell its language.

        A text without a word is neutral, which is certain unless there is an emoji that nobody has rated.
        """
        words = words_of(text)
        stack = self._stacks[tuple(name for name, each in scored.items() if each)]
        start = unescape(scored_part(text))
        heard = with_emoticons(start)
        if not speaks(words):
            return Verdict("neutral", 0.0, 1.0 if heard == start else stack.silent)
        if short and doubtful(text):
            return Verdict("neutral", 0.0, stack.silent)
        if heard != start:
            # The libraries' own scores are shown, but what they say of emoticons is what can be believed.
            scored = {method.name: method.score(heard) for method in self._methods}
        signals = [each for each in scored.values() if each]
        return stack.verdict(features_of(signals, style_of(heard, words)), feelings_of(signals))


def intensity_of(score: float) -> int:
    """0 for no feeling, 10 for the strongest."""
    return round(10 * abs(score))


@once
def shared_opinions() -> Opinions:
    """Those of this release."""
    return Opinions(learned())


def opinion(text: str) -> Opinion:
    """What all methods together say of a text."""
    return shared_opinions().of(text)
