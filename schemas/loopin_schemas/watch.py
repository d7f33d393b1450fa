"""What is remembered of a user to see what is odd about them, kept with the user's profile."""

from __future__ import annotations

from typing import Final

import msgspec

COUNTS: Final = ("events", "pages", "views", "social", "bought", "failed", "errors", "parting")
"""What is counted in a session: events; pages and screens; looks at content and platform events; likes,
messages and other social acts; tickets; failed payments; exceptions, crashes and what was refused; refunds,
leaving and unfollowing."""


class Running(msgspec.Struct, array_like=True, gc=False):
    """A session as far as it has come.

    Attributes:
        started: time of its first event, epoch ms.
        counts: by ``COUNTS``.
        names: bits of the names of its events, of places and of devices; each has one of 60 by its hash.
        places: see ``names``.
        devices: see ``names``.
        peak: most events within any minute.
        scored: events in it when it was judged last.
        scored_minute: minute (since 1970) of the newest event then.
    """

    started: int
    counts: list[int]
    names: int = 0
    places: int = 0
    devices: int = 0
    peak: int = 0
    scored: int = 0
    scored_minute: int = 0


class Place(msgspec.Struct, array_like=True, gc=False):
    """Where the newest located event came from: degrees, how far off that may be (km), when (epoch ms)."""

    latitude: float
    longitude: float
    off_km: float
    at: int


class Seat(msgspec.Struct, array_like=True, gc=False):
    """A device that the account is used from: its hash, its newest event (epoch ms), and where that was."""

    device: int
    at: int
    place: Place | None = None


class Watch(msgspec.Struct, array_like=True, gc=False):
    """Of one user; events of the system group, of bots and of the project's own people are not in it.

    Attributes:
        last: time of the newest event, epoch ms.
        partition: of ``events.raw``, of the event that came last.
        offset: that event's.
        minute: minute (since 1970) of the newest event.
        in_minute: events in it.
        before: events in the minute before it.
        usual: events in a minute that has any, on a fading average, in hundredths.
        hours: sessions begun by hour of the day (UTC), two hours each: twelve numbers of five bits.
        failures: payments that failed in a row.
        failed_at: time of the newest of these, epoch ms.
        returns: times of the latest changes back to a device that was left within the hour, epoch ms.
        seats: the devices used of late, that of the newest event at the end.
        place: where the newest located event came from.
        session: the session of now; None where it is over and told.
        raised: when each kind of anomaly was raised last, epoch ms of event time.
        times: the newest events within the minute up to the newest one, epoch ms in order; few are kept.
    """

    last: int
    partition: int
    offset: int
    minute: int = 0
    in_minute: int = 0
    before: int = 0
    usual: int = 0
    hours: int = 0
    failures: int = 0
    failed_at: int = 0
    returns: tuple[int, ...] = ()
    seats: tuple[Seat, ...] = ()
    place: Place | None = None
    session: Running | None = None
    raised: dict[str, int] = {}
    times: list[int] = []
