"""What must not leave the process: personal data in properties, and the words of private messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, get_args

from loopin_producers.errors import InvalidConfiguration
from loopin_producers.properties import Change
from loopin_schemas.catalogue import CATALOGUE
from loopin_text.pii import KINDS, Kind, Scrubber
from loopin_text.private import without_private_text


class Privacy:
    """Removes both from an event's properties.

    Args:
        scrub: kinds of personal data to replace: email, phone, card, token.
        scrub_except: names of properties, at any depth, that stay as they are.

    Raises:
        InvalidConfiguration: an unknown kind.
    """

    def __init__(self, scrub: Iterable[Kind] = KINDS, scrub_except: Iterable[str] = ()) -> None:
        kinds = frozenset(scrub)
        if unknown := kinds - set(get_args(Kind)):
            known = ", ".join(get_args(Kind))
            raise InvalidConfiguration(f"Correct scrub: {sorted(unknown)[0]!r} is none of {known}.")
        self._scrub = Scrubber(kinds, frozenset(scrub_except)).properties
        self._private: dict[str, Change] = {
            known.name: partial(self._without_text, known.private) for known in CATALOGUE if known.private
        }

    def change(self, event: object) -> Change:
        """What to do to the properties of an event of this name."""
        return self._private.get(event, self._scrub) if isinstance(event, str) else self._scrub

    def _without_text(self, private: tuple[str, ...], properties: dict[str, Any]) -> Mapping[str, Any]:
        return self._scrub(without_private_text(properties, private))
