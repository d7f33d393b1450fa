"""Browsers, systems and devices in events."""

from __future__ import annotations

from loopin_streams.enrich.steps.user_agent import describe_user_agent
from tests.streams.enrich.drafts import body, context, draft_before

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.0 Mobile/15E148 Safari/604.1"
)


def test_what_the_client_said_stays() -> None:
    given = {"$raw_user_agent": IPHONE, "$browser": "Mine", "$device_type": None}
    draft = draft_before("user_agent", body(properties=given))
    assert describe_user_agent(draft, context()) is None
    assert draft.properties == given | {
        "$browser_version": "17.0",
        "$os": "iOS",
        "$os_version": "17.0",
        "$device": "iPhone",
    }
    assert draft.changed


def test_without_a_user_agent_nothing_changes() -> None:
    draft = draft_before("user_agent", body(properties={"browser": "Chrome"}))
    assert describe_user_agent(draft, context()) is None
    assert not draft.changed
