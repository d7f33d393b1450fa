"""Users who begin anonymous and say later who they are, and what is known of them.

Events are rewritten, not added: a case publishes as many as it was asked for.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

Event = dict[str, Any]
"""An event's fields, before it is encoded."""

ONE_OF = 33
"""Of so many users one begins anonymous, 3 %."""

FIRST = 5
"""The first of them: not one of the few who have nearly all events."""

LEAST_EVENTS = 4
STILL_ANONYMOUS = 0.1
"""Share of later events that come from where the user has not signed in yet."""

WRITING = 0.2
"""Share of events that set a property of their person."""

PLANS = ("free", "club", "gold")
NO_ID = "undefined"
"""What a client's bug sends in place of an id."""


def with_identities(events: Sequence[Event], seed: int) -> None:
    """Rewrite events in place.

    Every one of these users is identified; one after the other they also have a second device, an alias, an
    anonymous id that somebody else claims in the same moment, somebody who claims them long after, somebody
    who is merged with them dangerously.
    """
    rng = random.Random(f"{seed}:identity")
    by_user: dict[str, list[int]] = {}
    for at, event in enumerate(events):
        by_user.setdefault(event["distinct_id"], []).append(at)
    chosen = [user for user in by_user if _begins_anonymous(user)]
    others = {
        project: [
            at
            for at, event in enumerate(events)
            if event["project"] == project and not _begins_anonymous(event["distinct_id"])
        ]
        for project in {event["project"] for event in events}
    }
    for user in sorted(chosen, key=number_of):
        places = by_user[user]
        if len(places) >= LEAST_EVENTS:
            _identified(rng, events, user, places)
            _more(rng, events, user, places, others[events[places[0]]["project"]])


def number_of(user: str) -> int:
    """The number in a user's id."""
    return int(user.partition("-")[2])


def anonymous(user: str) -> str:
    """What a user was known by at first."""
    return f"anon-{number_of(user)}"


def _begins_anonymous(user: str) -> bool:
    return number_of(user) % ONE_OF == FIRST


def _identified(rng: random.Random, events: Sequence[Event], user: str, places: Sequence[int]) -> None:
    """A third of the events is anonymous; the next one says who it was."""
    signs_in = len(places) // 3
    for number, at in enumerate(places):
        event = events[at]
        if number < signs_in or (number > signs_in and rng.random() < STILL_ANONYMOUS):
            event["distinct_id"] = anonymous(user)
        if rng.random() < WRITING:
            event["properties"] |= _written(rng)
    _say(events[places[signs_in]], "$identify", user, {"$anon_distinct_id": anonymous(user)})
    events[places[signs_in]]["properties"] |= {"$set": {"plan": "free"}, "$set_once": {"signed_in": signs_in}}


def _more(
    rng: random.Random, events: Sequence[Event], user: str, places: Sequence[int], others: Sequence[int]
) -> None:
    """What else happens to this user; ``others`` are the places of those who are known from the start."""
    signs_in, last = places[len(places) // 3], places[-1]
    turn = number_of(user) // ONE_OF % 6
    if turn == 1:
        events[places[-2]]["distinct_id"] = f"{anonymous(user)}-phone"
        _say(events[last], "$identify", user, {"$anon_distinct_id": f"{anonymous(user)}-phone"})
    elif turn == 2:
        events[places[-2]]["distinct_id"] = f"legacy-{number_of(user)}"
        _say(events[last], "$create_alias", user, {"alias": f"legacy-{number_of(user)}"})
    elif turn == 3:
        near = min(others, key=lambda at: (abs(at - signs_in), at))
        somebody = events[near]["distinct_id"]
        _say(events[near], "$identify", somebody, {"$anon_distinct_id": anonymous(user)})
    elif turn in (4, 5):
        at, again = rng.sample(others[-max(2, len(others) // 5) :], 2)
        name = "$create_alias" if turn == 4 else "$merge_dangerously"
        _say(events[at], name, events[at]["distinct_id"], {"alias": user})
        _say(events[again], "$create_alias", events[again]["distinct_id"], {"alias": NO_ID})


def _say(event: Event, name: str, user: str, properties: dict[str, Any]) -> None:
    event |= {"event": name, "distinct_id": user, "properties": properties}


def _written(rng: random.Random) -> dict[str, Any]:
    """Some of the same few properties, so that they replace each other."""
    return rng.choice(
        (
            {"$set": {"plan": rng.choice(PLANS), "visits": rng.randrange(100)}},
            {"$set_once": {"first_page": rng.choice(("/", "/events")), "coupon": rng.randrange(10)}},
            {"$unset": ["coupon"]},
            {"$set": {"plan": "gold", "coupon": 7}, "$unset": ["plan"]},
        )
    )
