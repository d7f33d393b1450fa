"""Who counts as anonymous, and what becomes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loopin_streams.enrich.steps.anonymous import ANONYMOUS, drop_anonymous
from tests.streams.enrich.drafts import body, context, draft_before


@pytest.mark.parametrize(
    ("properties", "anonymous"),
    [
        ({"$process_person_profile": False}, True),
        ({"$is_identified": False}, True),
        ({"$device_id": "u1"}, True),
        ({"$is_identified": False, "$process_person_profile": True}, True),
        ({"$process_person_profile": True}, False),
        ({"$is_identified": True, "$device_id": "d1"}, False),
        ({"$is_identified": True, "$device_id": "u1"}, False),
        ({"$is_identified": True, "$process_person_profile": False}, True),
        ({"$process_person_profile": "false", "$device_id": None}, False),
        ({"$is_identified": "false"}, False),
        ({"$is_identified": 0}, False),
        ({}, False),
    ],
)
def test_by_posthogs_conventions(properties: dict[str, Any], anonymous: bool) -> None:
    draft = draft_before("anonymous", body(properties=properties))
    drop_anonymous([draft], context())
    assert draft.outcome is None, "they count unless the settings say otherwise"
    drop_anonymous([draft], replace(context(), track_anonymous_users=False))
    assert draft.outcome == (ANONYMOUS if anonymous else None)


@pytest.mark.parametrize("event", ["$identify", "$create_alias", "$merge_dangerously"])
def test_what_says_who_somebody_is_is_never_left_out(event: str) -> None:
    for properties in ({"$process_person_profile": False}, {"$is_identified": False}, {"$device_id": "u1"}):
        draft = draft_before("anonymous", body(event=event, properties=properties))
        drop_anonymous([draft], replace(context(), track_anonymous_users=False))
        assert draft.outcome is None
