from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.behaviour import KINDS
from loopin_schemas.catalogue import CATALOGUE
from loopin_streams.behaviour.counts import new_behaviour
from loopin_streams.behaviour.deeds import VISITOR_EVENTS, deeds, follow_account


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
        ("event_joined", {}, None, ("joins",)),
        ("event_join_requested", {}, None, ()),
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


_DONE = ("$pageview", "event_viewed", "event_left", "user_logged_out", "account_deleted", "message_sent")


@given(
    st.lists(st.sampled_from(_DONE), max_size=12).flatmap(lambda done: st.permutations([*enumerate(done)]))
)
def test_in_whatever_order_events_come_an_account_is_deleted_until_its_user_is_back(
    came: list[tuple[int, str]],
) -> None:
    behaviour = new_behaviour(1_000)
    for at, name in came:
        follow_account(behaviour, name, 1_000 + at)
    in_order = [name for _, name in sorted(came)]
    if "account_deleted" in in_order:
        last = len(in_order) - in_order[::-1].index("account_deleted")
        expected = "message_sent" in in_order[last:]
    else:
        expected = bool({"event_left", "user_logged_out", "message_sent"} & {*in_order})
    assert behaviour.known == expected
