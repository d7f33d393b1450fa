"""What events change in their user's profile: pure functions of the profile and the events.

Its sessions are followed in ``sessions``.
"""

from __future__ import annotations

from typing import Final

from loopin_schemas.profile import Profile, Session
from loopin_streams.state.amounts import added

DAY_MS: Final = 86_400_000

DAYS_KEPT: Final = 128
"""Days of activity remembered: 90-day retention, with room."""

_DAYS_MASK = (1 << DAYS_KEPT) - 1


def new_profile(at: int) -> Profile:
    """The profile of a user whose first event, at epoch ms ``at``, is still to be absorbed."""
    return Profile(
        first_seen=at,
        last_seen=at,
        events=0,
        session=Session(at, at, 0),
        active_day=at // DAY_MS,
        active_days=b"\x01",
    )


def absorb_time(profile: Profile, at: int) -> None:
    """Count an event that happened at epoch ms ``at``, but for its session; in the order of arrival."""
    profile.events += 1
    if at > profile.last_seen:
        profile.last_seen = at
    elif at < profile.first_seen:
        profile.first_seen = at
    day = at // DAY_MS
    if day != profile.active_day:
        _mark_active(profile, day)


def absorb_money(profile: Profile, code: str, millionths: int) -> None:
    """Add a signed amount of a currency to the revenue."""
    # A new dict: the default of the struct is shared until it is first written.
    profile.revenue = {**profile.revenue, code: added(profile.revenue.get(code, 0), millionths)}


def _mark_active(profile: Profile, day: int) -> None:
    """Set the day's bit; the newest day is bit 0."""
    days = int.from_bytes(profile.active_days, "big")
    ahead = day - profile.active_day
    if ahead > 0:
        days = (days << ahead if ahead < DAYS_KEPT else 0) | 1
        profile.active_day = day
    elif ahead > -DAYS_KEPT:
        days |= 1 << -ahead
    days &= _DAYS_MASK
    profile.active_days = days.to_bytes((days.bit_length() + 7) // 8, "big")
