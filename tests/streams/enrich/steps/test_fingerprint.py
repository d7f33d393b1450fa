"""Errors with what they are grouped by."""

from __future__ import annotations

import pytest

from loopin_streams.enrich.pipeline import STEPS, run
from loopin_streams.enrich.steps.fingerprint import add_fingerprint
from loopin_text.fingerprint import FINGERPRINT, of_event
from tests.streams.enrich.drafts import body, context, draft_before


@pytest.mark.parametrize(
    ("event", "properties"),
    [
        ("error_logged", {"level": "error", "message": "User 42 not found"}),
        ("$exception", {"$exception_list": [{"type": "TypeError", "value": "of undefined"}]}),
    ],
)
def test_errors_get_one(event: str, properties: dict[str, object]) -> None:
    draft = draft_before("fingerprint", body(event=event, properties=properties))
    run([draft], context(), [step for step in STEPS if step.name == "fingerprint"])
    assert draft.properties == {**properties, FINGERPRINT: of_event(event, properties)}
    assert draft.changed


def test_the_clients_own_stays() -> None:
    given = {"level": "error", "message": "m", FINGERPRINT: "mine"}
    draft = draft_before("fingerprint", body(event="error_logged", properties=given))
    assert add_fingerprint(draft, context()) is None
    assert draft.properties == given


def test_other_events_get_none() -> None:
    draft = draft_before("fingerprint", body(event="click", properties={"message": "m"}))
    assert add_fingerprint(draft, context()) is None
    assert not draft.changed
