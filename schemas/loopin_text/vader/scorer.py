"""A text's four scores, added up as the library adds them."""

from __future__ import annotations

from typing import NamedTuple

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer, normalize

from loopin_text.vader.memo import Memo
from loopin_text.vader.windows import Windows
from loopin_text.vader.words import WordClasses


class Scores(NamedTuple):
    """What ``polarity_scores`` of vaderSentiment returns, in its order."""

    neg: float
    """Share of the negative words, 0-1."""
    neu: float
    """Share of the words without sentiment, 0-1."""
    pos: float
    """Share of the positive words, 0-1."""
    compound: float
    """The whole, -1 (negative) to 1 (positive)."""


class Vader:
    """The scorer; reads the lexicon when it is made (some 20 ms). Safe to share between threads."""

    def __init__(self) -> None:
        analyzer = SentimentIntensityAnalyzer()
        classes = WordClasses(analyzer.lexicon)
        self._windows = Windows(analyzer, classes)
        self._letter = Memo(classes.of)
        self._but = classes.of("but")
        # The library replaces one character at a time: its entries for emoji of several are never met.
        self._description = {
            emoji: f" {words}" for emoji, words in analyzer.emojis.items() if len(emoji) == 1
        }
        self._emoji = frozenset(self._description)
        self._exclamations = [analyzer._amplify_ep("!" * count) for count in range(5)]
        self._questions = [analyzer._amplify_qm("?" * count) for count in range(5)]

    def scores(self, text: str) -> Scores:
        """All four scores; zeros for a text without words."""
        text = self.described(text)
        letters = self._letters(text)
        if not letters:
            return Scores(0.0, 0.0, 0.0, 0.0)
        valences = self._valences(letters)
        emphasis = self._emphasis(text)
        return Scores(*_shares(valences, len(letters), emphasis), _compound(valences, emphasis))

    def compound(self, text: str) -> float:
        """The compound alone, in less time."""
        text = self.described(text)
        valences = self._valences(self._letters(text))
        return _compound(valences, self._emphasis(text)) if valences else 0.0

    def described(self, text: str) -> str:
        """The text with a blank and its description in the place of each emoji."""
        if text.isascii() or self._emoji.isdisjoint(text):
            return text
        describe = self._description.get
        return "".join([describe(character, character) for character in text])

    def _letters(self, text: str) -> str:
        letters = "".join(map(self._letter.__getitem__, text.split()))
        # Capitals count only where they stand out.
        return letters.lower() if letters.isupper() else letters

    def _valences(self, letters: str) -> list[float]:
        valences = self._windows.valences(letters)
        if valences and (self._but in letters or self._but.upper() in letters):
            at = letters.lower().index(self._but)
            _weigh(valences, self._windows.count(letters[:at]))
        return valences

    def _emphasis(self, text: str) -> float:
        return float(self._exclamations[min(text.count("!"), 4)] + self._questions[min(text.count("?"), 4)])


def _weigh(valences: list[float], before_but: int) -> None:
    """Halve what stands before the first 'but', and raise what follows it by half.

    The library looks up each valence by its value, so of equal ones the first takes the change, every time.
    """
    for valence in valences:
        at = valences.index(valence)
        valences[at] = valence * (0.5 if at < before_but else 1.5)


def _compound(valences: list[float], emphasis: float) -> float:
    total = sum(valences)
    if total > 0:
        total += emphasis
    elif total < 0:
        total -= emphasis
    return round(float(normalize(total)), 4)


def _shares(valences: list[float], words: int, emphasis: float) -> tuple[float, float, float]:
    """neg, neu and pos: a word with sentiment weighs one more than its valence, a neutral one weighs 1."""
    # Not sum(): it rounds otherwise than the library's additions one by one, from Python 3.12 on.
    positive = negative = 0.0
    neutral = words
    for valence in valences:
        if valence > 0:
            positive += valence + 1
            neutral -= 1
        elif valence < 0:
            negative += 1 - valence
            neutral -= 1
    if positive > negative:
        positive += emphasis
    elif positive < negative:
        negative += emphasis
    total = positive + negative + neutral
    return round(negative / total, 3), round(neutral / total, 3), round(positive / total, 3)
