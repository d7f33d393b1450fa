"""Which language a text is in, as far as it is long enough to tell.

py3langid (BSD licence; the extra ``models``) tells languages by sequences of letters, badly for few words: so
a text counts as English unless there is enough of it and little doubt, or its letters are not Latin.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

from loopin_text.once import once
from loopin_text.sentiment import scored_part

ENGLISH: Final = "en"

UNDETERMINED: Final = "und"
"""ISO 639-2's code for a language that cannot be told."""

COMMON: Final = [
    "af", "ar", "az", "be", "bg", "bn", "bs", "ca", "cs", "cy", "da", "de", "el", "en", "es", "et",
    "eu", "fa", "fi", "fr", "gl", "gu", "he", "hi", "hr", "hu", "hy", "id", "is", "it", "ja", "ka",
    "kk", "kn", "ko", "lt", "lv", "mk", "ml", "mr", "ms", "ne", "nl", "no", "pa", "pl", "pt", "ro",
    "ru", "sk", "sl", "sq", "sr", "sv", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "uz", "vi",
    "zh",
]  # fmt: skip
"""The languages that are told from each other: py3langid sees rarer ones where they are not."""

LETTERS: Final = 20
"""Letters that a text in Latin script needs, to be called other than English ..."""

UNLIKELY: Final = 0.01
"""... and the probability that it is English, below which it is not: of the 23,703 rated texts of
vaderSentiment's source package five have a lower one, and none of these is English."""

SURE: Final = 0.85
"""From this probability on a language that is not English is named."""

LIKELY: Final = 0.6
"""From this probability of another language on, a text too short to tell is doubted to be English: of
the 1,294 such rated texts three are, and two of these are indeed not all English."""

_NAMES: Final = re.compile(r"https?://\S+|[@#]\S+")
"""Addresses, people and topics are in no language."""


def language_of(text: str) -> str | None:
    """Its ISO 639-1 code, ``und`` for another one than English, None where it may be English."""
    words = _NAMES.sub(" ", scored_part(text))
    letters = [character for character in words if character.isalpha()]
    if not letters:
        return None
    latin = sum(map(_is_latin, letters)) * 2 >= len(letters)
    if latin and len(letters) < LETTERS:
        return None
    identifier = _identifier()
    if identifier is None:
        return None if latin else UNDETERMINED
    ranked = identifier.rank(words)
    language, probability = ranked[0]
    if not latin:
        return UNDETERMINED if language == ENGLISH else str(language)
    if language == ENGLISH:
        return ENGLISH
    if dict(ranked)[ENGLISH] >= UNLIKELY:
        return None
    return str(language) if probability >= SURE else UNDETERMINED


def doubtful(text: str) -> bool:
    """Whether a text of which ``language_of`` cannot tell it is likelier in another language than English."""
    words = _NAMES.sub(" ", scored_part(text))
    identifier = _identifier()
    # Of a single word, letters tell less than that a method knows it.
    if identifier is None or sum(any(map(str.isalpha, word)) for word in words.split()) < 2:
        return False
    language, probability = identifier.rank(words)[0]
    return bool(language != ENGLISH and probability >= LIKELY)


def supported(language: str | None) -> bool:
    """Whether the methods know it. A text of which the language cannot be told is taken for English."""
    return language in (ENGLISH, None)


def _is_latin(letter: str) -> bool:
    return letter.isascii() or unicodedata.name(letter, "").startswith("LATIN")


@once
def _identifier() -> Any | None:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        return None
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(COMMON)
    return identifier
