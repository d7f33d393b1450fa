"""VADER's scores, exactly those of the library vaderSentiment, at a fraction of its time.

A text goes through three small tables: each word becomes one letter, its class (``words``); each sentiment
word with its neighbours becomes a valence (``windows``), computed once by the library itself; the valences
add up to the scores (``scorer``).
"""

from loopin_text.vader.scorer import Scores, Vader

__all__ = ["Scores", "Vader"]
