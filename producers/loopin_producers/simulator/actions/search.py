"""Searching: results shown and clicked, by their place in the list."""

from __future__ import annotations

from loopin_producers.simulator.actions.content import read_post
from loopin_producers.simulator.visit import Visit

_CLICKED = (0.35, 0.18, 0.11, 0.07, 0.05)
"""Chance of a click by position, which a result of interest doubles."""


def search(visit: Visit) -> None:
    """Search for posts, and open at most one of those found."""
    dice = visit.dice
    found = visit.world.organisers.posts_for(dice, visit.day, visit.at_ms)[: len(_CLICKED)]
    # Of further results only the number is known; a search finds nothing at times.
    results = len(found) + (int(dice.wait(8)) if found else 0)
    visit.event("search_performed", {"query_length": dice.whole(3, 24), "results": results})
    shown = [
        {"content_type": post.content_type, "object_id": post.id, "position": position}
        for position, post in enumerate(found)
    ]
    for properties in shown:
        visit.event("search_result_shown", properties)
    for post, properties, chance in zip(found, shown, _CLICKED, strict=False):
        fond = 2.0 if post.category in visit.user.interests else 1.0
        if dice.happens(chance * fond):
            visit.event("search_result_clicked", properties)
            read_post(visit, post)
            return
