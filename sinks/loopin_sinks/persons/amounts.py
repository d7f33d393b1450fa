"""Sums of money as the table ``profiles`` holds them."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Final

import pyarrow as pa

EXACT: Final = pa.decimal128(38, 6)
_DIGITS = Context(prec=38)
_LARGEST = 10**38 - 1


def exact(millionths: int) -> Decimal:
    """An amount in whole units of its currency."""
    # No sum of amounts that count comes near the column's end; a client's nonsense must not stop the others.
    return Decimal(max(-_LARGEST, min(_LARGEST, millionths))).scaleb(-6, _DIGITS)
