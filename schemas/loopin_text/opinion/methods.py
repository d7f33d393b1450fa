"""The methods, in the order of answers and tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from loopin_text.opinion.learned import Learned
from loopin_text.opinion.lexicon import LexiconMethod
from loopin_text.opinion.linear import LinearMethod
from loopin_text.opinion.method import Method
from loopin_text.opinion.textblob import TextBlobMethod
from loopin_text.opinion.vader import VaderMethod

METHODS: Final[tuple[Callable[[Learned], Method], ...]] = (
    lambda _: VaderMethod(),
    lambda _: TextBlobMethod(),
    lambda learned: LexiconMethod(learned.valences),
    lambda learned: LinearMethod(learned.intercepts, learned.weights),
)
"""Makes each method from what was learned. A language model (``endpoint``) is asked apart: it is slow."""

LIGHT: Final = ("vader", "lexicon", "linear")
"""Those that need no library beside that of the extra ``text``: they have a combination of their own."""
