from __future__ import annotations

import pytest

from loopin_schemas.behaviour import KINDS
from loopin_schemas.catalogue import CATALOGUE
from loopin_streams.behaviour.deeds import VISITOR_EVENTS, deeds


@pytest.mark.parametrize(
    ("event", "properties", "sentiment", "kinds"),
    [
        ("$pageview", {}, None, ()),
        ("event_viewed", {}, None, ("views",)),
        ("message_sent", {}, 0.6, ("social", "positive")),
        ("event_reviewed", {"rating": 1}, 0.9, ("negative",)),
        ("event_reviewed", {"rating": 3}, 0.9, ()),
        ("feedback_submitted", {"rating": True}, -0.2, ("negative",)),
        ("ticket_purchased", {"rating": "5"}, 0.1, ("purchases",)),
    ],
)
def test_what_an_event_counts_as(
    event: str, properties: dict[str, object], sentiment: float | None, kinds: tuple[str, ...]
) -> None:
    assert tuple(KINDS[place] for place in deeds(event, properties, sentiment)) == kinds


def test_visitors_do_only_what_is_known() -> None:
    known = {event.name for event in CATALOGUE}
    assert {name for name in VISITOR_EVENTS if not name.startswith("$")} <= known
    assert not VISITOR_EVENTS & {"user_signed_up", "user_logged_in", "ticket_purchased", "event_joined"}
