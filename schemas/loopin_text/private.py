"""Private messages leave as a score and a length: their words never do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeVar

from loopin_text.pii.kinds import MARKS

Properties = TypeVar("Properties", bound=Mapping[str, Any])

SENTIMENT: Final = "$sentiment"
"""VADER's compound of the text, from -1 to 1."""

TEXT_LENGTH: Final = "$text_length"
"""Characters (code points) of the text."""

MAX_DEPTH: Final = 40
"""Deeper values are left out: validation refuses them (20 levels)."""

_WORDS: Final = frozenset(
    {
        *("text", "texts", "message", "messages", "msg", "body", "content", "contents", "subject", "title"),
        *("caption", "comment", "reply", "preview", "snippet", "excerpt", "note", "description", "words"),
        *("html", "markdown", "plaintext", "transcript"),
    }
)
"""Names of what somebody wrote, be it a single word."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_.:\-]{0,64}")
_NAME: Final = re.compile(r"[A-Za-z0-9_.:\-$]{0,64}")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]{4,20}(?:[+\-][0-9:]{4,8})?Z?")
_ADDRESS: Final = re.compile(r"(?:[a-z][a-z0-9+.\-]*:/)?/\S*", re.IGNORECASE)
_USER_AGENT: Final = re.compile(r"[\w.\-]+/[0-9][^\n]{0,1022}", re.ASCII)
_MARKS: Final = frozenset(MARKS.values())

_USER_AGENTS: Final = frozenset({"$raw_user_agent", "$user_agent", "user_agent"})
_IDS: Final = frozenset(
    {
        *("$user_id", "$device_id", "$anon_distinct_id", "$anonymous_id", "$session_id", "$window_id"),
        *("$message_id", "$group_type"),
    }
)
_GROUP: Final = re.compile(r"\$group(?:_[0-9]{1,3}|_key|s)")
_ID: Final = re.compile(r"(?=.{0,200}\Z)\S*(?: \S+){0,2}")
_GROUP_KEY: Final = re.compile(r"(?=.{0,200}\Z)\S*(?: \S+){0,5}")
_OF_IDS: Final = re.compile(
    r"(?:\A|[_.:\-]|(?<=[a-z])(?=[A-Z]))"
    r"(?:[Ii][Dd]|[Uu]uid|[Kk]ey|[Uu]ser|[Mm]ember|[Rr]ecipient|[Pp]articipant)s?\Z|\A(?:to|cc)\Z"
)
"""Names of lists of ids, which may be single words: names of users."""
_SENTENCE: Final = re.compile(r"(?:[A-Za-z]+[_.:\-]+){5,}[A-Za-z]+")
"""Words that only the blanks are missing between."""
_DIGIT: Final = re.compile("[0-9]")
_OF_DEVICES: Final = re.compile(
    r"\$(?:os|browser|device|lib|app|geoip|network|timezone|locale|bot)(?:_.*)?|country|region|city"
    r"|os|browser|device_type",
    re.DOTALL,
)
"""Properties that libraries and the stream fill in by themselves, such as ``$os``: Mac OS X."""
_NAMING: Final = re.compile(r"[^\s]{0,100}(?: [^\s]{1,40}){0,2}")
_PLACE: Final = re.compile(r"[^\n]{0,100}")

_GONE: Final = object()


def without_private_text(
    properties: Properties, private: Iterable[str], *, wordless: bool = False, score: bool = True
) -> Properties | dict[str, Any]:
    """The properties with ``$sentiment`` and ``$text_length`` in place of the ``private`` ones.

    Names count in any case and at any depth. With ``wordless`` every other text leaves, too, that is no
    identifier (at most 64 of the characters A-Z, a-z, 0-9, ``_``, ``.``, ``:`` and ``-``), no time, and not
    what a library says of the device; so do names of properties that are no identifiers. Addresses are no
    words: they leave uncounted. Several single words in a list are a sentence, unless its name says that they
    are ids, or each has a digit.

    The very same object where there is nothing of it. Of several texts the lengths add up, and they are
    scored together. There is no ``$sentiment`` where there is no text to score, ``score`` is false, or
    :func:`can_score` is; one that the client gave beside its text does not count.
    """
    removal = _Removal(frozenset(name.casefold() for name in private), wordless)
    kept: Properties | dict[str, Any] = removal.of_mapping(properties, 1)
    texts = removal.texts
    if texts is None:
        return kept
    kept = {name: value for name, value in kept.items() if name != SENTIMENT}
    kept[TEXT_LENGTH] = sum(map(len, texts))
    scorer = _scorer() if score else None
    text = "\n".join(text for text in texts if not text.isspace() and text)
    if scorer is not None and text:
        kept[SENTIMENT] = scorer(text)
    return kept


class _Removal:
    """What was taken out of the properties of one event; ``texts`` is None where there was no text."""

    def __init__(self, private: frozenset[str], wordless: bool) -> None:
        self._private = private
        self._wordless = wordless
        self.texts: list[str] | None = None

    def of_mapping(self, values: Any, depth: int) -> Any:
        """The mapping without private text, the very same one where there is none."""
        kept: dict[Any, Any] = {}
        changed = False
        for name, value in values.items():
            left = self._named(name, value, depth)
            changed = changed or left is not value
            if left is not _GONE:
                kept[name] = left
        return kept if changed else values

    def _named(self, name: str, value: Any, depth: int) -> Any:
        plain = name.strip().casefold()
        if plain in self._private:
            if self.texts is None:
                self.texts = []
            self._take(value, depth)
            return _GONE
        if not self._wordless:
            return self._value(value, depth)
        if depth == 1:
            if isinstance(value, str) and _OF_DEVICES.fullmatch(name):
                form = _PLACE if name.startswith("$geoip_") else _NAMING
                return value if form.fullmatch(value) else _GONE
            if _is_technical(name, value):
                return value
        if plain in _WORDS and isinstance(value, str | Mapping | list | tuple):
            self._take(value, depth)
            return _GONE
        if isinstance(value, list | tuple) and not _OF_IDS.search(name) and _are_words(value):
            self._take(value, depth)
            return _GONE
        left = self._value(value, depth)
        return left if _NAME.fullmatch(name) else _GONE

    def _value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            if not self._wordless or _is_identifier(value):
                return value
            if _ADDRESS.fullmatch(value) is None:
                self._take(value, depth)
            return _GONE
        if isinstance(value, Mapping):
            return self.of_mapping(value, depth + 1) if depth < MAX_DEPTH else _GONE
        if isinstance(value, list | tuple):
            if depth >= MAX_DEPTH:
                return _GONE
            kept = [self._value(item, depth + 1) for item in value]
            same = all(one is other for one, other in zip(kept, value, strict=True))
            return value if same else [item for item in kept if item is not _GONE]
        return value

    def _take(self, value: Any, depth: int) -> None:
        """All text of a value counts."""
        if isinstance(value, str):
            if self.texts is None:
                self.texts = []
            self.texts.append(value)
        elif depth < MAX_DEPTH and isinstance(value, Mapping | list | tuple):
            for item in value.values() if isinstance(value, Mapping) else value:
                self._take(item, depth + 1)


def _is_identifier(text: str) -> bool:
    word = text.strip(" ")
    if _IDENTIFIER.fullmatch(word) is not None:
        return _SENTENCE.fullmatch(word) is None
    return word in _MARKS or _TIME.fullmatch(word) is not None


def _are_words(values: Sequence[Any]) -> bool:
    """Whether a list, with the lists in it, has several texts, and not only ids, addresses and marks."""
    texts, without_digits = 0, 0
    waiting = [values]
    while waiting:
        for value in waiting.pop():
            if isinstance(value, list | tuple):
                waiting.append(value)
            elif isinstance(value, str) and value and value not in _MARKS and not _ADDRESS.fullmatch(value):
                texts += 1
                without_digits += _DIGIT.search(value) is None
    return texts > 1 and without_digits > 0


def _is_technical(name: str, value: Any) -> bool:
    """Whether a library, not a person, has written the property of this name."""
    if isinstance(value, str):
        if name in _USER_AGENTS:
            return _USER_AGENT.fullmatch(value) is not None
        if name in _IDS:
            return _ID.fullmatch(value) is not None
        return _GROUP.fullmatch(name) is not None and _GROUP_KEY.fullmatch(value) is not None
    if name == "$groups" and isinstance(value, Mapping):
        return all(
            _NAME.fullmatch(kind) and (not isinstance(key, str) or _GROUP_KEY.fullmatch(key))
            for kind, key in value.items()
        ) and not any(isinstance(key, Mapping | list | tuple) for key in value.values())
    return False


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
