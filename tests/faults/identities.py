"""Users who begin anonymous and say later who they are, and what is known of them.

Events are rewritten, not added: a case publishes as many as it was asked for.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

Event = dict[str, Any]
"""An event's fields, before it is encoded."""

LEAST_EVENTS = 4
STILL_ANONYMOUS = 0.1
"""Share of later events that come from where the user has not signed in yet."""

WRITING = 0.2
"""Share of events that set a property of their person."""

PLANS = ("free", "club", "gold")
NO_ID = "undefined"
"""What a client's bug sends in place of an id."""


def with_identities(events: Sequence[Event], seed: int, one_of: int) -> None:
    """Rewrite events in place; of so many users one begins anonymous.

    Every one of these users is identified. In turn they also have a second device, an alias, an anonymous id
    that somebody else claims in the same moment, somebody who claims them long after, and somebody who is
    merged with them dangerously.
    """
    rng = random.Random(f"{seed}:identity")
    users: dict[str, list[int]] = {}
    others: dict[str, list[int]] = {}
    for at, event in enumerate(events):
        # Not the first ones, who have nearly all events.
        if number_of(event["distinct_id"]) % one_of == one_of - 1:
            users.setdefault(event["distinct_id"], []).append(at)
        else:
            others.setdefault(event["project"], []).append(at)
    for user, places in sorted(users.items(), key=lambda item: number_of(item[0])):
        if len(places) >= LEAST_EVENTS:
            _identified(rng, events, user, places)
            turn = number_of(user) // one_of % 6
            if turn in (1, 2):
                _second_id(events, user, places, ("phone", "legacy")[turn - 1])
            elif turn > 2:
                _another(rng, events, user, others[events[places[0]]["project"]], turn, _signing_in(places))


def number_of(user: str) -> int:
    """The number in a user's id."""
    return int(user.partition("-")[2])


def anonymous(user: str) -> str:
    """What a user was known by at first."""
    return f"anon-{number_of(user)}"


def _signing_in(places: Sequence[int]) -> int:
    """The place of the event that says who it was."""
    return places[len(places) // 3]


def _identified(rng: random.Random, events: Sequence[Event], user: str, places: Sequence[int]) -> None:
    """A third of the events is anonymous; the next one says who it was."""
    signing_in = _signing_in(places)
    for at in places:
        if at < signing_in or rng.random() < STILL_ANONYMOUS:
            events[at]["distinct_id"] = anonymous(user)
        if rng.random() < WRITING:
            events[at]["properties"] |= _written(rng)
    _say(events[signing_in], "$identify", user, {"$anon_distinct_id": anonymous(user)})
    events[signing_in]["properties"] |= {"$set": {"plan": "free"}, "$set_once": {"signed_in": signing_in}}


def _second_id(events: Sequence[Event], user: str, places: Sequence[int], kind: str) -> None:
    """The last but one event came by another id, which the last one says is the user's."""
    other = f"{kind}-{number_of(user)}"
    events[places[-2]]["distinct_id"] = other
    if kind == "phone":
        _say(events[places[-1]], "$identify", user, {"$anon_distinct_id": other})
    else:
        _say(events[places[-1]], "$create_alias", user, {"alias": other})


def _another(
    rng: random.Random, events: Sequence[Event], user: str, others: Sequence[int], turn: int, signing_in: int
) -> None:
    """Somebody else wants to be that user; ``others`` are the events of whom that may be."""
    if turn == 3:
        near = events[min(others, key=lambda at: abs(at - signing_in))]
        _say(near, "$identify", near["distinct_id"], {"$anon_distinct_id": anonymous(user)})
        return
    late, again = (events[at] for at in rng.sample(others[-max(2, len(others) // 5) :], 2))
    _say(late, "$create_alias" if turn == 4 else "$merge_dangerously", late["distinct_id"], {"alias": user})
    _say(again, "$create_alias", again["distinct_id"], {"alias": NO_ID})


def _say(event: Event, name: str, user: str, properties: dict[str, Any]) -> None:
    event |= {"event": name, "distinct_id": user, "properties": properties}


def _written(rng: random.Random) -> dict[str, Any]:
    """Some of the same few properties, so that they replace each other."""
    return rng.choice(
        (
            {"$set": {"plan": rng.choice(PLANS), "visits": rng.randrange(100)}},
            # Numbers: a private message that says words of its person loses them.
            {"$set_once": {"first_page": rng.randrange(2), "coupon": rng.randrange(10)}},
            {"$unset": ["coupon"]},
            {"$set": {"plan": "gold", "coupon": 7}, "$unset": ["plan"]},
        )
    )
