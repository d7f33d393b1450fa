"""Personal data in what is published past SDK and API."""

from __future__ import annotations

from dataclasses import replace

from loopin_streams.enrich.steps.scrub import scrub_properties
from loopin_text.pii import Scrubber
from tests.streams.enrich.drafts import body, context, draft_before

PROPERTIES = {"note": "ask joe@example.com", "n": 4, "$set": {"email": "joe@example.com"}}


def test_it_is_replaced() -> None:
    draft = draft_before("scrub", body(properties=PROPERTIES, distinct_id="joe@example.com"))
    assert scrub_properties(draft, context()) is None
    assert draft.properties == {"note": "ask [email]", "n": 4, "$set": {"email": "[email]"}}
    assert draft.changed
    assert draft.enriched.distinct_id == "joe@example.com"


def test_where_there_is_none_nothing_is_encoded_anew() -> None:
    draft = draft_before("scrub", body(properties={"note": "hello", "n": 4}))
    assert scrub_properties(draft, context()) is None
    assert not draft.changed


def test_what_is_scrubbed_is_a_setting() -> None:
    for scrubber, left in (
        (Scrubber(frozenset()), PROPERTIES),
        (Scrubber(except_properties=frozenset({"email"})), PROPERTIES | {"note": "ask [email]"}),
    ):
        draft = draft_before("scrub", body(properties=PROPERTIES))
        assert scrub_properties(draft, replace(context(), scrubber=scrubber)) is None
        assert draft.properties == left
