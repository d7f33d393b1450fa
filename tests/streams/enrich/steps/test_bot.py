"""Who is marked as a bot."""

from __future__ import annotations

from typing import Any

import pytest

from loopin_schemas.codec import decode_object
from loopin_streams.enrich.steps.bot import flag_bot
from loopin_streams.enrich.steps.encode import encode_enriched
from tests.streams.enrich.drafts import body, context, draft_before

GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("properties", "found"),
    [
        ({"$raw_user_agent": GOOGLE}, {"$is_bot": True, "$bot_name": "Googlebot"}),
        ({"user_agent": GOOGLE, "$lib": "web"}, {"$is_bot": True, "$bot_name": "Googlebot"}),
        # A server's SDK reports its visitor, which is a script.
        (
            {"user_agent": "python-requests/2.31.0", "$lib": "posthog-python"},
            {"$is_bot": True, "$bot_name": "python-requests"},
        ),
        # The SDK itself on its way here.
        ({"$raw_user_agent": "posthog-python/3.5.0", "$lib": "posthog-python"}, {}),
        ({"$lib": "posthog-python"}, {}),
        ({"$raw_user_agent": CHROME}, {}),
        ({"$raw_user_agent": GOOGLE, "$is_bot": False}, {}),
        ({"$raw_user_agent": 7}, {}),
        ({}, {}),
    ],
)
def test_by_the_visitors_user_agent(properties: dict[str, Any], found: dict[str, Any]) -> None:
    draft = draft_before("bot", body(properties=properties))
    assert flag_bot(draft, context()) is None
    assert draft.properties == properties | found
    assert draft.outcome is None


def test_a_bots_event_is_stored_with_its_mark() -> None:
    draft = draft_before("encode", body(properties={"$raw_user_agent": GOOGLE}))
    assert draft.changed
    assert encode_enriched(draft, context()) is None
    assert decode_object(draft.enriched.properties)["$is_bot"] is True
