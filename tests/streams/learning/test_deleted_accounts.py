"""Of an account that was deleted nothing is predicted."""

from __future__ import annotations

from loopin_schemas.profile import Profile
from loopin_streams.behaviour.counts import DAY_MS
from tests.streams.learning.did import Did, passed

START_MS = 1_767_225_600_000
BOUGHT = [
    Did("u", "ticket_purchased", START_MS + day * DAY_MS, {"event_id": "e", "amount": 5}) for day in range(6)
]


def after(*events: str) -> Profile:
    """Of who bought a ticket on six days, and then did these things a minute each."""
    at = BOUGHT[-1].at
    more = [Did("u", name, at + n * 60_000, {"event_id": "e"}) for n, name in enumerate(events, start=1)]
    return passed([*BOUGHT, *more]).profiles[b"demo:u"]


def test_scores_go_with_the_account() -> None:
    assert after().scores["conversion"].chance > 0.9
    assert after("account_deleted").scores == {}
    # What a browser still sends, and what is cleared away.
    assert after("account_deleted", "$pageview", "user_logged_out", "event_left", "$pageleave").scores == {}


def test_nobody_is_waited_for_whose_account_is_gone() -> None:
    for events, waited_for in ((("event_joined",), ["e"]), (("event_joined", "account_deleted"), [])):
        behaviour = after(*events).behaviour
        assert behaviour is not None
        assert [rsvp.event_id for rsvp in behaviour.rsvps] == waited_for


def test_who_comes_back_is_predicted_of_again() -> None:
    assert after("account_deleted", "user_logged_in").scores.keys() == {"churn", "conversion"}


def test_a_deletion_that_comes_after_later_events_counts_at_its_time() -> None:
    deleted = Did("u", "account_deleted", BOUGHT[-1].at + 1000, {}, 90_000)
    page = Did("u", "$pageview", deleted.at + 1000, {})
    assert passed([*BOUGHT, page, deleted]).profiles[b"demo:u"].scores == {}
    back = Did("u", "user_logged_in", deleted.at + 2000, {})
    assert passed([*BOUGHT, page, back, deleted]).profiles[b"demo:u"].scores
