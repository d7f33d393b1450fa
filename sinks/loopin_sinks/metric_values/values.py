"""What a metric comes to, by period and by value of the dimension."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from loopin_sinks.metric_values.scope import Periods
from loopin_sinks.metric_values.sql import Rows

Values = dict[tuple[int, str], float]
"""By position of the period and value of the dimension (``""`` without one); what is missing is null."""


def by_period(rows: Rows, periods: Periods) -> Values:
    """Rows of ``at`` (start of a period, epoch ms), ``of`` and ``value``."""
    return {(periods.number[row["at"]], row["of"]): row["value"] for row in rows}


def quotient(part: Values, whole: Values) -> Values:
    """One over the other, where the latter is not 0."""
    return {key: part.get(key, 0) / number for key, number in whole.items() if number}


def running(changes: Iterable[tuple[int, str, int]], at: Iterable[int]) -> dict[str, list[int]]:
    """By value of the dimension, the sums of all changes up to and with each moment; those ascend."""
    moments = list(at)
    by_value: Mapping[str, dict[int, int]] = defaultdict(dict)
    for moment, of, change in changes:
        by_value[of][moment] = by_value[of].get(moment, 0) + change
    return {of: _sums(sorted(found.items()), moments) for of, found in by_value.items()}


def _sums(changes: list[tuple[int, int]], moments: list[int]) -> list[int]:
    total, position, sums = 0, 0, []
    for moment in moments:
        while position < len(changes) and changes[position][0] <= moment:
            total += changes[position][1]
            position += 1
        sums.append(total)
    return sums
