"""A person's day once more, over a list of events; it shares nothing with the code that is judged by it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from tests.metrics.plain import (
    EPOCH,
    MINUTE,
    NEVER,
    NO_INTERACTION,
    Act,
    World,
    between,
    first_text,
    sessions_begun,
)
from tests.metrics.plain_communities import Community

ASIDE = ("community_viewed", "community_joined", "community_left", "geo_access_checked")
SO_FAR = {
    "total_posts": "content_created",
    "total_comments": "content_commented",
    "total_likes_given": "content_liked",
    "recommendations_shown": "recommendation_shown",
    "recommendations_clicked": "recommendation_clicked",
}
RECEIVED = {
    "total_likes_received": ("content_liked", "author_id"),
    "followers_gained": ("user_followed", "followed_id"),
    "followers_lost": ("user_unfollowed", "followed_id"),
}


def user_days(world: World, first: date) -> dict[tuple[date, str], dict[str, Any]]:
    """All rows from ``first`` to today."""
    happened = [act for act in world.active if act.at < world.now]
    named = {first_text(act, "community_id") for act in happened} - {None}
    away = {
        (act.day, act.person)
        for each in named
        for act in Community(world, str(each)).traveling(NEVER, world.now)
    }
    rows = {}
    for day, person in sorted({(act.day, act.person) for act in happened if act.day >= first}):
        mine = replace(world, events=[act.event for act in happened if act.person == person])
        end = min(world.midnight(day + timedelta(days=1)), world.now)
        many = Counter(act.name for act in between(mine.active, NEVER, end))
        lengths = [(s[-1].at - s[0].at).total_seconds() for s in sessions_begun(mine, EPOCH, end)]
        rows[day, person] = {
            **_of_day([act for act in mine.active if act.day == day]),
            "travel_detected": (day, person) in away,
            **{field: many[name] for field, name in SO_FAR.items()},
            **{
                field: sum(
                    act.name == name and act.day <= day and world.person(first_text(act, by) or "") == person
                    for act in happened
                )
                for field, (name, by) in RECEIVED.items()
            },
            "total_sessions": len(lengths),
            "total_time_spent": sum(lengths),
            "avg_session_duration": sum(lengths) / len(lengths) if lengths else None,
        }
    return rows


def _of_day(acts: list[Act]) -> dict[str, Any]:
    in_communities = [(act, first_text(act, "community_id")) for act in acts]
    inside = [(act, community) for act, community in in_communities if community]
    minutes = {(act.at - EPOCH) // MINUTE + later for act, _ in inside for later in range(5)}
    places = {
        (
            first_text(act, "country", "$geoip_country_code"),
            first_text(act, "city", "$geoip_city_name"),
        )
        for act in acts
    }
    return {
        "page_views": sum(act.name == "$pageview" for act in acts),
        "actions_performed": sum(act.name not in NO_INTERACTION for act in acts),
        "communities_viewed": len({c for act, c in inside if act.name == "community_viewed"}),
        "communities_joined": len({c for act, c in inside if act.name == "community_joined"}),
        "community_online_time": 60 * len(minutes),
        "community_interactions": sum(act.name not in ASIDE for act, _ in inside),
        "geo_restricted_attempts": sum(
            act.name == "geo_access_checked" and act.properties.get("access_result") == "blocked"
            for act in acts
        ),
        "locations_accessed_from": [
            {"country": country, "city": city}
            for country, city in sorted(
                places - {(None, None)}, key=lambda place: [each or "" for each in place]
            )
        ],
    }
