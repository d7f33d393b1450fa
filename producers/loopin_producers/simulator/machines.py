"""Who or what else makes events: visitors who never sign up, bots, and the backend's components."""

from __future__ import annotations

from loopin_producers.simulator.devices import CRAWLERS, DEVICES, SCRAPER, Device
from loopin_producers.simulator.dice import Dice
from loopin_producers.simulator.parameters import DAY_MS, HOUR_MS
from loopin_producers.simulator.personas import ANY_HOUR
from loopin_producers.simulator.truth import Truth
from loopin_producers.simulator.visit import page_properties
from loopin_producers.simulator.world import World

VISITORS_A_USER = 0.12
SURGE = 6
USERS_A_BOT = 250
_COMPONENTS = (
    ("web-1", "cpu_usage", 0.35),
    ("worker-1", "queue_length", 40.0),
    ("database-1", "query_ms", 12.0),
)
_PATHS = ("/", "/events", "/communities", "/about", "/pricing", "/feed")
_REFERRERS = ("https://search.example/", "https://social.example/", "")


def visitors(world: World, day: int, truth: Truth) -> None:
    """People without an account, six times as many in a surge."""
    dice = world.chance.dice(f"visitors/{day}")
    for number in range(int(VISITORS_A_USER * world.population.signed_up(max(day, 0)) + dice.random())):
        name = f"visitor/{day}/{number}"
        own = world.chance.dice(name)
        city = world.atlas.cities[world.atlas.home(own)]
        at_ms = world.midnight_ms(city, day)
        at_ms += int((own.weighted(range(24), ANY_HOUR) + own.random()) * HOUR_MS)
        _look(world, own, at_ms)
        if world.anomalies.active("traffic_surge", at_ms):
            hour_ms = at_ms // HOUR_MS * HOUR_MS
            for copy in range(SURGE - 1):
                another = world.chance.dice(f"{name}/{copy}")
                _look(world, another, hour_ms + int(another.random() * HOUR_MS))


def bots(world: World, day: int, truth: Truth) -> None:
    """Crawlers and scrapers, evenly through day and night."""
    for number in range(2 + world.parameters.users // USERS_A_BOT):
        dice = world.chance.dice(f"bot/{number}")
        crawls = number % 2 == 0
        agent = CRAWLERS[number // 2 % len(CRAWLERS)] if crawls else SCRAPER
        name, interval_ms = f"anon-{dice.getrandbits(64):016x}", int(dice.between(0.8, 1.25) * HOUR_MS)
        if day == -1:
            kind = "crawler" if crawls else "scraper"
            truth.note("bots", {"bot": name, "kind": kind, "user_agent": agent, "interval_ms": interval_ms})
        device = Device("desktop", "Other", "Other", agent)
        city = world.atlas.cities[world.atlas.home(dice)]
        today = world.chance.dice(f"bot/{number}/{day}")
        first_ms = world.parameters.start_ms + day * DAY_MS + int(0.02 * interval_ms)
        for turn in range(DAY_MS // interval_ms):
            at_ms = first_ms + int(interval_ms * (turn + today.between(-0.02, 0.02)))
            page = page_properties(today.pick(_PATHS), device, city, f"{city.network}{200 + number % 50}")
            world.scribe.write(at_ms, "$pageview", name, page, today)


def components(world: World, day: int, truth: Truth) -> None:
    """The backend measures itself each hour."""
    dice = world.chance.dice(f"components/{day}")
    for hour in range(24):
        at_ms = world.parameters.start_ms + day * DAY_MS + hour * HOUR_MS
        for name, metric, usual in _COMPONENTS:
            value = round(usual * dice.spread(0.15), 4)
            measured = {"metric_type": metric, "value": value, "component": name}
            world.scribe.write(at_ms, "system_metric", name, measured, dice)


def _look(world: World, dice: Dice, at_ms: int) -> None:
    """One visitor's pages: one in half of the cases, else a few."""
    visitor, session = f"anon-{dice.getrandbits(64):016x}", f"s-{dice.getrandbits(64):016x}"
    device, city = dice.pick(DEVICES), world.atlas.cities[world.atlas.home(dice)]
    address = f"{city.network}{dice.whole(1, 254)}"
    for number in range(1 if dice.happens(0.5) else dice.whole(2, 4)):
        page = page_properties(dice.pick(_PATHS), device, city, address)
        if number == 0 and (referrer := dice.pick(_REFERRERS)):
            page["$referrer"] = referrer
        world.scribe.write(at_ms, "$pageview", visitor, page, dice, session)
        at_ms += 1000 + int(dice.wait(30_000))
