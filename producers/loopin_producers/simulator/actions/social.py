"""Friends: following and messages."""

from __future__ import annotations

from loopin_producers.simulator import moods
from loopin_producers.simulator.population import User
from loopin_producers.simulator.visit import Visit

_FOUND_WITHIN_DAYS = 40


def social(visit: Visit) -> None:
    """Write to a friend or two."""
    dice = visit.dice
    friends = [friend for friend, since in friends_of(visit) if since <= visit.day]
    visit.page("/messages")
    if not friends:
        return
    friend = dice.pick(friends)
    if dice.happens(0.15 * (1.0 - visit.engagement)):
        visit.event("user_unfollowed", {"followed_id": friend.id})
        return
    for _ in range(1 + int(dice.wait(1.2 * visit.engagement))):
        marks = moods.message_marks(visit.tone(), dice)
        visit.event("message_sent", {"recipient_id": friend.id, **marks})


def follow(visit: Visit) -> None:
    """Follow the friends who were found today."""
    for friend, since in friends_of(visit):
        if since == visit.day:
            visit.event("user_followed", {"followed_id": friend.id})


def friends_of(visit: Visit) -> list[tuple[User, int]]:
    """The user's friends who are there, and the day since when they know each other."""
    population, user = visit.world.population, visit.user
    there = population.signed_up(visit.day)
    found = []
    for index, drawn in population.friends(user.index):
        if index < there:
            friend = population.user(index)
            since = max(user.signup_day, friend.signup_day) + 1 + int(drawn * _FOUND_WITHIN_DAYS)
            if visit.at_ms < friend.churn_ms:
                found.append((friend, since))
    return found
