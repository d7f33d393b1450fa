"""Profiles as rows of the table ``profiles``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import pyarrow as pa

from loopin_schemas.behaviour import Rsvp
from loopin_schemas.profile import Profile
from loopin_sinks.persons.amounts import EXACT, exact
from loopin_sinks.persons.habit_rows import FIELDS, habit_columns
from loopin_sinks.persons.rows import table

PROFILES: Final = "profiles"

_MS = pa.timestamp("ms", "UTC")

PROFILES_SCHEMA = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("distinct_id", pa.string(), nullable=False),
        pa.field("first_seen", _MS, nullable=False),
        pa.field("last_seen", _MS, nullable=False),
        pa.field("events", pa.uint64(), nullable=False),
        pa.field("sessions", pa.uint64(), nullable=False),
        pa.field("session_started", _MS, nullable=False),
        pa.field("session_last", _MS, nullable=False),
        pa.field("session_events", pa.uint64(), nullable=False),
        pa.field("currencies", pa.list_(pa.string()), nullable=False),
        pa.field("revenues", pa.list_(EXACT), nullable=False),
        pa.field("active_days", pa.list_(pa.date32()), nullable=False),
        pa.field("score_targets", pa.list_(pa.string()), nullable=False),
        pa.field("score_chances", pa.list_(pa.float64()), nullable=False),
        pa.field("score_times", pa.list_(_MS), nullable=False),
        pa.field("score_versions", pa.list_(pa.uint32()), nullable=False),
        pa.field("score_reasons", pa.list_(pa.list_(pa.int16())), nullable=False),
        pa.field("rsvp_events", pa.list_(pa.string()), nullable=False),
        pa.field("rsvp_times", pa.list_(_MS), nullable=False),
        pa.field("rsvp_chances", pa.list_(pa.float64()), nullable=False),
        pa.field("rsvp_versions", pa.list_(pa.uint32()), nullable=False),
        *FIELDS,
        pa.field("revision", pa.uint64(), nullable=False),
        pa.field("_topic_id", pa.string(), nullable=False),
        pa.field("_stored_at", _MS, nullable=False),
    ]
)


class Known(NamedTuple):
    """A user's profile; a greater revision replaces a smaller one."""

    project: str
    distinct_id: str
    profile: Profile
    revision: int


def profiles_to_arrow(known: Collection[Known], topic_id: str, stored_at_ms: int) -> pa.Table:
    """Rows of ``PROFILES_SCHEMA``, one a profile."""
    profiles = [each.profile for each in known]
    days = [active_days(profile) for profile in profiles]
    columns: tuple[Sequence[object], ...] = (
        [each.project for each in known],
        [each.distinct_id for each in known],
        [p.first_seen for p in profiles],
        [p.last_seen for p in profiles],
        [p.events for p in profiles],
        [p.sessions for p in profiles],
        [p.session.started for p in profiles],
        [p.session.last for p in profiles],
        [p.session.events for p in profiles],
        [list(p.revenue) for p in profiles],
        [[exact(millionths) for millionths in p.revenue.values()] for p in profiles],
        days,
        [list(p.scores) for p in profiles],
        [[score.chance for score in p.scores.values()] for p in profiles],
        [[score.at for score in p.scores.values()] for p in profiles],
        [[score.version for score in p.scores.values()] for p in profiles],
        [[list(score.reasons) for score in p.scores.values()] for p in profiles],
        [[rsvp.event_id for rsvp in _rsvps(p)] for p in profiles],
        [[rsvp.at for rsvp in _rsvps(p)] for p in profiles],
        [[1.0 if rsvp.came else rsvp.chance for rsvp in _rsvps(p)] for p in profiles],
        [[rsvp.version for rsvp in _rsvps(p)] for p in profiles],
        *habit_columns(profiles, days),
        [each.revision for each in known],
        [topic_id] * len(profiles),
        [stored_at_ms] * len(profiles),
    )
    return table(columns, PROFILES_SCHEMA)


def _rsvps(profile: Profile) -> Sequence[Rsvp]:
    return () if profile.behaviour is None else profile.behaviour.rsvps


def active_days(profile: Profile) -> list[int]:
    """Days since 1970 (UTC) that the profile remembers as active, newest first."""
    bits = int.from_bytes(profile.active_days, "big")
    return [profile.active_day - back for back in range(bits.bit_length()) if bits >> back & 1]
