"""Money of a single event, in SQL: which amounts count, of which sign and currency."""

from __future__ import annotations

from typing import Final

from loopin_schemas.catalogue import CATALOGUE
from loopin_sinks.metric_values.sql import Conditions

MAX_AMOUNT: Final = 1e12
"""Amounts from here on, of either sign, are a client's error and do not count."""

OTHER: Final = "other"
"""What stands for all currencies that are not three letters."""

PURCHASES: Final = tuple(event.name for event in CATALOGUE if event.revenue > 0)
REFUNDS: Final = tuple(event.name for event in CATALOGUE if event.revenue < 0)

MILLION: Final = 1_000_000

_GIVEN: Final = "upper(trim(BOTH ' ' FROM toString(currency)))"
CODE: Final = f"multiIf({_GIVEN} = '', '', match({_GIVEN}, '^[A-Z][A-Z][A-Z]$'), {_GIVEN}, '{OTHER}')"
"""Currency of an amount, ``''`` where none is named."""


def has_amount(query: Conditions) -> str:
    """Whether an event has an amount that counts."""
    return f"(isNotNull(amount) AND abs(amount) < {query.bind(MAX_AMOUNT, 'Float64')})"


def millionths(query: Conditions) -> str:
    """What a purchase brings, or a refund takes, in millionths."""
    sign = f"if(event IN {query.bind(list(PURCHASES), 'Array(String)')}, 1, -1)"
    return f"{sign} * toInt128(toInt64(round(assumeNotNull(amount) * {MILLION})))"
