"""The way to a platform event: view, join or checkout, attendance, review."""

from __future__ import annotations

from loopin_producers.simulator import moods
from loopin_producers.simulator.actions.checkout import buys, refund_properties
from loopin_producers.simulator.organisers import PlatformEvent
from loopin_producers.simulator.parameters import DAY_MS, HOUR_MS
from loopin_producers.simulator.population import CATEGORIES
from loopin_producers.simulator.visit import Visit

_LEAVES = 0.06
_REVIEWS = 0.35


def meetup(visit: Visit) -> None:
    """Look for an event, and perhaps join one."""
    world, dice, user = visit.world, visit.dice, visit.user
    for _ in range(dice.whole(1, 3)):
        event = world.organisers.event_for(dice, visit.day, visit.at_ms, visit.city, user.interests)
        if event is None:
            visit.page("/events")
            return
        visit.page(f"/events/{event.id}")
        visit.event("event_viewed", {"event_id": event.id, "category": CATEGORIES[event.category]})
        if dice.happens(_wish(visit, event)):
            join(visit, event)
            return


def join(visit: Visit, event: PlatformEvent) -> None:
    """Join for nothing, or by way of the checkout."""
    world, dice, user = visit.world, visit.dice, visit.user
    if not world.seats.free(event, user.index):
        return
    if event.price > 0:
        if not buys(visit, event):
            return
    elif dice.happens(0.3):
        visit.event("event_join_requested", {"event_id": event.id})
    # Checkouts take time, in which the event may close or the user may be gone.
    if not event.open_at(visit.at_ms) or visit.at_ms >= user.churn_ms:
        return
    sold_out_ms = world.seats.take(event, user.index, visit.at_ms)
    joined_ms = visit.at_ms
    visit.event("event_joined", {"event_id": event.id})
    if sold_out_ms is not None:
        world.scribe.write(sold_out_ms, "event_sold_out", event.organiser.id, {"event_id": event.id}, dice)
    _afterwards(visit, event, joined_ms)


def _wish(visit: Visit, event: PlatformEvent) -> float:
    wish = 0.25 + 0.5 * event.appeal
    wish *= 1.0 if event.category in visit.user.interests else 0.6
    wish *= 1.0 if event.city is visit.city else 0.12
    return wish * (0.3 + 0.7 * visit.engagement)


def _afterwards(visit: Visit, event: PlatformEvent, joined_ms: int) -> None:
    dice, about = visit.dice, {"event_id": event.id}
    until_ms = event.starts_ms if event.cancelled_ms is None else event.cancelled_ms
    if dice.happens(_LEAVES):
        left_ms = int(dice.between(joined_ms + 1000, until_ms))
        visit.later(left_ms, "event_left", about)
        if event.price > 0 and dice.happens(0.8):
            visit.later(left_ms + int(dice.wait(2 * HOUR_MS)), "payment_refunded", refund_properties(event))
        return
    if event.cancelled_ms is not None:
        if event.price > 0:
            refunded_ms = event.cancelled_ms + int(dice.between(300_000, DAY_MS))
            visit.later(refunded_ms, "payment_refunded", refund_properties(event))
        return
    _attend(visit, event)


def _attend(visit: Visit, event: PlatformEvent) -> None:
    dice, user = visit.dice, visit.user
    engaged = visit.engaged_at(event.starts_ms)
    chance = user.persona.attends * (0.4 + 0.6 * engaged) * (1.0 if event.city is visit.city else 0.7)
    if not dice.happens(chance) or visit.away_at(event.starts_ms):
        return
    came_ms = event.starts_ms + int(dice.between(-600_000, 1_500_000))
    visit.later(came_ms, "event_attended", {"event_id": event.id})
    reviewed_ms = came_ms + int(dice.between(2, 40) * HOUR_MS)
    if dice.happens(_REVIEWS) and not visit.away_at(reviewed_ms):
        tone = visit.tone(event.quality)
        text = moods.review(moods.mood_of(tone), dice)
        rating = moods.rating_of(tone, dice)
        properties = {"event_id": event.id, "rating": rating, "text": text.words}
        visit.later(reviewed_ms, "event_reviewed", properties, text)
