"""What the stream's own steps make of records that the API has published."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import takewhile

from loopin_schemas.dead_letter import DeadLetter
from loopin_streams.enrich.body_privacy import BodyPrivacy
from loopin_streams.enrich.dead_letters import dead_letter, project_of
from loopin_streams.enrich.draft import Dlq, Draft
from loopin_streams.enrich.pipeline import STEPS, run
from loopin_text.pii import Scrubber
from tests.streams.enrich.drafts import RawRecord, context

VALIDATION = tuple(takewhile(lambda step: step.name != "partition", STEPS))
"""Decoding, the limits of fields, and times."""


def through(records: Sequence[tuple[bytes | None, bytes]]) -> tuple[list[Draft], list[DeadLetter]]:
    """The events among these records (key, value) as they pass validation, and the dead letters."""
    now = time.time_ns() // 1_000_000
    drafts = [Draft(RawRecord(value, place, now, key)) for place, (key, value) in enumerate(records)]
    at = context()
    passed = run(drafts, at, VALIDATION)
    letters = []
    for draft in drafts:
        if draft.outcome is not None:
            assert isinstance(draft.outcome, Dlq), draft.outcome
            privacy = BodyPrivacy(Scrubber(), "drop")
            letters.append(dead_letter(draft, draft.outcome, at.origin, project_of(draft), privacy))
    return passed, letters
