"""Recommendations: shown, and clicked where they meet an interest."""

from __future__ import annotations

from loopin_producers.simulator.visit import Visit

_CLICKED = 0.06
_CLICKED_IF_OF_INTEREST = 3 * _CLICKED


def recommendations(visit: Visit) -> None:
    """See three recommended events or communities."""
    world, dice, user = visit.world, visit.dice, visit.user
    clicked = None
    for position in range(3):
        if dice.happens(0.6):
            event = world.organisers.event_for(dice, visit.day, visit.at_ms, visit.city, ())
            if event is None:
                continue
            item, category = {"item_type": "event", "item_id": event.id}, event.category
        else:
            number = dice.whole(0, len(world.communities) - 1)
            item = {"item_type": "community", "item_id": world.communities[number].id}
            category = number % 8
        properties = {**item, "position": position}
        visit.event("recommendation_shown", properties)
        of_interest = category in user.interests
        if clicked is None and dice.happens(_CLICKED_IF_OF_INTEREST if of_interest else _CLICKED):
            clicked = properties
    if clicked is not None:
        visit.event("recommendation_clicked", clicked)
