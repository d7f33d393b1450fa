"""Reading, liking, sharing, commenting and writing."""

from __future__ import annotations

from typing import Any

from loopin_producers.simulator import moods
from loopin_producers.simulator.organisers import Post
from loopin_producers.simulator.visit import Visit


def read(visit: Visit) -> None:
    """Read some posts."""
    if visit.dice.happens(0.06 * visit.engagement):
        _write(visit)
        return
    posts = visit.world.organisers.posts_for(visit.dice, visit.day, visit.at_ms)
    if not posts:
        visit.page("/feed")
    for post in posts[:3]:
        read_post(visit, post)


def read_post(visit: Visit, post: Post) -> None:
    """View a post, and react to it."""
    dice, about = visit.dice, properties_of(post)
    fond = 1.0 if post.category in visit.user.interests else 0.5
    visit.event("content_viewed", about)
    if dice.happens(0.18 * fond):
        visit.event("content_liked", about)
    if dice.happens(0.06 * fond * visit.engagement):
        text = moods.comment(moods.mood_of(visit.tone()), dice)
        visit.event("content_commented", {**about, "text": text.words}, text)
    if dice.happens(0.03 * fond):
        visit.event("content_shared", about)
    if dice.happens(0.35):
        visit.event("content_left", {**about, "duration_s": round(dice.wait(35 * fond), 1)})


def properties_of(post: Post) -> dict[str, Any]:
    """What every event about a post says."""
    return {"content_type": post.content_type, "object_id": post.id, "author_id": post.author.id}


def _write(visit: Visit) -> None:
    own = f"note-{visit.user.index:06d}-{visit.at_ms // 1000}"
    properties = {"content_type": "note", "object_id": own, "author_id": visit.user.id}
    visit.event("content_created", properties)
