"""Whatever events bring, the stream goes on and scores are probabilities."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loopin_schemas.behaviour import KINDS
from loopin_schemas.codec import decode
from loopin_schemas.profile import Profile
from loopin_streams.behaviour.counts import DAY_MS, count, new_behaviour
from loopin_streams.enrich.job import EnrichJob, EnrichOptions
from loopin_streams.kafka.marker import Marker
from loopin_streams.learning.answers import Answers
from loopin_streams.learning.features import contrasts, features_of
from loopin_streams.learning.models import Models
from loopin_streams.learning.targets import TARGETS
from tests.streams.learning.made_models import (
    FEATURES,
    forest,
    linear,
    standing_record,
    version_record,
)

START_MS = 1_767_225_600_000
"""1 January 2026."""

YEAR_1, YEAR_9999 = -62_135_596_800_000, 253_402_300_799_999


@dataclass
class Sent:
    offset: int
    timestamp: int
    key: bytes
    value: bytes


def steep() -> Answers:
    """By a model whose log odds are as far from zero as a model's may be."""
    models = Models()
    scorer = {
        "type": "blend",
        "of": [linear(weights=[1e9, -1e9] * (FEATURES // 2) + [1.0] * (FEATURES % 2)), forest()],
    }
    assert models.apply(version_record(scorer=scorer, slope=1e9)) is None
    assert models.apply(standing_record(version=1)) is None
    return Answers(lambda: models)


_ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "NaN", "-Infinity", "1e999", "\u202e", "😀" * 40, "good", "terrible"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)
_NAMES = st.sampled_from(
    ["event_joined", "event_left", "event_attended", "event_viewed", "ticket_purchased", "payment_failed",
     "message_sent", "event_rated", "user_unfollowed", "login", "anything", "api_request", "$identify"]
)  # fmt: skip
_PROPERTIES = st.dictionaries(
    st.sampled_from(
        ["event_id", "rating", "amount", "currency", "text", "$sentiment", "$session_id", "user_agent"]
    ),
    _ODD,
    max_size=4,
)
_TIMES = st.one_of(
    st.integers(START_MS, START_MS + 60 * DAY_MS),
    st.integers(START_MS - 400 * DAY_MS, START_MS + 400 * DAY_MS),
    st.sampled_from([YEAR_1, 0, 1, YEAR_9999]),
)
_EVENTS = st.lists(st.tuples(_NAMES, _TIMES, _PROPERTIES), min_size=1, max_size=30)


@settings(max_examples=60)
@given(_EVENTS)
def test_no_event_stops_the_stream_and_scores_are_probabilities(events: list[tuple[str, int, Any]]) -> None:
    seen = profiles_after(events)
    assert seen
    for profile in seen:
        assert all(0 <= score.chance <= 1 for score in profile.scores.values())
        rsvps = profile.behaviour.rsvps if profile.behaviour is not None else ()
        assert all(0 <= rsvp.chance <= 1 for rsvp in rsvps)


def test_the_user_of_these_events_is_one_of_whom_something_is_predicted() -> None:
    when = START_MS + 4 * DAY_MS
    (profile,) = profiles_after([("event_joined", when, {"event_id": "e1"})])
    assert {name: score.version for name, score in profile.scores.items()} == {"churn": 1, "conversion": 0}
    assert profile.behaviour is not None
    assert [rsvp.event_id for rsvp in profile.behaviour.rsvps] == ["e1"]


def profiles_after(events: list[tuple[str, int, Any]]) -> list[Profile]:
    """All that is published of a user who does these things after four days of plain ones."""
    absorber = EnrichJob(EnrichOptions(topic_prefix="", partitions=1), None, steep()).open(0, "t")
    absorber.opened(Marker(topic_id="t", position=0), {})
    days: list[tuple[str, int, Any]] = [("message_sent", START_MS + day * DAY_MS, {}) for day in range(4)]
    records = [
        Sent(at, max(when, 0), b"demo:u", json.dumps(body).encode())
        for at, (name, when, properties) in enumerate([*days, *events])
        for body in (
            {
                "project": "demo",
                "event": name,
                "distinct_id": "u",
                "timestamp": when,
                "properties": properties,
            },
        )
    ]
    output = absorber.absorb(records, len(records))
    assert output.counts.read == len(records)
    held = output.messages.get("profiles", [])
    return [decode(value, Profile) for _, value in held if value is not None]


@given(
    st.lists(
        st.tuples(st.integers(YEAR_1, YEAR_9999), st.lists(st.integers(0, len(KINDS) - 1), max_size=4)),
        min_size=1,
        max_size=25,
    ),
    st.integers(YEAR_1, YEAR_9999),
    st.lists(st.integers(0, 2**40), min_size=len(KINDS), max_size=len(KINDS)),
)
def test_features_of_whatever_was_counted_are_bytes_and_their_scores_probabilities(
    counted: list[tuple[int, list[int]]], now: int, today: list[int]
) -> None:
    behaviour = new_behaviour(counted[0][0])
    for at, kinds in counted:
        count(behaviour, at, kinds)
    behaviour.today = today
    kept = features_of([behaviour], [now])
    rows = contrasts(kept)
    assert np.isfinite(rows).all()
    for answers in (Answers(), steep()):
        for target in TARGETS:
            (chance,) = answers.of("demo", target, rows).chances
            assert 0 <= chance <= 1
