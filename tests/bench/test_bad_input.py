"""What the job ``trouble`` sends is as bad as it says, and no more of it is stored than it says."""

from __future__ import annotations

import pytest

from loopin_streams.enrich.draft import Draft
from loopin_streams.enrich.pipeline import STEPS, run
from loopin_streams.learning.models import Models
from tests.bench.bad_input import FLOOD, HOSTILE, Hostile, corrupt_models
from tests.bench.bars import BARS
from tests.bench.jobs.trouble import TROUBLES
from tests.streams.enrich.drafts import RawRecord, context
from tests.streams.kafka.configured import Record

REASONS = {
    "a word, 900 kB": "too_large",
    "half a surrogate pair": "not_json",
    "invalid UTF-8": "not_utf8",
    "NaN": "not_json",
}


@pytest.mark.parametrize(("name", "hostile"), [("flood", FLOOD), *HOSTILE.items()])
def test_a_hostile_event_is_stored_or_a_dead_letter_and_has_no_latency(name: str, hostile: Hostile) -> None:
    draft = Draft(RawRecord(hostile.body))

    passed = run([draft], context(), STEPS)

    assert passed == ([draft] if hostile.stored else [])
    assert getattr(draft.outcome, "reason", None) == REASONS.get(name)
    if hostile.stored:
        assert draft.event.queued_at is None
        assert draft.event.sent_at is None


def test_of_corrupt_models_nothing_can_be_used() -> None:
    models = Models()
    for number in range(3):
        for key, value in corrupt_models(number):
            assert models.apply(Record(key, value)) is not None
    assert len(models.broken) == 6
    assert models.answering() == {}


def test_every_trouble_has_its_target() -> None:
    assert {case for job, case in BARS if job == "trouble"} == {f"{each.case}: during" for each in TROUBLES}
