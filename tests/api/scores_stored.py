"""Profiles with scores and joined platform events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from loopin_schemas.behaviour import Rsvp
from loopin_schemas.profile import Profile, Score, Session
from loopin_streams.behaviour.counts import new_behaviour

DAY_MS = 86_400_000


def scored(at: datetime, scores: Mapping[str, Score] = {}, rsvps: Sequence[Rsvp] = ()) -> Profile:
    """A user who was seen last at a time."""
    ms = round(at.timestamp() * 1000)
    behaviour = new_behaviour(ms)
    behaviour.known, behaviour.rsvps = True, tuple(rsvps)
    return Profile(
        first_seen=ms - 20 * DAY_MS,
        last_seen=ms,
        events=9,
        session=Session(ms, ms, 1),
        active_day=ms // DAY_MS,
        active_days=b"\x01",
        behaviour=behaviour,
        scores=dict(scores),
    )
