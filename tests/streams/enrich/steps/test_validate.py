from __future__ import annotations

import pytest

from loopin_streams.enrich.draft import Dlq
from loopin_streams.enrich.steps.validate import validate
from tests.streams.enrich.drafts import body, context, draft_before


def test_a_good_event_passes_with_its_properties_decoded() -> None:
    draft = draft_before("validate", body(properties={"a": [1, {"b": None}]}))
    assert validate(draft, context()) is None
    assert draft.properties == {"a": [1, {"b": None}]}


def test_an_event_without_properties_has_none() -> None:
    draft = draft_before("validate", body())
    assert validate(draft, context()) is None
    assert draft.properties == {}


@pytest.mark.parametrize(
    ("value", "reason", "field"),
    [
        (body(distinct_id="null"), "distinct_id_forbidden", "distinct_id"),
        (body(event=""), "event_name_empty", "event"),
        (body(project="no spaces"), "project_invalid", "project"),
        (body(uuid="5"), "uuid_invalid", "uuid"),
        (body(parent_uuid="5"), "uuid_invalid", "parent_uuid"),
        (body(properties=[]), "properties_not_object", "properties"),
        (body(properties={"a": "\0"}), "null_byte", "properties"),
    ],
)
def test_a_field_beyond_its_limits_is_a_dead_letter(value: bytes, reason: str, field: str) -> None:
    outcome = validate(draft_before("validate", value), context())
    assert isinstance(outcome, Dlq)
    assert (outcome.reason, outcome.field) == (reason, field)
