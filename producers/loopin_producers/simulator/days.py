"""A world's days: what each of its sources does on one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from loopin_producers.simulator.actions import ACTIONS
from loopin_producers.simulator.actions.account import sign_in, sign_up, verify
from loopin_producers.simulator.actions.community import join_communities
from loopin_producers.simulator.actions.machinery import accidents, requests
from loopin_producers.simulator.actions.social import follow
from loopin_producers.simulator.dice import Dice
from loopin_producers.simulator.life import BLOCK_DAYS
from loopin_producers.simulator.machines import bots, components, visitors
from loopin_producers.simulator.organisers import WEEKS_BACK, PlatformEvent
from loopin_producers.simulator.parameters import DAY_MS, HOUR_MS
from loopin_producers.simulator.population import CATEGORIES, LOOKS_AROUND_DAYS, User, user_id
from loopin_producers.simulator.time_queue import TimeQueue
from loopin_producers.simulator.truth import Truth, event_truth, user_truth
from loopin_producers.simulator.visit import Visit
from loopin_producers.simulator.world import World

_MOST_ACTIONS = 12
_PAUSE_MS = 1_800_000


def lines(world: World, queue: TimeQueue, truth: Truth, end_ms: int | None) -> Iterator[bytes]:
    """The world's lines in order of time, those before ``end_ms`` (epoch ms); without it, for ever.

    ``queue`` is where the world's scribe pushes.
    """
    start_ms = world.parameters.start_ms
    for day in range(-7 * WEEKS_BACK, -1):
        organisers(world, day, truth)
    day = -1
    # A local day may begin 14 hours before the UTC day of its name, and end 12 hours after it.
    while end_ms is None or start_ms + (day - 1) * DAY_MS < end_ms:
        world.seats.forget(start_ms + (day - 2) * DAY_MS)
        truth.anomalies(world.anomalies.until(min(start_ms + (day + 1) * DAY_MS, end_ms or 1 << 62)))
        for source in SOURCES:
            source(world, day, truth)
        for line in queue.drain(start_ms + day * DAY_MS):
            if end_ms is not None and int(line[:13]) >= end_ms:
                return
            yield line
        day += 1


def users(world: World, day: int, truth: Truth) -> None:
    """Everybody, in order of their numbers."""
    before = world.population.seen(day - 1) if day >= 0 else 0
    for index in range(world.population.seen(max(day, 0))):
        user = world.population.user(index)
        if index >= before:
            _note_user(world, user, truth)
        if index >= before or day % (BLOCK_DAYS // 2) == 0:
            _note_trips(world, user, day, truth)
        if day <= user.churn_day + 1:
            _user_day(world, user, day)


def organisers(world: World, day: int, truth: Truth) -> None:
    """What organisers bring out on a day, and when they will call it off."""
    write = world.scribe.write
    for number in range(world.organisers.number(max(day, 0))):
        for item in world.organisers.brought_out(number, day):
            dice = world.chance.dice(f"out/{item.id}")
            if isinstance(item, PlatformEvent):
                _bring_out(world, item, dice)
                truth.note("events", event_truth(item))
            else:
                properties = {
                    "content_type": item.content_type,
                    "object_id": item.id,
                    "author_id": item.author.id,
                }
                write(item.created_ms, "content_created", item.author.id, properties, dice)


SOURCES: tuple[Callable[[World, int, Truth], None], ...] = (users, organisers, visitors, bots, components)


def _user_day(world: World, user: User, day: int) -> None:
    if day < user.signup_day:
        if (
            user.signup_day - day <= LOOKS_AROUND_DAYS
            and world.chance.unit(f"looks/{user.index}/{day}") < 0.4
        ):
            _look_around(world, user, day)
        return
    life = world.life
    engagement = life.engagement(user, day)
    rate = life.visit_rate(user, day, engagement)
    appointed = day in (user.signup_day, user.verified_day)
    if not appointed and (
        world.chance.unit(f"visits/{user.index}/{day}") > 1.0 - math.exp(-rate) or life.away(user, day)
    ):
        if user.deletes and day == int(user.churn_day):
            _delete(world, user)
        return
    dice = world.chance.dice(f"day/{user.index}/{day}")
    city = world.atlas.cities[life.city(user, day)]
    begins = sorted(_hours(dice, user) for _ in range(2 if dice.happens(min(0.5, 0.4 * rate)) else 1))
    free_ms = 0
    for number, hours in enumerate(begins):
        at_ms = max(world.midnight_ms(city, day) + int(hours * HOUR_MS), free_ms)
        visit = Visit(world, user, dice, day, at_ms, engagement, city)
        _arrive(visit, number == 0)
        _act(visit)
        free_ms = visit.at_ms + _PAUSE_MS
    if user.deletes and day == int(user.churn_day):
        _delete(world, user)


def _hours(dice: Dice, user: User) -> float:
    return dice.weighted(range(24), user.persona.hours) + dice.random()


def _arrive(visit: Visit, first: bool) -> None:
    user, dice = visit.user, visit.dice
    if first and visit.day == user.signup_day:
        sign_up(visit)
    elif dice.happens(0.22):
        sign_in(visit)
    else:
        visit.page(dice.pick(("/", "/feed", "/events", "/communities")))
    if first:
        if visit.day == user.verified_day:
            verify(visit)
        join_communities(visit)
        follow(visit)


def _act(visit: Visit) -> None:
    dice, tastes = visit.dice, visit.user.persona.tastes
    number = 1 + round(visit.user.persona.actions * visit.engagement * dice.between(0.4, 1.6))
    for _ in range(min(number, _MOST_ACTIONS)):
        dice.weighted(ACTIONS, tastes)(visit)
        if dice.happens(0.35):
            requests(visit)
    accidents(visit)
    if dice.happens(0.08):
        visit.event("user_logged_out", {})


def _look_around(world: World, user: User, day: int) -> None:
    dice = world.chance.dice(f"around/{user.index}/{day}")
    city = world.atlas.cities[user.home]
    at_ms = world.midnight_ms(city, day) + int(_hours(dice, user) * HOUR_MS)
    visit = Visit(world, user, dice, day, at_ms, 1.0, city)
    for _ in range(dice.whole(1, 3)):
        visit.page(dice.pick(("/", "/events", "/about", "/pricing")), visit.anonymous_id)


def _delete(world: World, user: User) -> None:
    dice = world.chance.dice(f"deletes/{user.index}")
    world.scribe.write(user.churn_ms - 1, "account_deleted", user.id, {}, dice)


def _bring_out(world: World, event: PlatformEvent, dice: Dice) -> None:
    write, host, about = world.scribe.write, event.organiser.id, {"event_id": event.id}
    created = {
        **about,
        "host_id": host,
        "category": CATEGORIES[event.category],
        "price": event.price,
        "currency": event.city.currency,
        "capacity": event.capacity,
        "starts_at": event.starts_ms,
        "city": event.city.name,
    }
    write(event.created_ms, "event_created", host, created, dice)
    write(event.created_ms + int(dice.between(30_000, 1_800_000)), "event_published", host, about, dice)
    if event.cancelled_ms is not None:
        write(event.cancelled_ms, "event_cancelled", host, {**about, "by": event.cancelled_by}, dice)


def _note_user(world: World, user: User, truth: Truth) -> None:
    city = world.atlas.cities[user.home]
    friends = [user_id(index) for index, _ in world.population.friends(user.index)]
    truth.note("users", user_truth(user, city.zone, city.name, friends))


def _note_trips(world: World, user: User, day: int, truth: Truth) -> None:
    first = day // (BLOCK_DAYS // 2) * (BLOCK_DAYS // 2)
    for trip in world.life.plans(user, day).trips:
        if first <= trip.first < first + BLOCK_DAYS // 2 and trip.first <= user.churn_day:
            cities = world.atlas.cities
            record = {"from": cities[user.home].name, "to": cities[trip.city].name}
            truth.note("travel", {"user": user.id, **record, "first_day": trip.first, "last_day": trip.last})
