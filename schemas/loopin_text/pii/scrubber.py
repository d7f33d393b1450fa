"""Takes personal data and credentials out of properties and texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from loopin_text.pii.cards import is_card
from loopin_text.pii.kinds import KINDS, MARKS, Kind
from loopin_text.pii.names import EXEMPT, PLAIN, Rule, rule_of
from loopin_text.pii.texts import KNOWN_LENGTH, NUMBERS, TextScrub, is_by_name

Properties = TypeVar("Properties", bound=Mapping[str, Any])

MAX_DEPTH: Final = 40
"""Deeper values stay as they are: validation refuses them (20 levels)."""

KNOWN_NAMES: Final = 8_192
"""Names of properties that are remembered; with the texts known to be harmless they take at most 32 MB."""

_NOTHING: Final = frozenset((bool, type(None)))
_NUMERIC: Final = frozenset((int, float))
_FIRST_CARD: Final = 10**12
_END: Final = 10**19


class Scrubber:
    """Replaces emails, phone numbers, card numbers (Luhn) and tokens by ``[email]``, ``[phone]`` ...

    Takes time in proportion to what it is given, whatever that is. Safe to share between threads.

    Args:
        kinds: what to look for.
        except_properties: names of properties, at any depth, that stay as they are.
    """

    def __init__(
        self, kinds: frozenset[Kind] = KINDS, except_properties: frozenset[str] = frozenset()
    ) -> None:
        self._kinds = kinds
        self._except = except_properties
        self._texts = TextScrub(kinds, except_properties)
        self._by_name: dict[str, set[str]] = {}

    def properties(self, properties: Properties) -> Properties | dict[str, Any]:
        """The properties without these; the very same object where there was nothing."""
        return self._mapping(properties, 1) if self._kinds else properties

    def text(self, text: str) -> str:
        """The text without these."""
        return self._texts.named(PLAIN, text)

    def _mapping(self, values: Properties, depth: int) -> Properties | dict[str, Any]:
        changed: dict[str, Any] = {}
        by_name = self._by_name
        for name, value in values.items():
            of = type(value)
            if of is str:
                harmless = by_name.get(name)
                if harmless is not None and value in harmless:
                    continue
            elif of in _NOTHING or (
                of in _NUMERIC and ((value < _FIRST_CARD and name in by_name) or -100 < value < 100)
            ):
                # Shorter than a card, under a name that asks for nothing else.
                continue
            kept = self._value(self._rule_of(name), value, depth)
            if kept is not value:
                changed[name] = kept
        return {**values, **changed} if changed else values

    def _rule_of(self, name: str) -> Rule:
        rule = EXEMPT if name in self._except else rule_of(name)
        harmless = self._texts.harmless.get(rule)
        if harmless is not None and len(self._by_name) < KNOWN_NAMES and len(name) <= KNOWN_LENGTH:
            self._by_name[name] = harmless
        return rule

    def _value(self, rule: Rule, value: Any, depth: int) -> Any:
        if rule is EXEMPT or depth > MAX_DEPTH:
            return value
        if isinstance(value, str):
            return self._texts.named(rule, value)
        if isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return self._number(rule, value)
        if isinstance(value, Mapping):
            if rule.is_kind == "token" and "token" in self._kinds:
                return self._secrets(rule, value, depth + 1)
            return self._mapping(value, depth + 1)
        if isinstance(value, list | tuple):
            kept = [self._value(rule, item, depth + 1) for item in value]
            return value if all(map(_same, kept, value)) else kept
        return value

    def _secrets(self, rule: Rule, values: Mapping[str, Any], depth: int) -> Mapping[str, Any]:
        """All that is called a secret together, under whatever names."""
        kept = {
            name: value if name in self._except else self._value(rule, value, depth)
            for name, value in values.items()
        }
        return values if all(map(_same, kept.values(), values.values())) else kept

    def _number(self, rule: Rule, value: float) -> Any:
        if rule.is_kind == "token" and "token" in self._kinds:
            # Fewer digits are no secret.
            return MARKS["token"] if abs(value) >= 100 and not rule.several else value
        if not 100 <= value < _END or value != int(value):
            return value
        digits = str(int(value))
        kind = rule.is_kind
        if kind in NUMBERS and kind in self._kinds and is_by_name(kind, digits):
            return MARKS[kind]
        if value >= _FIRST_CARD and "card" in self._kinds - rule.skip and is_card(digits):
            return MARKS["card"]
        return value


def _same(one: Any, other: Any) -> bool:
    return one is other or bool(one == other)
