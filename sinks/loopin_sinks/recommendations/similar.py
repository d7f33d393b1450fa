"""What is like something."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.recommendations.platform_events import PRICES, PlatformEvents
from loopin_sinks.recommendations.read import platform_event
from loopin_sinks.recommendations.recommend import Item
from loopin_sinks.recommendations.shared import Shared
from loopin_sinks.recommendations.stored import near_items
from loopin_sinks.store import Store

WEIGHTS: Final[Mapping[str, float]] = {"category": 0.4, "city": 0.3, "host": 0.2, "price": 0.1}
"""What two platform events have in common, and how much of their likeness that is; 1 in all."""


_NAMED: Final = """
    SELECT 1 AS named FROM events WHERE project = {project:String} AND community_id = {id:String} LIMIT 1
"""


async def similar_events(shared: Shared, scope: Scope, id: str, limit: int) -> list[Item] | None:
    """Open platform events like one, whose guests' hosts count where it has another host.

    None where no ``event_created`` that is kept names that one.

    Raises:
        StoreError: the store did not answer.
    """
    events, _ = await shared.events(scope)
    if id not in events.number:
        one = await platform_event(shared.store, scope, id)
        if not len(one):
            return None
        events = PlatformEvents((*one.all, *events.all))
    near = await near_items(shared.store, scope.project, "host", [events.all[events.number[id]].host])
    found = await asyncio.to_thread(like, events, id, near, epoch_ms(scope.now))
    return found[:limit]


async def similar_communities(store: Store, scope: Scope, id: str, limit: int) -> list[Item] | None:
    """Communities that members of one are in, too, by the last run; None where no event names that one.

    Raises:
        StoreError: the store did not answer.
    """
    near = await near_items(store, scope.project, "community", [id])
    if not near and not await store.query(_NAMED, {"project": scope.project, "id": id}):
        return None
    ranked = sorted(near.items(), key=lambda each: (-each[1], each[0]))[:limit]
    return [
        Item("community", other, weight, ("Members of the one are in the other, too.",))
        for other, weight in ranked
    ]


def like(events: PlatformEvents, id: str, near_hosts: Mapping[str, float], at: int) -> list[Item]:
    """Open platform events that have anything in common with one, the most alike first; scores are 0 to 1."""
    one = events.number[id]
    found = []
    for other in events.open_at(at):
        parts = _in_common(events, one, int(other), near_hosts) if other != one else {}
        score = sum(WEIGHTS[name] * share for name, (share, _) in parts.items())
        if score > 0:
            ordered = sorted(parts.items(), key=lambda each: -WEIGHTS[each[0]] * each[1][0])
            found.append(
                Item("event", events.all[int(other)].id, score, tuple(words for _, (_, words) in ordered))
            )
    return sorted(found, key=lambda item: (-item.score, item.id))


def _in_common(
    events: PlatformEvents, one: int, other: int, near_hosts: Mapping[str, float]
) -> dict[str, tuple[float, str]]:
    """By attribute how alike they are in it, 0 to 1, and that in words; only those in which they are."""
    mine, its = events.all[one], events.all[other]
    price = PRICES[events.prices[other]]
    host = 1.0 if mine.host == its.host != "" else near_hosts.get(its.host, 0.0)
    words = "By the same host." if host == 1.0 else "Guests of the one's host go to the other's, too."
    found = {
        "category": (float(mine.category == its.category != ""), f"Both are {its.category}."),
        "city": (float(mine.city == its.city != ""), f"Both are in {its.city}."),
        "host": (host, words),
        "price": (float(events.prices[one] == events.prices[other] != 0), f"Both are {price}."),
    }
    return {name: said for name, said in found.items() if said[0] > 0}
