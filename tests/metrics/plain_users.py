"""Users once more, over a list of events; it shares nothing with the code that is judged by it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.metrics.plain import NEVER, World, active_persons, between, sessions_begun, unique_page_views

REACTIONS = ("content_liked", "content_commented", "content_shared")


def people(world: World, start: datetime, end: datetime) -> dict[str, dict[str, Any]]:
    """What each active person did, and the published scores of that."""
    last = world.day(min(end, world.now) - timedelta(milliseconds=1))
    days = (last - world.day(start)).days + 1
    found = {}
    for person in active_persons(world, start, end):
        acts = [act for act in between(world.active, start, end) if act.person == person]
        active = len({act.day for act in acts})
        views = sum(act.name == "$pageview" for act in acts)
        reactions = sum(act.name in REACTIONS for act in acts)
        v, r = views / days, reactions / days
        score = 0.5 * active / days + 0.3 * r / (r + 0.5) + 0.2 * v / (v + 2)
        found[person] = {
            "engagement_score": score,
            "engagement_level": ["low", "medium", "high", "very_high"][min(int(score * 4), 3)],
            "activity_level": "high" if active * 7 >= 3 * days else "medium" if active * 7 >= days else "low",
            "active_days": active,
            "page_views": views,
            "content_interactions": reactions,
            "last_activity": acts[-1].at,
        }
    return found


def users(world: World, start: datetime, end: datetime) -> dict[str, Any]:
    """Everything but the top users."""
    told = people(world, start, end)
    ever, before = active_persons(world, NEVER, end), active_persons(world, NEVER, start)
    activity = Counter(each["activity_level"] for each in told.values())
    levels = Counter(each["engagement_level"] for each in told.values())
    return {
        "total_users": len(ever),
        "new_users": len(ever - before),
        "active_users": len(told),
        "by_activity_level": {
            "inactive": len(ever) - len(told),
            **{level: activity[level] for level in ("low", "medium", "high")},
        },
        "engagement_distribution": {level: levels[level] for level in ("low", "medium", "high", "very_high")},
    }


def engagement(world: World, person: str, start: datetime, end: datetime) -> dict[str, Any]:
    """What is told of one person in a bucket."""
    mine = replace(world, events=[act.event for act in world.acts if act.person == person])
    acts = between(mine.active, start, end)
    many = Counter(act.name for act in acts)
    begun = sessions_begun(mine, start, end)
    scores = people(mine, start, end).get(
        person, {"engagement_score": 0.0, "engagement_level": "low", "activity_level": "inactive"}
    )
    return {
        **{name: scores[name] for name in ("engagement_score", "engagement_level", "activity_level")},
        "session_count": len(begun),
        "session_duration_total": sum((each[-1].at - each[0].at).total_seconds() for each in begun),
        "page_views": many["$pageview"],
        "unique_page_views": unique_page_views(mine, start, end),
        "content_interactions": sum(many[name] for name in REACTIONS),
        "search_count": many["search_performed"],
        "content_created": many["content_created"],
        "active_days": len({act.day for act in acts}),
        "last_activity": acts[-1].at if acts else None,
        "retention_days": (acts[-1].day - mine.active[0].day).days if acts else None,
    }
