"""What a rule judges: numbers of windows, by value of the rule's dimension."""

from __future__ import annotations

from typing import NamedTuple


class Total(NamedTuple):
    """Of how many events or users, and the value that is judged; None where there is none."""

    number: int
    value: float | None


Totals = dict[str, Total]
"""By value of the dimension; ``""`` for the whole."""

NOTHING = Total(0, None)


class NotJudged(Exception):
    """A rule that nobody can judge as it is; the text is one sentence that says what to do."""
