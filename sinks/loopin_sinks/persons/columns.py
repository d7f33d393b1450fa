"""Columns of lists, put together flat: a list for each row would be there until the table is made, and cost
more to keep track of than to fill."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def lists(
    kind: pa.ListType, rows: Sequence[Collection[Any]], of: Callable[[Any], object] | None = None
) -> pa.Array:
    """A column of type ``kind`` with a list for each row: its items, or what ``of`` makes of them."""
    items: Iterable[Any] = chain.from_iterable(rows)
    values = list(items if of is None else map(of, items))
    each = kind.value_type
    flat = lists(each, values) if pa.types.is_list(each) else pa.array(values, each)
    return numbers(kind, _lengths(rows), flat)


def ratios(rows: Sequence[Collection[int]], whole: int) -> pa.Array:
    """A column of lists of numbers: whole counts divided by ``whole``."""
    lengths = _lengths(rows)
    counts = np.fromiter(chain.from_iterable(rows), np.int64, int(lengths.sum()))
    return numbers(pa.list_(pa.float64()), lengths, counts / whole)


def numbers(kind: pa.ListType, lengths: NDArray[np.int64], values: NDArray[Any] | pa.Array) -> pa.Array:
    """A column of lists of such lengths, that lie one behind the other in ``values``."""
    ends = np.concatenate((np.zeros(1, np.int32), np.cumsum(lengths, dtype=np.int32)))
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values, kind.value_type), type=kind)


def _lengths(rows: Sequence[Collection[Any]]) -> NDArray[np.int64]:
    return np.fromiter(map(len, rows), np.int64, len(rows))
