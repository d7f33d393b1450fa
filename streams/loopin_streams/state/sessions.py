"""Sessions in event time: runs of a user's events without a long pause, none longer than a day.

An event belongs to the session that ends last if it lies in it or within the timeout of it. Else, if it is
later, it begins another; a late event is looked for in the same way in the two other sessions that were
touched last, the later one first, which a profile remembers, too. So one between two sessions, within the
timeout of both, goes to the later; they stay two, because what was published cannot change.

So a user's events are grouped as by a computation over all of them at once, wherever they arrive in order; or
out of order by at most some time D, if no pause between two of them is longer than the timeout less D and
not longer than the timeout, and no session comes near a day. A session is known by the time of its event that
arrived first. The same log gives the same sessions, however often it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, Protocol

from loopin_schemas.event import EnrichedEvent
from loopin_schemas.habits import PastSessions
from loopin_schemas.profile import Profile, Session
from loopin_streams.state.profile_updates import new_profile
from loopin_streams.state.profiles import Profiles

TIMEOUT_MS: Final = 30 * 60_000
"""A longer pause ends a session, unless the settings say otherwise."""

LONGEST_MS: Final = 24 * 3_600_000
"""No session is longer, so that a machine's steady events do not make one for ever."""

EARLIER_KEPT: Final = 2
"""Sessions remembered beside the one that ends last: some 25 bytes each."""


class OfUser(Protocol):
    """An event that passed, with its user's key; takes its user's profile."""

    profile: Profile

    @property
    def key(self) -> bytes: ...
    @property
    def enriched(self) -> EnrichedEvent: ...


def follow_sessions(events: Sequence[OfUser], profiles: Profiles, timeout_ms: int) -> list[int]:
    """Give each event its user's profile, with its session in it; when (epoch ms) that session began.

    The profiles are loaded here, once for the batch, and are the caller's to save.
    """
    keys = list({event.key: None for event in events})
    known = dict(zip(keys, profiles.load(keys), strict=True))
    begun: list[int] = []
    for event in events:
        at = event.enriched.timestamp
        profile = known[event.key]
        if profile is None:
            profile = known[event.key] = new_profile(at)
        event.profile = profile
        begun.append(follow(profile, at, timeout_ms))
    return begun


def follow(profile: Profile, at: int, timeout_ms: int = TIMEOUT_MS) -> int:
    """Count an event at epoch ms ``at`` into its session; the time by which that is known."""
    session = profile.session
    if session.started <= at <= session.last:
        session.events += 1
    elif not _extend(session, at, timeout_ms):
        if at > session.last:
            _remember(profile, session)
            session = profile.session = Session(at, at, 1)
            profile.sessions += 1
        else:
            session = _earlier(profile, at, timeout_ms)
    return session.started + session.after


def session_id(key: bytes, begun: int) -> str:
    """The id of the session of a user (``project:distinct_id``) that is known by an epoch ms.

    A UUID (version 8, RFC 9562) that begins with that time, so that ids sort by it.
    """
    of_user = blake2b(key, digest_size=9).hexdigest()
    time = f"{begun & 0xFFFF_FFFF_FFFF:012x}"
    return f"{time[:8]}-{time[8:]}-8{of_user[:3]}-a{of_user[3:6]}-{of_user[6:]}"


def _extend(session: Session, at: int, timeout_ms: int) -> bool:
    """Whether the session reaches to the event, or now does."""
    started, last = session.started, session.last
    if at > last:
        if at - last > timeout_ms or at - started > LONGEST_MS:
            return False
        session.last = at
    elif at < started:
        if started - at > timeout_ms or last - at > LONGEST_MS:
            return False
        session.started = at
        session.after += started - at
    session.events += 1
    return True


def _earlier(profile: Profile, at: int, timeout_ms: int) -> Session:
    """The session of an event that is too old for the one that ends last: a remembered one, or its own."""
    latest_first = sorted(profile.earlier, key=lambda session: session.started, reverse=True)
    for session in latest_first:
        if _extend(session, at, timeout_ms):
            break
    else:
        session = Session(at, at, 1)
    _remember(profile, session)
    return session


def _remember(profile: Profile, touched: Session) -> None:
    """Keep a session as the one that was touched last."""
    others = [session for session in profile.earlier if session is not touched]
    kept = (*others, touched)
    for session in kept[:-EARLIER_KEPT]:
        past = profile.past
        if past is None:
            past = profile.past = PastSessions(0, 0, 0)
        past.sessions += 1
        past.ms += session.last - session.started
        past.events += session.events
    profile.earlier = kept[-EARLIER_KEPT:]
