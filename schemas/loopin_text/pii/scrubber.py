"""Takes personal data and credentials out of properties and texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from loopin_text.pii.cards import LONGEST as LONGEST_CARD
from loopin_text.pii.cards import is_card
from loopin_text.pii.emails import scrub_emails
from loopin_text.pii.kinds import KINDS, MARKS, Kind
from loopin_text.pii.names import PLAIN, Rule, rule_of
from loopin_text.pii.numbers import scrub_numbers
from loopin_text.pii.parameters import headers, quoted_pairs, split_pairs
from loopin_text.pii.phones import LONGEST as LONGEST_PHONE
from loopin_text.pii.tokens import scrub_tokens

Properties = TypeVar("Properties", bound=Mapping[str, Any])

MAX_DEPTH: Final = 40
"""Deeper values stay as they are: validation refuses them (20 levels)."""

NESTED: Final = 3
"""How many addresses within addresses are looked into."""

_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.\-]*+:)?//|/", re.IGNORECASE | re.ASCII)
_BLANK = re.compile(r"\s")
_DIGIT = re.compile("[0-9]")
_NUMBERS: Final[frozenset[Kind]] = frozenset(("phone", "card"))
_SHORTEST: Final = 6
_FIRST_CARD: Final = 10**12
_END: Final = 10**19


class Scrubber:
    """Replaces emails, phone numbers, card numbers (Luhn) and tokens by ``[email]``, ``[phone]`` ...

    Takes time in proportion to what it is given, whatever that is.

    Args:
        kinds: what to look for.
        except_properties: names of properties, at any depth, that stay as they are.
    """

    def __init__(
        self, kinds: frozenset[Kind] = KINDS, except_properties: frozenset[str] = frozenset()
    ) -> None:
        self.kinds = kinds
        self.except_properties = except_properties

    def properties(self, properties: Properties) -> Properties | dict[str, Any]:
        """The properties without these; the very same object where there was nothing."""
        return self._mapping(properties, 1) if self.kinds else properties

    def text(self, text: str) -> str:
        """The text without these."""
        return self._text(text, self.kinds, NESTED)

    def _mapping(self, values: Properties, depth: int) -> Properties | dict[str, Any]:
        changed: dict[str, Any] = {}
        for name, value in values.items():
            if name in self.except_properties:
                continue
            kept = self._value(rule_of(name), value, depth)
            if kept is not value:
                changed[name] = kept
        return {**values, **changed} if changed else values

    def _value(self, rule: Rule, value: Any, depth: int) -> Any:
        if rule.exempt or depth > MAX_DEPTH:
            return value
        if isinstance(value, str):
            scrubbed = self._named(rule, value, NESTED)
            return value if scrubbed == value else scrubbed
        if isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return self._number(rule, value)
        if isinstance(value, Mapping):
            return self._mapping(value, depth + 1)
        if isinstance(value, list | tuple):
            kept = [self._value(rule, item, depth + 1) for item in value]
            return value if all(map(_same, kept, value)) else kept
        return value

    def _number(self, rule: Rule, value: float) -> Any:
        if not 100 <= value < _END or value != int(value):
            return value
        digits = str(int(value))
        kind = rule.is_kind
        if kind in _NUMBERS and kind in self.kinds and _is_by_name(kind, digits):
            return MARKS[kind]
        if value >= _FIRST_CARD and "card" in self.kinds - rule.skip and is_card(digits):
            return MARKS["card"]
        return value

    def _named(self, rule: Rule, text: str, nested: int) -> str:
        kind = rule.is_kind
        if kind is not None and kind in self.kinds and _is_by_name(kind, text):
            return MARKS[kind]
        return self._text(text, self.kinds - rule.skip if rule.skip else self.kinds, nested)

    def _text(self, text: str, kinds: frozenset[Kind], nested: int) -> str:
        if len(text) < _SHORTEST:
            return text
        if "token" in kinds:
            text = scrub_tokens(text)
        if "=" in text and nested:
            address = _is_address(text)
            text = split_pairs(
                text,
                lambda name, value: self._pair(name, value, nested - 1),
                lambda part: self._plain(part, kinds, address),
            )
        else:
            text = self._plain(text, kinds, _is_address(text))
        return self._marked_up(text) if ":" in text else text

    def _marked_up(self, text: str) -> str:
        """JSON and headers within the text."""

        def judge(name: str, value: str) -> str:
            return self._pair(name, value, 0)

        if '"' in text or "'" in text:
            text = quoted_pairs(text, judge)
        return headers(text, judge)

    def _pair(self, name: str, value: str, nested: int) -> str:
        rule = PLAIN if name in self.except_properties else rule_of(name)
        return value if rule.exempt else self._named(rule, value, nested)

    def _plain(self, text: str, kinds: frozenset[Kind], address: bool) -> str:
        if "email" in kinds:
            text = scrub_emails(text)
        numbers = kinds & _NUMBERS
        # A path's numbers are the site's own.
        if numbers and not address:
            text = scrub_numbers(text, numbers)
        return text


def _is_address(text: str) -> bool:
    return _ADDRESS.match(text) is not None and _BLANK.search(text) is None


def _is_by_name(kind: Kind, text: str) -> bool:
    """Whether a value whose name says the kind can be of it; ``[token]`` and the like stay."""
    if kind == "token":
        return bool(text) and not text.startswith("[")
    if kind == "email":
        return "@" in text
    digits = len(_DIGIT.findall(text))
    if digits + sum(text.count(mark) for mark in " +-.()/") != len(text):
        return False
    return 7 <= digits <= LONGEST_PHONE if kind == "phone" else 3 <= digits <= LONGEST_CARD


def _same(one: Any, other: Any) -> bool:
    return one is other
