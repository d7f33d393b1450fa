"""Profiles as rows of the table ``profiles``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import pyarrow as pa

from loopin_schemas.behaviour import Rsvp
from loopin_schemas.profile import Profile
from loopin_sinks.persons.active_days import active_days
from loopin_sinks.persons.amounts import EXACT, exact
from loopin_sinks.persons.columns import lists, numbers
from loopin_sinks.persons.habit_rows import FIELDS, habit_columns
from loopin_sinks.persons.rows import table

PROFILES: Final = "profiles"

_MS = pa.timestamp("ms", "UTC")
_TEXTS = pa.list_(pa.string())
_NUMBERS = pa.list_(pa.float64())
_TIMES = pa.list_(_MS)
_VERSIONS = pa.list_(pa.uint32())
_REASONS = pa.list_(pa.list_(pa.int16()))

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
        pa.field("currencies", _TEXTS, nullable=False),
        pa.field("revenues", pa.list_(EXACT), nullable=False),
        pa.field("active_days", pa.list_(pa.date32()), nullable=False),
        pa.field("score_targets", _TEXTS, nullable=False),
        pa.field("score_chances", _NUMBERS, nullable=False),
        pa.field("score_times", _TIMES, nullable=False),
        pa.field("score_versions", _VERSIONS, nullable=False),
        pa.field("score_reasons", _REASONS, nullable=False),
        pa.field("rsvp_events", _TEXTS, nullable=False),
        pa.field("rsvp_times", _TIMES, nullable=False),
        pa.field("rsvp_chances", _NUMBERS, nullable=False),
        pa.field("rsvp_versions", _VERSIONS, nullable=False),
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
    days = active_days(profiles)
    scores = [tuple(profile.scores.values()) for profile in profiles]
    rsvps = [_rsvps(profile) for profile in profiles]
    columns: tuple[Sequence[object] | pa.Array, ...] = (
        [each.project for each in known],
        [each.distinct_id for each in known],
        [p.first_seen for p in profiles],
        [p.last_seen for p in profiles],
        [p.events for p in profiles],
        [p.sessions for p in profiles],
        [p.session.started for p in profiles],
        [p.session.last for p in profiles],
        [p.session.events for p in profiles],
        lists(_TEXTS, [p.revenue for p in profiles]),
        lists(pa.list_(EXACT), [p.revenue.values() for p in profiles], exact),
        numbers(pa.list_(pa.date32()), days.numbers, days.days),
        lists(_TEXTS, [p.scores for p in profiles]),
        lists(_NUMBERS, scores, lambda score: score.chance),
        lists(_TIMES, scores, lambda score: score.at),
        lists(_VERSIONS, scores, lambda score: score.version),
        lists(_REASONS, scores, lambda score: score.reasons),
        lists(_TEXTS, rsvps, lambda rsvp: rsvp.event_id),
        lists(_TIMES, rsvps, lambda rsvp: rsvp.at),
        lists(_NUMBERS, rsvps, lambda rsvp: 1.0 if rsvp.came else rsvp.chance),
        lists(_VERSIONS, rsvps, lambda rsvp: rsvp.version),
        *habit_columns(profiles, days),
        [each.revision for each in known],
        [topic_id] * len(profiles),
        [stored_at_ms] * len(profiles),
    )
    return table(columns, PROFILES_SCHEMA)


def _rsvps(profile: Profile) -> Sequence[Rsvp]:
    return () if profile.behaviour is None else profile.behaviour.rsvps
