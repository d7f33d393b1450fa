"""Which counts of a user's behaviour an event raises, and whether it is of somebody with an account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from loopin_schemas.behaviour import KINDS, Behaviour

_KINDS_OF: Final[dict[str, tuple[str, ...]]] = {
    "event_viewed": ("views",),
    **dict.fromkeys(("content_liked", "content_commented", "content_shared"), ("content",)),
    **dict.fromkeys(("search_result_clicked", "recommendation_clicked"), ("content",)),
    **dict.fromkeys(("message_sent", "user_followed", "community_joined", "community_activity"), ("social",)),
    "event_joined": ("joins",),
    "ticket_purchased": ("purchases",),
    "event_attended": ("attended",),
    **dict.fromkeys(("user_unfollowed", "community_left", "event_left"), ("parting",)),
    **dict.fromkeys(("payment_refunded", "payment_failed", "account_deleted"), ("parting",)),
}

_PLACES: Final = {kind: place for place, kind in enumerate(KINDS)}
_DEEDS: Final = {name: tuple(_PLACES[kind] for kind in kinds) for name, kinds in _KINDS_OF.items()}
_POSITIVE, _NEGATIVE = (_PLACES["positive"],), (_PLACES["negative"],)

VISITOR_EVENTS: Final = frozenset(
    {
        *(
            "$pageview",
            "$pageleave",
            "$screen",
            "$autocapture",
            "$web_vitals",
            "$exception",
            "$opt_in",
            "$set",
        ),
        *("click", "page_loaded", "app_crashed", "search_performed", "search_result_shown"),
        *("search_result_clicked", "event_viewed", "content_viewed", "content_left", "community_viewed"),
        *("recommendation_shown", "recommendation_clicked", "geo_access_checked", "experiment_exposed"),
        *("$feature_flag_called", "login_failed", "otp_sent", "otp_failed"),
    }
)
"""What anybody does without an account. Whoever does nothing else, as the id of a browser before its user has
signed in, is no user of whom anything is predicted."""

_ENDINGS: Final = frozenset(
    {"user_logged_out", *(name for name, kinds in _KINDS_OF.items() if kinds == ("parting",))}
) - {"account_deleted"}
"""What a deleted account may still send as it is cleared away: nobody has come back with it."""

FELT_FROM: Final = 0.2
"""Sentiment (-1 to 1) from which words are friendly; as far below zero they are unfriendly."""

MIDDLE_RATING: Final = 3
"""Of 1 to 5 stars: more is friendly, fewer are not."""


def deeds(
    event: str, properties: Mapping[str, Any], sentiment: float | None, *, again: bool = False
) -> tuple[int, ...]:
    """Places in ``KINDS`` of what an event is, beside being one.

    ``sentiment`` is that of its text; ``again`` says that the same was done before, and counts once.
    """
    found = () if again else _DEEDS.get(event, ())
    rating = properties.get("rating")
    if isinstance(rating, int | float) and not isinstance(rating, bool):
        sentiment = rating - MIDDLE_RATING
    if sentiment is None or -FELT_FROM < sentiment < FELT_FROM:
        return found
    return found + (_POSITIVE if sentiment > 0 else _NEGATIVE)


def follow_account(behaviour: Behaviour, event: str, at: int) -> None:
    """Take in what an event of epoch ms ``at`` says of its user's account, in whatever order events come.

    An account that was deleted is none until its user does something again that visitors do not do; whoever
    it was is waited for nowhere.
    """
    if event == "account_deleted":
        if at >= behaviour.account_at:
            behaviour.known, behaviour.account_at, behaviour.rsvps = False, at, ()
    elif event in _ENDINGS:
        behaviour.known = behaviour.known or not behaviour.account_at
    elif at > behaviour.account_at and event not in VISITOR_EVENTS:
        behaviour.known, behaviour.account_at = True, at
