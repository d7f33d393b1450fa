"""What the stream knows of a user, updated with every event."""

from __future__ import annotations

import msgspec

from loopin_schemas.behaviour import Behaviour
from loopin_schemas.habits import Habits, PastSessions
from loopin_schemas.watch import Watch

MILLION = 1_000_000
"""Amounts are added up as whole millionths, so that no order of addition changes a sum."""


HIGH_RISK = 0.7
"""Probability of leaving above which a user is at high risk (document 000: high churn probability)."""


class Session(msgspec.Struct, array_like=True, gc=False):
    """A run of events without a pause of 30 minutes, at most 24 hours long; event time, epoch ms.

    It is known by the time of its event that arrived first, which lies ``after`` ms after its start.
    """

    started: int
    last: int
    events: int
    after: int = 0


class Score(msgspec.Struct, array_like=True, gc=False):
    """What is predicted of a user.

    Attributes:
        chance: probability, 0 to 1, to four digits.
        at: when it was computed, epoch ms of event time; nothing of later is in it.
        version: of the target's model; 0 where the heuristic answered.
        reasons: the strongest contrasts behind it, strongest first, by their numbers (see
            :mod:`loopin_streams.learning.features`); negative less one where it speaks against.
    """

    chance: float
    at: int
    version: int
    reasons: tuple[int, ...] = ()


class Profile(msgspec.Struct, omit_defaults=True, gc=False):
    """One user (project and distinct_id, in the record's key) on ``profiles``.

    Times are event time, epoch ms. ``session`` is the one that ends last, ``sessions`` how many began;
    ``earlier`` are the other ones that late events may still belong to, that touched last at the end.
    ``revenue`` holds millionths by currency (``""``: none was named), purchases less refunds. Bit ``n`` of
    ``active_days`` (big-endian bytes, base64) says that the user was active ``n`` days before ``active_day``
    (days since 1970, UTC). ``counted`` names the open windows that have counted the user: minute of the
    window's start times four plus its grain's number, and as bits the series that did. ``behaviour`` is what
    models read, None before the first event that counts for them; ``scores`` are what they say, by target.
    ``habits`` are when the user comes and what they like, None as with ``behaviour``; ``past`` the sessions
    that are remembered no longer, None before there are any.
    ``watch`` is what is remembered to see what is odd about the user, None before such an event.
    ``looked_at`` is of when the user was looked at without an event, as far as no score says so; 0 for never.
    """

    first_seen: int
    last_seen: int
    events: int
    session: Session
    active_day: int
    active_days: bytes
    sessions: int = 1
    revenue: dict[str, int] = {}
    counted: dict[int, int] = {}
    earlier: tuple[Session, ...] = ()
    behaviour: Behaviour | None = None
    scores: dict[str, Score] = {}
    habits: Habits | None = None
    past: PastSessions | None = None
    watch: Watch | None = None
    version: int = 1
    looked_at: int = 0
