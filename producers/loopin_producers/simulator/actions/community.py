"""Communities: visiting, joining and leaving, and being turned away."""

from __future__ import annotations

from loopin_producers.simulator.communities import RESTRICTIONS, Community
from loopin_producers.simulator.visit import Visit

_KINDS = ("view", "post", "discussion", "poll", "voice_chat")
_BYPASSES = 0.015
_JOINS_WITHIN_DAYS = 21


def community(visit: Visit) -> None:
    """Look into a community: mostly one of the user's own, else any."""
    dice, user = visit.dice, visit.user
    own = dice.happens(0.8)
    number = dice.pick(user.communities) if own else dice.whole(0, len(visit.world.communities) - 1)
    chosen = visit.world.communities[number]
    if not _admitted(visit, chosen):
        return
    about = {"community_id": chosen.id}
    visit.event("community_viewed", about)
    if not own:
        return
    if dice.happens(0.1 * (1.0 - visit.engagement)):
        visit.event("community_left", about)
        return
    for _ in range(1 + int(dice.wait(0.8 * visit.engagement))):
        duration_s = round(dice.wait(240), 1)
        visit.event(
            "community_activity", {**about, "activity_type": dice.pick(_KINDS), "duration_s": duration_s}
        )


def join_communities(visit: Visit) -> None:
    """Join those of the user's communities whose day this is."""
    for place, number in enumerate(dict.fromkeys(visit.user.communities)):
        if visit.user.signup_day + place * 7 % _JOINS_WITHIN_DAYS == visit.day:
            chosen = visit.world.communities[number]
            if _admitted(visit, chosen):
                visit.event("community_viewed", {"community_id": chosen.id})
                visit.event("community_joined", {"community_id": chosen.id})


def _admitted(visit: Visit, chosen: Community) -> bool:
    """Whether the user may enter; a check of the place is an event of its own."""
    if chosen.restriction is None:
        return True
    city, allowed = visit.city, chosen.admits(visit.city)
    bypass = not allowed and visit.dice.happens(_BYPASSES)
    checked = {
        "community_id": chosen.id,
        "access_result": "allowed" if allowed or bypass else "blocked",
        "is_traveler": visit.city is not visit.world.atlas.cities[visit.user.home],
        "bypass": bypass,
        "country": city.country,
        "region": city.region,
        "city": city.name,
    }
    if not allowed:
        checked["reason"] = _reason(visit, chosen)
    visit.event("geo_access_checked", checked)
    return allowed or bypass


def _reason(visit: Visit, chosen: Community) -> str:
    """The coarsest part of the place that is wrong."""
    wrong = {
        "country": chosen.place.country != visit.city.country,
        "region": chosen.place.region != visit.city.region,
        "city": True,
    }
    return next(part for part in RESTRICTIONS if wrong[part])
