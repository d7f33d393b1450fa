from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_streams.enrich.steps.lateness import mark_late
from tests.streams import plain_state
from tests.streams.enrich.drafts import RECEIVED_MS, body, context, draft_before
from tests.streams.plain_state import Happened

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
MIDNIGHT = RECEIVED_MS - RECEIVED_MS % DAY


def late(at: int, watermark: int | None, received: int) -> str | None:
    """What the step says of an event of that time."""
    where = context()
    if watermark is not None:
        where.windows.advance(watermark)
    draft = draft_before("lateness", body(timestamp=at), at=where, received=received)
    assert mark_late(draft, where) is None, "a late event passes"
    return draft.enriched.late


BY_NOW = [
    # Of an event at midnight: its minute is kept until 01:01, its hour until 07:00, its day for three.
    (MIDNIGHT, None),
    (MIDNIGHT + HOUR + MINUTE - 1, None),
    (MIDNIGHT + HOUR + MINUTE, "minute"),
    (MIDNIGHT + 7 * HOUR - 1, "minute"),
    (MIDNIGHT + 7 * HOUR, "hour"),
    (MIDNIGHT + 3 * DAY - 1, "hour"),
    (MIDNIGHT + 3 * DAY, "day"),
    (MIDNIGHT + 900 * DAY, "day"),
]


@pytest.mark.parametrize(("watermark", "longest"), BY_NOW)
def test_the_longest_window_that_the_watermark_has_left_is_named(watermark: int, longest: str | None) -> None:
    assert late(MIDNIGHT, watermark, received=MIDNIGHT) == longest


@pytest.mark.parametrize(("now", "longest"), BY_NOW)
@pytest.mark.parametrize("watermark", [None, MIDNIGHT - 9 * DAY])
def test_an_event_that_arrives_as_late_is_late_wherever_the_watermark_stands(
    now: int, longest: str | None, watermark: int | None
) -> None:
    assert late(MIDNIGHT, watermark, received=now + MINUTE) == longest


@given(st.integers(-23 * HOUR, 4 * DAY), st.none() | st.integers(-DAY, 4 * DAY))
def test_any_time_against_any_arrival_and_watermark(age: int, ahead: int | None) -> None:
    at = RECEIVED_MS - age
    watermark = None if ahead is None else at + ahead
    happened = Happened("demo", "u1", "click", at, RECEIVED_MS, {}, watermark)
    assert late(at, watermark, received=RECEIVED_MS) == plain_state.longest_missed(happened)
