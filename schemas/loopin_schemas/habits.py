"""What a user is used to: when they come, what they like, what they pay; kept with the user's profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

ERA_DAYS: Final = 28
"""Days (from 1970-01-01, UTC) of an era: with each that begins, all that was counted before weighs half.
Whole weeks, so that every weekday fades alike."""

WHOLE: Final = 8
"""What an event of the present era adds to a count: counts are kept in eighths, so that those of three eras
ago are still whole numbers. What is lost of a count by rounding is less than a quarter of an event."""

HOURS: Final = 24
WEEKDAYS: Final = 7

ON_CLOCK: Final = WHOLE // 2
"""What an event of the present era adds to its hour and its weekday, which are kept in quarters, a byte each.
They tell shares: where one is full (63 events), all hours, or all weekdays, are halved."""

MOST_ACTIONS: Final = 24
MOST_EVENT_TYPES: Final = 12
MOST_COMMUNITIES: Final = 12
"""So many names have a count each; while there are no more, each count is the name's own. Beyond them a new
name takes the place, and the count, of the least counted one: so a count is too great by at most all counts
together divided by the number of places, and no name with more than that is missing (the space-saving
algorithm: A. Metwally, D. Agrawal, A. El Abbadi, Efficient Computation of Frequent and Top-k Elements in Data
Streams, ICDT 2005)."""

LONGEST_NAME: Final = 64
"""Characters of a name that are kept."""

MOST_CURRENCIES: Final = 4
"""The first so many currencies in which a user saw or paid prices are kept."""

MOST_FAILURES: Final = 1_000


class Prices(msgspec.Struct, array_like=True, gc=False):
    """Prices in one currency, in millionths: the least, the greatest, how many, and their sum."""

    least: int
    greatest: int
    number: int
    total: int


class Spending(msgspec.Struct, array_like=True, gc=False):
    """What one user pays.

    Attributes:
        bought: prices of tickets by currency (``""``: none was named), whenever that was.
        viewed: those of platform events looked at, where the event names one.
        failures: payments that failed since the last one that succeeded.
        at: time of the newest payment or failure, epoch ms; an older one that comes later says nothing.
    """

    bought: dict[str, Prices] = {}
    viewed: dict[str, Prices] = {}
    failures: int = 0
    at: int = 0


class Habits(msgspec.Struct, array_like=True, gc=False):
    """Counts of one user in eighths of an event; events of the system group and of bots are not among them.

    Attributes:
        era: that of the newest event, ``ERA_DAYS`` days each since 1970.
        clock: events by hour of the day (24), then by weekday from Monday (7), by the user's own clock, in
            quarters (see ``ON_CLOCK``).
        actions: events by name, under its number in ``ACTIONS``, or ``=`` and the name where it has none.
        event_types: acts on platform events by the category that they name.
        communities: events by community.
        zone: time zone that the last event named which named one; ``""`` where none did.
        spending: None before the first payment or price.
    """

    era: int
    clock: bytearray
    actions: dict[str, int] = {}
    event_types: dict[str, int] = {}
    communities: dict[str, int] = {}
    zone: str = ""
    spending: Spending | None = None


class PastSessions(msgspec.Struct, array_like=True, gc=False):
    """Sessions that are over and no longer remembered: how many, how long together (ms), and their events."""

    sessions: int
    ms: int
    events: int


ACTIONS: Final = (
    *("$pageview", "$pageleave", "click", "search_performed", "page_loaded", "$web_vitals", "app_crashed"),
    *("$exception", "user_signed_up", "user_logged_in", "user_logged_out", "login_failed", "otp_sent"),
    *("otp_verified", "otp_failed", "profile_updated", "user_verified", "account_deleted", "event_created"),
    *("event_published", "event_cancelled", "event_viewed", "event_join_requested", "event_joined"),
    *("event_left", "event_attended", "event_sold_out", "event_reviewed", "ticket_purchased"),
    *("payment_succeeded", "payment_failed", "payment_refunded", "payment_disputed", "content_created"),
    *("content_viewed", "content_left", "content_liked", "content_commented", "content_shared"),
    *("search_result_shown", "search_result_clicked", "user_followed", "user_unfollowed", "message_sent"),
    *("feedback_submitted", "recommendation_shown", "recommendation_clicked", "community_viewed"),
    *("community_joined", "community_left", "community_activity", "geo_access_checked"),
    *("$feature_flag_called", "experiment_exposed"),
)
"""Events of the catalogue by number, which profiles keep instead of names: only ever added to at the end."""


class _Keys(dict[str, str]):
    def __missing__(self, event: str) -> str:
        return f"={event[:LONGEST_NAME]}"


ACTION_KEYS: Final[Mapping[str, str]] = _Keys({name: str(number) for number, name in enumerate(ACTIONS)})
"""What stands for an event's name in ``Habits.actions``; it has any name."""


def action_name(key: str) -> str:
    """The name that a key of ``Habits.actions`` stands for."""
    return key[1:] if key.startswith("=") else ACTIONS[int(key)]
