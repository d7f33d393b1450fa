"""One text without personal data and credentials, with what its name says, and addresses within it."""

from __future__ import annotations

import re
from typing import Final

from loopin_text.pii.cards import LONGEST as LONGEST_CARD
from loopin_text.pii.emails import scrub_emails
from loopin_text.pii.kinds import MARKS, Kind
from loopin_text.pii.names import AMOUNT, ID, MEASURE, PLAIN, Rule, parameter_rule, rule_of
from loopin_text.pii.numbers import scrub_numbers
from loopin_text.pii.parameters import headers, quoted_pairs, split_pairs
from loopin_text.pii.phones import LONGEST as LONGEST_PHONE
from loopin_text.pii.tokens import scrub_tokens

NESTED: Final = 3
"""How many addresses within addresses are looked into."""

KNOWN_TEXTS: Final = 16_384
KNOWN_LENGTH: Final = 200
"""Texts known to be harmless, and characters of the longest, under each rule."""

NUMBERS: Final[frozenset[Kind]] = frozenset(("phone", "card"))

_SHORTEST: Final = 6
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.\-]*+:)?//|/", re.IGNORECASE | re.ASCII)
_DIGIT = re.compile("[0-9]")
_PIN = re.compile(r"[0-9](?:[ \-]?[0-9]){2,11}")
_COUNT = re.compile("[0-9]{1,9}")


class TextScrub:
    """The scrub of texts; see :class:`Scrubber`."""

    def __init__(self, kinds: frozenset[Kind], except_properties: frozenset[str]) -> None:
        self._kinds = kinds
        self._except = except_properties
        # The same few values come again and again.
        self.harmless: dict[Rule, set[str]] = {PLAIN: set(), ID: set(), AMOUNT: set()}
        self.harmless[MEASURE] = self.harmless[PLAIN]

    def named(self, rule: Rule, text: str, nested: int = NESTED) -> str:
        """A text under the rule of its name; the very same object where there is nothing."""
        # What an address holds depends on how deep it lies, for its parameters may not be looked into.
        known = self.harmless.get(rule) if nested == NESTED or "=" not in text else None
        if known is not None and text in known:
            return text
        scrubbed = self._scrubbed(rule, text, nested)
        if scrubbed != text:
            return scrubbed
        if known is not None and len(text) <= KNOWN_LENGTH:
            if len(known) >= KNOWN_TEXTS:
                known.clear()
            known.add(text)
        return text

    def _scrubbed(self, rule: Rule, text: str, nested: int) -> str:
        kind = rule.is_kind
        if kind is not None and kind in self._kinds and is_by_name(kind, text) and _fits(rule, text):
            return MARKS[kind]
        owned = rule.own is not None and rule.own.fullmatch(text) is not None
        return self._text(text, self._kinds - rule.skip if owned else self._kinds, nested)

    def _text(self, text: str, kinds: frozenset[Kind], nested: int) -> str:
        if len(text) < _SHORTEST:
            return text
        if "token" in kinds:
            text = scrub_tokens(text)
        # The numbers in a path are the site's own.
        numbers = frozenset() if _is_address(text) else kinds & NUMBERS
        if "=" in text and nested:
            text = split_pairs(
                text,
                lambda name, value, text, at: self._pair(
                    parameter_rule(name, text, at), name, value, nested - 1
                ),
                lambda part: _unpaired(part, kinds, numbers),
            )
        else:
            text = _unpaired(text, kinds, numbers)
        if '"' in text or "'" in text:
            text = quoted_pairs(text, self._quoted)
        if ": " in text:
            text = headers(text, self._quoted)
        return text

    def _quoted(self, name: str, value: str) -> str:
        return self._pair(rule_of(name), name, value, 0)

    def _pair(self, rule: Rule, name: str, value: str, nested: int) -> str:
        return value if rule.exempt or name in self._except else self.named(rule, value, nested)


def is_by_name(kind: Kind, text: str) -> bool:
    """Whether a value whose name says the kind can be of it; one that is marked already stays."""
    if kind == "token":
        return bool(text) and not text.startswith("[")
    if kind == "email":
        return "@" in text
    digits = len(_DIGIT.findall(text))
    if digits + sum(text.count(mark) for mark in " +-.()/") != len(text):
        return False
    return 7 <= digits <= LONGEST_PHONE if kind == "phone" else 3 <= digits <= LONGEST_CARD


def _fits(rule: Rule, text: str) -> bool:
    if rule.digits:
        return _PIN.fullmatch(text) is not None
    return not (rule.several and _COUNT.fullmatch(text))


def _is_address(text: str) -> bool:
    return "/" in text and _ADDRESS.match(text) is not None and text.split(None, 1) == [text]


def _unpaired(text: str, kinds: frozenset[Kind], numbers: frozenset[Kind]) -> str:
    if "email" in kinds:
        text = scrub_emails(text)
    return scrub_numbers(text, numbers) if numbers else text
