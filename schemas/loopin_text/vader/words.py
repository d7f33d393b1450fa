"""The classes of words: all words of one class are the same to VADER's rules.

The rules ask a word for its valence in the lexicon, its strength as a booster, whether it negates, whether
it is in capitals, and for the few words that they name. Two words that agree in all of it are
interchangeable, which leaves 111 classes for 7,500 words, each in small letters and in capitals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from vaderSentiment.vaderSentiment import BOOSTER_DICT, NEGATE, SPECIAL_CASES, SentiText

_PHRASES: Final = [phrase for phrase in (*SPECIAL_CASES, *BOOSTER_DICT) if " " in phrase]

NAMED: Final = frozenset(
    ["at", "but", "doubt", "kind", "least", "never", "no", "nor", "of", "or", "so", "this", "very", "without"]
) | frozenset(" ".join(_PHRASES).split())
"""Words that a rule names, by itself or in a phrase: each is a class of its own."""

PLAIN: Final = "word"
"""A word that no rule knows."""

NEGATION: Final = "n't"
"""A word with this anywhere in it negates."""

# Cyrillic and Armenian letters: a small one and its capital are one character each, wherever they stand.
_LETTERS: Final = range(0x430, 0x590)


class Traits(NamedTuple):
    """All that VADER's rules ask of a word in small letters."""

    valence: float | None
    """What the lexicon says, -4 to 4; None: not in it."""
    boost: float | None
    """What it adds to a sentiment word after it; None: no booster."""
    negates: bool
    name: str
    """The word itself if a rule names it, else empty."""

    @property
    def has_sentiment(self) -> bool:
        """Whether the word has a valence of its own in a text; boosters have not."""
        return self.valence is not None and self.boost is None


class WordClasses:
    """Gives each word the letter of its class: a capital letter to a word in capitals.

    So a text's letters answer by ``str.isupper`` what VADER asks of its words.
    """

    def __init__(self, lexicon: Mapping[str, float]) -> None:
        self.word: dict[str, str] = {}
        """A word of each class, by its letter."""
        self.sentiment: str = ""
        """The letters of the words that have a valence of their own and no rule names."""
        self.named_sentiment: str = ""
        """The letters of the words that have a valence of their own and a rule names."""
        self._letter: dict[str, str] = {}
        self._name_classes(lexicon)

    def _name_classes(self, lexicon: Mapping[str, float]) -> None:
        entries = {*lexicon, *BOOSTER_DICT, *NEGATE, *NAMED, NEGATION, PLAIN}
        # The rules look for one word in small letters; no word of a text is found under another entry.
        vocabulary = [entry for entry in entries if entry.split() == [entry.lower()]]
        free, letters = _cased_letters(), dict[Traits, str]()
        # Those with capitals first: they stand for their class in capitals too, as ":(" could not.
        for word in sorted(vocabulary, key=lambda word: (not word.upper().isupper(), word)):
            negates = word in NEGATE or NEGATION in word
            traits = Traits(lexicon.get(word), BOOSTER_DICT.get(word), negates, word if word in NAMED else "")
            if traits not in letters:
                letters[traits] = letter = next(free)
                self.word |= {letter: word, letter.upper(): word.upper()}
                if traits.has_sentiment and traits.name:
                    self.named_sentiment += letter + letter.upper()
                elif traits.has_sentiment:
                    self.sentiment += letter + letter.upper()
            self._letter[word] = letters[traits]

    def of(self, token: str) -> str:
        """The letter of a token as it stands between blanks, punctuation and all."""
        word = SentiText._strip_punc_if_word(token)
        small = word.lower()
        letter = self._letter.get(small) or self._letter[NEGATION if NEGATION in small else PLAIN]
        return letter.upper() if word.isupper() else letter


def _cased_letters() -> Iterator[str]:
    return (letter for letter in map(chr, _LETTERS) if letter.islower() and letter.upper().lower() == letter)
