"""Predictions that wait in a user's behaviour, and the examples that come of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from loopin_schemas.behaviour import Behaviour, Rsvp, Snapshot
from loopin_streams.behaviour.counts import DAY_MS
from loopin_streams.learning.features import features_of
from loopin_streams.learning.targets import ATTENDANCE, CHURN, CONVERSION, QUIET_FROM_DAYS, TARGETS, Target

WEEK_MS: Final = 7 * DAY_MS
"""A user's predictions are noted so often."""

SEEN_WITHIN_DAYS: Final = 30
"""Of users who were away for longer nothing is predicted: they have left."""

LEAST_ACTIVE_DAYS: Final = 3
"""Days on which a user was seen, of the last 64: who came once or twice is not one who can be lost."""

MOST_RSVPS: Final = 32

_PLACE: Final = {target.name: place for place, target in enumerate(TARGETS)}
_TOLD_ALL: Final = sum(1 << _PLACE[target.name] for target in (CHURN, CONVERSION))


class Outcome(NamedTuple):
    """What came of a prediction; times are epoch ms."""

    target: Target
    subject: str
    made_at: int
    known_at: int
    features: bytes
    happened: bool


def pass_time(behaviour: Behaviour, until: int, phase: int, *, silent: bool = False) -> Iterator[Outcome]:
    """Let the time go on to epoch ms ``until``, before which no further event came; what is known by then.

    ``silent``: nor does one come then, so nothing changes of those of whom nothing is predicted any more.

    Predictions are noted at the user's own moments, one a week, ``phase`` ms after each week's beginning: be
    they live or, where old events are imported, of months ago. So none knows of an event that came later, nor
    are they made only when a user is about to come again. Call it before an event is counted from ``due`` on.
    """
    at = behaviour.due or _moment_after(behaviour.last, phase)
    latest = min(until, behaviour.last + SEEN_WITHIN_DAYS * DAY_MS)
    while at <= latest:
        if is_predicted(behaviour, at):
            note(behaviour, at, features_of([behaviour], [at])[0].tobytes())
        at += WEEK_MS
    behaviour.due = at if silent and until > latest else max(at, _moment_after(until, phase))
    yield from known(behaviour, until)


def _moment_after(at: int, phase: int) -> int:
    return (at - phase) // WEEK_MS * WEEK_MS + WEEK_MS + phase


def is_predicted(behaviour: Behaviour, now: int) -> bool:
    """Whether anything is predicted of the user: of one with an account who came a few times, and lately."""
    lately = now - behaviour.last <= SEEN_WITHIN_DAYS * DAY_MS
    return behaviour.known and lately and behaviour.days.bit_count() >= LEAST_ACTIVE_DAYS


def note(behaviour: Behaviour, now: int, features: bytes) -> None:
    """Note a prediction of this moment; it is of what comes after the newest event."""
    at = max(now, behaviour.last)
    behaviour.snapshots = (*behaviour.snapshots, Snapshot(at, features))


def bought(behaviour: Behaviour, at: int) -> None:
    """A ticket was bought at epoch ms ``at``."""
    for snapshot in behaviour.snapshots:
        if snapshot.at < at <= snapshot.at + CONVERSION.horizon_days * DAY_MS:
            snapshot.bought = True


def open_rsvp(behaviour: Behaviour, event_id: str, at: int) -> Rsvp | None:
    """That of a platform event which was joined, and of which it is open at epoch ms ``at`` who comes."""
    return next((one for one in behaviour.rsvps if one.event_id == event_id and at <= _end(one)), None)


def joined(behaviour: Behaviour, rsvp: Rsvp) -> list[Outcome]:
    """A platform event was joined of which no RSVP is open; what came of one before, as of a date before."""
    over = [
        Outcome(ATTENDANCE, one.event_id, one.at, min(_end(one), rsvp.at), one.features, one.came)
        for one in behaviour.rsvps
        if one.event_id == rsvp.event_id and one.features
    ]
    left(behaviour, rsvp.event_id)
    behaviour.rsvps = (*behaviour.rsvps, rsvp)[-MOST_RSVPS:]
    return over


def left(behaviour: Behaviour, event_id: str) -> None:
    """A platform event was left again: nothing was to be predicted."""
    behaviour.rsvps = tuple(rsvp for rsvp in behaviour.rsvps if rsvp.event_id != event_id)


def attended(behaviour: Behaviour, event_id: str, at: int) -> None:
    """The user came, at epoch ms ``at``."""
    for rsvp in behaviour.rsvps:
        if rsvp.event_id == event_id and rsvp.at < at:
            rsvp.came = True


def known(behaviour: Behaviour, now: int) -> Iterator[Outcome]:
    """Outcomes that are known at ``now`` and were not told before; they leave the behaviour."""
    kept = []
    for snapshot in behaviour.snapshots:
        for target in (CONVERSION, CHURN):
            bit = 1 << _PLACE[target.name]
            # The day after the last one that counts: days are whole here.
            due = (snapshot.at // DAY_MS + target.horizon_days + 1) * DAY_MS
            if now < due or snapshot.told & bit:
                continue
            snapshot.told |= bit
            if snapshot.at - behaviour.first < target.least_tenure_days * DAY_MS:
                continue
            happened = snapshot.bought if target is CONVERSION else has_left(behaviour, snapshot.at)
            yield Outcome(target, "", snapshot.at, due, snapshot.features, happened)
        if snapshot.told != _TOLD_ALL:
            kept.append(snapshot)
    if len(kept) < len(behaviour.snapshots):
        behaviour.snapshots = tuple(kept)
    yield from _over(behaviour, now)


def has_left(behaviour: Behaviour, at: int) -> bool:
    """Whether the user was not seen from the 15th to the 30th day after a prediction."""
    first = at // DAY_MS + QUIET_FROM_DAYS + 1
    last = at // DAY_MS + CHURN.horizon_days
    newest = behaviour.day
    lowest, highest = max(newest - last, 0), newest - first
    if highest < 0:
        return True
    return not behaviour.days >> lowest & ((1 << (highest - lowest + 1)) - 1)


def _over(behaviour: Behaviour, now: int) -> Iterator[Outcome]:
    """Platform events whose time has come; those who came early must not be known before the others."""
    for rsvp in behaviour.rsvps:
        end = _end(rsvp)
        if now <= end:
            continue
        left(behaviour, rsvp.event_id)
        if rsvp.features:
            yield Outcome(ATTENDANCE, rsvp.event_id, rsvp.at, end, rsvp.features, rsvp.came)


def _end(rsvp: Rsvp) -> int:
    """Until when it is open whether the user comes, epoch ms."""
    # The day after it began: who attends a long one, or is told late to have done so, still counts.
    return rsvp.begins + DAY_MS if rsvp.begins > rsvp.at else rsvp.at + ATTENDANCE.horizon_days * DAY_MS
