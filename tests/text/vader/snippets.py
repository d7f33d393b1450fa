"""The texts that VADER's authors rated, without their ratings."""

from __future__ import annotations

from functools import cache

from loopin_text.opinion.train.snippets import snippets


@cache
def rated_snippets() -> tuple[str, ...]:
    """All 23,703 texts, in the order of the files.

    Raises:
        FileNotFoundError: the source package has not been fetched.
    """
    return tuple(snippet.text for snippet in snippets())
