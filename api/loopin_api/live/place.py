"""Where a client is in the topics, as the text by which it resumes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

Offsets = tuple[int, ...]
"""By partition of a topic, the offset of the next record."""

_OFFSETS: Final = r":([0-9]{1,19}(?:\.[0-9]{1,19})*)"
_TEXT: Final = re.compile(rf"([0-9a-f]{{8}}){_OFFSETS}{_OFFSETS}{_OFFSETS}")
_MAX_TEXT: Final = 20_000


class Place(NamedTuple):
    """What a client has been told: all records below these offsets that concern it."""

    metrics: Offsets
    alerts: Offsets
    insights: Offsets

    def at(self, part: int, offsets: Offsets) -> Place:
        """It with other offsets in one of the topics."""
        return Place(*(offsets if number == part else before for number, before in enumerate(self)))

    def text(self, epoch: str) -> str:
        """The place for a client to keep; ``epoch`` says in which topics it is."""
        return ":".join([epoch, *map(_joined, self)])


METRICS, ALERTS, INSIGHTS = range(len(Place._fields))
"""Which part of a place is whose."""


def epoch_of(topic_ids: Iterable[str]) -> str:
    """Eight hexadecimal digits that are others once a topic has been made anew."""
    return hashlib.sha256("|".join(topic_ids).encode()).hexdigest()[:8]


def parse_place(text: str, epoch: str, now: Place) -> Place | None:
    """The place that a client kept; None where it is no place in these topics, as ``now`` is one."""
    found = _TEXT.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if found is None or found[1] != epoch:
        return None
    place = Place(*map(_split, found.groups()[1:]))
    same = [len(one) == len(other) for one, other in zip(place, now, strict=True)]
    return place if all(same) else None


def greater(one: Offsets, other: Offsets) -> Offsets:
    """The greater offset of each partition."""
    return tuple(map(max, one, other))


def _joined(offsets: Offsets) -> str:
    return ".".join(map(str, offsets))


def _split(text: str) -> Offsets:
    return tuple(map(int, text.split(".")))
