"""Private messages leave as a score and a length: their words never do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final, TypeVar

Properties = TypeVar("Properties", bound=Mapping[str, Any])

SENTIMENT: Final = "$sentiment"
"""VADER's compound of the text, from -1 to 1."""

TEXT_LENGTH: Final = "$text_length"
"""Characters (code points) of the text."""


def without_private_text(
    properties: Properties, private: Iterable[str], *, score: bool = True
) -> Properties | dict[str, Any]:
    """The properties with ``$sentiment`` and ``$text_length`` in place of the ``private`` ones.

    The very same object where none of those is there. Of several texts the lengths add up, and they are
    scored together. There is no ``$sentiment`` where there is no text to score, ``score`` is false, or
    :func:`can_score` is; one that the client gave beside its text does not count.
    """
    names = [name for name in private if name in properties]
    if not names:
        return properties
    texts = [text for name in names if isinstance(text := properties[name], str)]
    kept = {name: value for name, value in properties.items() if name not in names and name != SENTIMENT}
    kept[TEXT_LENGTH] = sum(map(len, texts))
    scorer = _scorer() if score else None
    text = "\n".join(text for text in texts if not text.isspace() and text)
    if scorer is not None and text:
        kept[SENTIMENT] = scorer(text)
    return kept


def can_score() -> bool:
    """Whether texts can be scored here: the extra ``text`` is installed.

    The first call loads the lexicon, some 0.1 s: a client asks when it starts.
    """
    scorer = _scorer()
    if scorer is not None:
        scorer("ready")
    return scorer is not None


@cache
def _scorer() -> Callable[[str], float] | None:
    try:
        # Here, because a client may be installed without the lexicon.
        from loopin_text.sentiment import score
    except ImportError:
        return None
    return score
