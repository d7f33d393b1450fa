"""Follows one user's events: what the rules have to know, and what they find. Pure, in the log's order."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from typing import Any, Final

from loopin_schemas.anomaly import OddFeature
from loopin_schemas.scores.impossible_travel import LOOKBACK_S, SPEED_LIMIT_KMH, great_circle_km, travel_speed
from loopin_schemas.watch import COUNTS, Place, Running, Seat, Watch
from loopin_streams.anomalies.facts import BITS, READ, bit, device_of, fact, place_of
from loopin_streams.anomalies.finding import NOTHING, Finding
from loopin_streams.anomalies.rules import (
    AGAIN_MS,
    BURST_LEAST,
    BURST_TIMES,
    DAY_MS,
    DEVICES_LEAST,
    FAILURES_LEAST,
    HOUR_MS,
    RETURNS_LEAST,
)

MINUTE_MS: Final = 60_000

SEATS: Final = 4
"""Devices of a user that are remembered, those used last."""

FADES: Final = 16
"""A minute with events decides so small a part of how many are usual in one."""

HOURS, HOUR_BITS, HOUR_MOST = 12, 5, 31
"""Numbers of sessions by hour of the day: how many numbers, of how many bits, and the greatest."""

_BOUGHT, _FAILED = COUNTS.index("bought"), COUNTS.index("failed")
_LOOKBACK_MS: Final = int(LOOKBACK_S * 1000)


def begin(watch: Watch, at: int) -> Running:
    """Let a session begin."""
    session = watch.session = Running(at, [0] * len(COUNTS))
    shift = at // (2 * HOUR_MS) % HOURS * HOUR_BITS
    if watch.hours >> shift & HOUR_MOST == HOUR_MOST:
        halves = (sessions_at(watch, hour) // 2 for hour in range(HOURS))
        watch.hours = sum(number << HOUR_BITS * hour for hour, number in enumerate(halves))
    watch.hours += 1 << shift
    return session


def sessions_at(watch: Watch, hour: int) -> int:
    """Sessions begun in one of the twelve parts of a day, the older ones faded."""
    return watch.hours >> HOUR_BITS * hour & HOUR_MOST


def follow(
    watch: Watch, session: Running, at: int, name: str, properties: Mapping[str, Any]
) -> tuple[Finding, ...]:
    """Count an event of epoch ms ``at`` that belongs to the session; what the rules say of it."""
    found = NOTHING
    counts, (name_bit, kind) = session.counts, fact(name)
    counts[0] += 1
    session.names |= name_bit
    minute = at // MINUTE_MS
    if minute == watch.minute:
        watch.in_minute += 1
    elif minute > watch.minute:
        _turn_to(watch, minute)
    recent = _recent(watch, at)
    if recent > session.peak:
        session.peak = recent
        if recent >= BURST_LEAST and 100 * recent >= BURST_TIMES * watch.usual:
            found += (_burst(watch, at, recent),)
    if kind:
        counts[kind] += 1
        if kind == _FAILED:
            found += _failed(watch, at)
        elif kind == _BOUGHT:
            watch.failures = 0
    if not properties.keys().isdisjoint(READ):
        place, device = place_of(properties, at), device_of(properties)
        if place is not None:
            session.places |= bit(f"{place.latitude:.1f},{place.longitude:.1f}")
            found += _moved(watch, place)
        if device:
            session.devices |= 1 << device % BITS
            found += _seated(watch, device, at, place)
    if at > watch.last:
        watch.last = at
    elif at < session.started:
        session.started = at
    return found


def _recent(watch: Watch, at: int) -> int:
    """Events within the minute up to the newest one: exact below ``BURST_LEAST``, beyond it an estimate."""
    times = watch.times
    if not times or at >= times[-1]:
        times.append(at)
    else:
        insort(times, at)
    since = times[-1] - MINUTE_MS
    while times[0] <= since or len(times) > BURST_LEAST:
        del times[0]
    if len(times) < BURST_LEAST:
        return len(times)
    # As if those of the minute before had come evenly.
    before = watch.before * (MINUTE_MS - at % MINUTE_MS) // MINUTE_MS
    return max(BURST_LEAST, watch.in_minute + before)


def tidy(watch: Watch, now: int) -> None:
    """Let go of what no later event is held against, so that users who are away take little room."""
    if now - watch.last <= HOUR_MS:
        return
    watch.seats, watch.returns, watch.before, watch.times = (), (), 0, []
    if now - watch.last > _LOOKBACK_MS:
        watch.place = None


def tidy_raised(watch: Watch, last: int, now: int) -> None:
    """The same of what was raised, of a user whose newest event was at epoch ms ``last``."""
    if now - last > AGAIN_MS:
        # That of the silence stays for as long as it lasts: it is told once.
        watch.raised = {kind: at for kind, at in watch.raised.items() if now - at < AGAIN_MS or at > last}


def _turn_to(watch: Watch, minute: int) -> None:
    """Let a later minute begin; a minute that is out of the ordinary moves what is usual by little."""
    seen, usual = 100 * watch.in_minute, watch.usual
    if usual:
        watch.usual += (min(seen, 2 * usual + 200) - usual) // FADES
    else:
        watch.usual = min(seen, 200)
    watch.before = watch.in_minute if minute == watch.minute + 1 else 0
    watch.minute, watch.in_minute = minute, 1


def _burst(watch: Watch, at: int, recent: int) -> Finding:
    usual = watch.usual / 100
    limit = max(BURST_LEAST, BURST_TIMES * usual)
    features = (
        OddFeature(name="events_in_a_minute", value=recent, usual=limit, weight=1),
        OddFeature(name="events_in_a_usual_minute", value=usual),
    )
    return Finding("burst", at - MINUTE_MS, recent, limit, features)


def _failed(watch: Watch, at: int) -> tuple[Finding, ...]:
    in_a_row = watch.failures and abs(at - watch.failed_at) <= DAY_MS
    watch.failures = watch.failures + 1 if in_a_row else 1
    watch.failed_at = max(at, watch.failed_at) if in_a_row else at
    if watch.failures < FAILURES_LEAST:
        return NOTHING
    feature = OddFeature(
        name="failed_payments_in_a_row", value=watch.failures, usual=FAILURES_LEAST, weight=1
    )
    began = watch.session.started if watch.session is not None else at
    return (Finding("payment_failure_streak", began, watch.failures, FAILURES_LEAST, (feature,)),)


def _moved(watch: Watch, place: Place) -> tuple[Finding, ...]:
    before = watch.place
    if before is None:
        watch.place = place
        return NOTHING
    if before.latitude == place.latitude and before.longitude == place.longitude:
        before.at = max(before.at, place.at)
        return NOTHING
    if place.at >= before.at:
        watch.place = place
    distance, seconds = _apart_km(before, place), abs(place.at - before.at) / 1000
    speed = travel_speed(distance, seconds, before.off_km + place.off_km)
    if speed < SPEED_LIMIT_KMH:
        return NOTHING
    features = (
        OddFeature(name="speed_kmh", value=round(speed, 1), usual=SPEED_LIMIT_KMH, weight=1),
        OddFeature(name="distance_km", value=round(distance, 1)),
        OddFeature(name="minutes_between", value=round(seconds / 60, 1)),
    )
    since = min(before.at, place.at)
    return (Finding("impossible_travel", since, round(speed, 1), SPEED_LIMIT_KMH, features),)


def _seated(watch: Watch, device: int, at: int, place: Place | None) -> tuple[Finding, ...]:
    seats = watch.seats
    if seats and seats[-1].device == device:
        seats[-1].at = max(at, seats[-1].at)
        if place is not None:
            seats[-1].place = place
        return NOTHING
    lately = tuple(seat for seat in seats if at - seat.at <= HOUR_MS)
    was_here = next((seat for seat in lately if seat.device == device), None)
    others = tuple(seat for seat in lately if seat is not was_here)
    if place is None and was_here is not None:
        place = was_here.place
    watch.seats = (*others[1 - SEATS :], Seat(device, at, place))
    if was_here is None or not others:
        return NOTHING
    watch.returns = (*(time for time in watch.returns if at - time <= HOUR_MS), at)[-RETURNS_LEAST:]
    if len(watch.returns) < RETURNS_LEAST:
        return NOTHING
    return _shared(watch, at, place, others)


def _shared(watch: Watch, at: int, place: Place | None, others: tuple[Seat, ...]) -> tuple[Finding, ...]:
    known = [seat.place for seat in others if seat.place is not None]
    beyond = 0.0
    if place is not None and known:
        beyond = max(_apart_km(place, other) - place.off_km - other.off_km for other in known)
    devices = len(others) + 1
    if beyond <= 0 and devices < DEVICES_LEAST:
        return NOTHING
    features = (
        OddFeature(name="returns_in_an_hour", value=len(watch.returns), usual=RETURNS_LEAST, weight=1),
        OddFeature(name="devices", value=devices),
        OddFeature(name="km_apart_beyond_doubt", value=round(max(0.0, beyond), 1)),
    )
    return (Finding("account_sharing", watch.returns[0], len(watch.returns), RETURNS_LEAST, features),)


def _apart_km(one: Place, other: Place) -> float:
    return great_circle_km((one.latitude, one.longitude), (other.latitude, other.longitude))
