"""What must not leave the process: personal data in properties, and the words of private messages."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final, get_args

from loopin_producers.errors import InvalidConfiguration
from loopin_producers.properties import Change, plain_text
from loopin_schemas.private_events import may_be_private, private_event
from loopin_schemas.validation import MAX_TEXT
from loopin_text.pii import KINDS, Kind, Scrubber
from loopin_text.private import can_score, without_private_text

_KNOWN_NAMES: Final = 1_024
"""Events of which it is remembered what to do; a client has some dozens."""

_LONGEST_LOADING_S: Final = 5.0
_loading: threading.Thread | None = None


def get_ready() -> None:
    """Load, in the background and once in a process, what scores a private message.

    Otherwise whoever captures the first one waits for the lexicon, some 0.1 s.
    """
    global _loading
    if _loading is None:
        _loading = threading.Thread(target=can_score, name="loopin-lexicon", daemon=True)
        _loading.start()


def _finish_loading() -> None:
    """A child forked meanwhile would wait for ever for the import of a thread that it does not have."""
    if _loading is not None and _loading is not threading.current_thread():
        _loading.join(_LONGEST_LOADING_S)


os.register_at_fork(before=_finish_loading)


class Privacy:
    """Removes both from an event's properties.

    Args:
        scrub: kinds of personal data to replace: email, phone, card, token.
        scrub_except: names of properties, at any depth, that stay as they are.

    Raises:
        InvalidConfiguration: no collections, or an unknown kind.
    """

    def __init__(self, scrub: Iterable[Kind] = KINDS, scrub_except: Iterable[str] = ()) -> None:
        if isinstance(scrub, str) or not isinstance(scrub, Iterable):
            raise InvalidConfiguration("Give scrub as a collection of kinds, such as ('email',).")
        if isinstance(scrub_except, str) or not isinstance(scrub_except, Iterable):
            raise InvalidConfiguration("Give scrub_except as a collection of names, such as ('email',).")
        kinds = tuple(scrub)
        if unknown := [kind for kind in kinds if kind not in get_args(Kind)]:
            known = ", ".join(get_args(Kind))
            raise InvalidConfiguration(f"Correct scrub: {unknown[0]!r} is none of {known}.")
        self._scrub: Change = Scrubber(frozenset(kinds), frozenset(scrub_except)).properties
        self._known: dict[str, Change] = {}

    def change(self, event: object) -> Change:
        """What to do to the properties of an event of this name."""
        return (self._known.get(event) if type(event) is str else None) or self._find(event)

    def renamed(self, original: object, event: object) -> Change:
        """``change`` of an event that had another name: the privacy of both holds."""
        first, then = self.change(original), self.change(event)
        return then if first in (self._scrub, then) else lambda properties: then(dict(first(properties)))

    def _find(self, event: object) -> Change:
        name = plain_text(event) if isinstance(event, str) else ""
        change = self._scrub if may_be_private(name) is None else partial(self._without_text, name)
        if len(name) <= MAX_TEXT and len(self._known) < _KNOWN_NAMES:
            self._known[name] = change
        return change

    def _without_text(self, name: str, properties: dict[str, Any]) -> Mapping[str, Any]:
        known = private_event(name, properties)
        if known is None:
            return self._scrub(properties)
        return self._scrub(without_private_text(properties, known.private, wordless=known.wordless))
