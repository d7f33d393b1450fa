"""How a user has behaved, in numbers that fade: what models read, kept with the user's profile."""

from __future__ import annotations

from typing import Final

import msgspec

KINDS: Final = (
    *("events", "days", "sessions", "views", "content", "social"),
    *("joins", "purchases", "attended", "parting", "positive", "negative"),
)
"""What is counted: events, active days and sessions begun; looks at platform events; likes, comments, shares
and clicks; messages, follows and community activity; joins; tickets; attendances; leaving, unfollowing,
refunds and failed payments; friendly and unfriendly words or ratings."""

HALF_LIVES: Final = (4.0, 10.0, 25.0)
"""Days after which a count weighs half, one sum of each kind for each."""


class Snapshot(msgspec.Struct, array_like=True, gc=False):
    """A prediction that waits for its outcome.

    Attributes:
        at: when it was made, epoch ms; no event after it is in the features.
        features: one byte each, as :mod:`loopin_streams.learning.features` has them.
        bought: whether a ticket was bought since, in time.
        told: bits of the targets whose outcome is known, by their place in the tuple of targets.
    """

    at: int
    features: bytes
    bought: bool = False
    told: int = 0


class Rsvp(msgspec.Struct, array_like=True, gc=False):
    """A platform event that the user has joined, until it is known whether the user came.

    Attributes:
        event_id: the platform event.
        at: when it was joined, epoch ms.
        features: one byte each, of that moment; none where later events were known before.
        chance: probability that the user comes, 0 to 1, as it was predicted.
        came: whether the user did.
        version: of the model that predicted it; 0 where the heuristic did.
        begins: when the platform event does, epoch ms; 0 where that was not told.
        named_at: of the join that told so last, where it is a later one; else 0.
    """

    event_id: str
    at: int
    features: bytes
    chance: float
    came: bool = False
    version: int = 0
    begins: int = 0
    named_at: int = 0


class Behaviour(msgspec.Struct, array_like=True, gc=False):
    """Counts of one user; events of the system group and of bots are not among them.

    Attributes:
        first: time of the first event, epoch ms.
        last: time of the newest event, epoch ms.
        day: day of the newest event, days since 1970 UTC.
        today: counts of that day, by ``KINDS``.
        sums: counts of the days before it, faded to its beginning: half floats (little-endian), those of a
            kind together, by ``HALF_LIVES``; empty on a user's first day.
        days: bit ``n`` says that the user was active ``n`` days before ``day``; 64 days.
        known: whether anything was done that visitors do not do, since the account was deleted if it was; see
            :mod:`loopin_streams.behaviour.deeds`.
        snapshots: predictions that wait, oldest first.
        rsvps: platform events joined whose outcome is open, oldest first.
        due: when the next prediction is to be noted, epoch ms; 0 before that is known.
        came_old: when the newest event came, epoch ms, if it was more than a day old by then; else 0.
        account_at: time of the newest event that decides ``known``, epoch ms; 0 before there is one.
    """

    first: int
    last: int
    day: int
    today: list[int]
    sums: bytes
    days: int = 0
    known: bool = False
    snapshots: tuple[Snapshot, ...] = ()
    rsvps: tuple[Rsvp, ...] = ()
    due: int = 0
    came_old: int = 0
    account_at: int = 0
