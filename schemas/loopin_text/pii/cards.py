"""Card numbers: which digits are one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

SHORTEST: Final = 13
LONGEST: Final = 19

_ISSUERS: Final[tuple[tuple[int, int, frozenset[int]], ...]] = (
    # First and last four digits of a range, and its lengths (ISO/IEC 7812; the networks' published ranges).
    (2200, 2204, frozenset(range(16, 20))),  # Mir
    (2221, 2720, frozenset({16})),  # Mastercard
    (3000, 3059, frozenset(range(14, 20))),  # Diners Club
    (3095, 3095, frozenset(range(14, 20))),
    (3400, 3499, frozenset({15})),  # American Express
    (3528, 3589, frozenset(range(16, 20))),  # JCB
    (3600, 3699, frozenset(range(14, 20))),  # Diners Club
    (3700, 3799, frozenset({15})),  # American Express
    (3800, 3999, frozenset(range(14, 20))),  # Diners Club
    (4000, 4999, frozenset({13, 16, 19})),  # Visa
    (5018, 5020, frozenset(range(13, 20))),  # Maestro, Dankort
    (5038, 5038, frozenset(range(13, 20))),
    (5080, 5089, frozenset({16})),  # RuPay
    (5100, 5599, frozenset({16})),  # Mastercard
    (5610, 5610, frozenset({16})),  # Bankcard
    (5893, 5893, frozenset(range(13, 20))),  # Maestro
    (6000, 6099, frozenset(range(16, 20))),  # Discover, RuPay
    (6200, 6299, frozenset(range(16, 20))),  # UnionPay
    (6304, 6304, frozenset(range(13, 20))),  # Maestro
    (6331, 6334, frozenset({16, 18, 19})),  # Switch, Solo
    (6440, 6599, frozenset(range(16, 20))),  # Discover, RuPay
    (6759, 6763, frozenset(range(13, 20))),  # Maestro
    (8100, 8299, frozenset({16})),  # RuPay
    (9792, 9792, frozenset({16})),  # Troy
)

_LENGTHS: Final[dict[str, frozenset[int]]] = {
    str(begin): lengths for first, last, lengths in _ISSUERS for begin in range(first, last + 1)
}

_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def is_card(digits: str) -> bool:
    """Whether ASCII digits are a card number: a network's range and length, and Luhn's check (ISO 7812-1)."""
    return len(digits) in _LENGTHS.get(digits[:4], ()) and luhn(digits)


def luhn(digits: str) -> bool:
    """Whether the last digit is Luhn's check digit of those before it."""
    values = [ord(digit) - 48 for digit in reversed(digits)]
    return (sum(values[::2]) + sum(_DOUBLED[value] for value in values[1::2])) % 10 == 0


def is_grouping(lengths: Sequence[int]) -> bool:
    """Whether people write cards in groups like these: 16, 4-4-4-4, 4-6-5, 6-13 ..."""
    return len(lengths) == 1 or (all(length >= 3 for length in lengths[:-1]) and lengths[0] in (4, 6))
