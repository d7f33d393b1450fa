"""Recommendations: how many of ten are taken in a week that the models have not seen."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from loopin_sinks.recommendations import community_signals, event_signals
from loopin_sinks.recommendations.community_signals import Barriers, community_week
from loopin_sinks.recommendations.event_weeks import event_week
from loopin_sinks.recommendations.history import Demand, History
from loopin_sinks.recommendations.learn import TOP, WEEK_MS, Week, Weeks, learn, measured, precision, top
from loopin_sinks.recommendations.platform_events import Floats, PlatformEvent, PlatformEvents
from loopin_sinks.recommendations.ranker import Ranker
from tests.evaluate.part import Event, Figure, Section, Truth

INTRO: Final = f"""\
What is recommended a week before the end of the world is compared with what users take in that week: platform
events that were open then and that they join; communities they were no members of and join or look into.
Precision at {TOP} is the share of {TOP} recommendations that were taken, of users who took any; popularity
ranks the same items for the same users by how often they were joined. Who knew the week to come would reach
the ceiling, as most users take one or two of what there is. Weights are learned from the weeks before
([recommendations](recommendations.md))."""

TARGET: Final = 1.5
DAY_MS: Final = 86_400_000

_LOOKS: Final = {
    "event_viewed": "event_id",
    "community_viewed": "community_id",
    "community_activity": "community_id",
}
_TAKES: Final = {"event_joined": "event_id", "community_joined": "community_id"}


class _Dealings:
    """Who looked at or took which items, and when; each look of a day counts once, as in the store."""

    def __init__(self) -> None:
        self.users: dict[str, int] = {}
        self.items: dict[str, int] = {}
        self.columns = (array("i"), array("i"), array("b"), array("q"))

    def add(self, user: str, item: str, taken: bool, at: int) -> None:
        row = (
            self.users.setdefault(user, len(self.users)),
            self.items.setdefault(item, len(self.items)),
            taken,
            at,
        )
        for column, value in zip(self.columns, row, strict=True):
            column.append(value)

    def history(self, number: dict[str, int], places: dict[str, str], end_ms: int) -> tuple[History, Demand]:
        user, item, taken, at = (np.array(column, dtype=np.int64) for column in self.columns)
        known = np.array([number.get(name, -1) for name in self.items])[item]
        rows = np.stack([user, known, taken, (end_ms - at - 1) // DAY_MS], axis=1)[known >= 0]
        _, first = np.unique(rows, axis=0, return_index=True)
        times = at[known >= 0]
        one = rows[np.sort(first)]
        names = tuple(self.users)
        history = History(
            names,
            tuple(places.get(name, "") for name in names),
            one[:, 0],
            one[:, 1],
            one[:, 2] == 1,
            times[np.sort(first)],
        )
        return history, Demand(rows[:, 1], times, 1 - rows[:, 2], rows[:, 2])


class Recommendations:
    """Judged on the world's last week."""

    def __init__(self) -> None:
        self._created: dict[str, tuple[dict[str, Any], int]] = {}
        self._closed: dict[str, int] = {}
        self._events, self._communities = _Dealings(), _Dealings()
        self._places: dict[str, list[tuple[int, str]]] = {}
        self._checks: list[tuple[int, str, str, str, bool]] = []
        self._shown: Counter[str] = Counter()

    def see(self, event: Event) -> None:
        name, user, at, given = event["event"], event["distinct_id"], event["timestamp"], event["properties"]
        if (of := _TAKES.get(name) or _LOOKS.get(name)) is not None:
            dealings = self._events if of == "event_id" else self._communities
            dealings.add(user, given[of], name in _TAKES, at)
        elif name == "event_created":
            self._created[given["event_id"]] = (dict(given), at)
        elif name in ("event_cancelled", "event_sold_out"):
            self._closed.setdefault(given["event_id"], at)
        elif name == "$pageview" and given.get("city"):
            self._places.setdefault(user, []).append((at, given["city"]))
        elif name == "geo_access_checked":
            refused = given["access_result"] == "blocked" or given["bypass"]
            self._checks.append((at, user, given["city"], given["community_id"], refused))
        elif name in ("recommendation_shown", "recommendation_clicked"):
            self._shown[name] += 1

    def section(self, truth: Truth) -> Section:
        at = truth.end_ms - WEEK_MS
        places = {
            user: Counter(city for time, city in seen if time < at).most_common(1)[0][0]
            for user, seen in self._places.items()
            if seen[0][0] < at
        }
        events = self._platform_events()
        known, demand = self._events.history(events.number, places, truth.end_ms)
        names = tuple(sorted(self._communities.items))
        number = {name: position for position, name in enumerate(names)}
        member, members = self._communities.history(number, places, truth.end_ms)
        barriers = self._barriers(at)
        return Section(
            title="Recommendations",
            simulated=True,
            intro=INTRO,
            figures=(
                *_judged(
                    "platform events",
                    lambda cutoff: event_week(events, known, demand, cutoff),
                    event_signals.SIGNALS,
                    event_signals.BY_HAND,
                    at,
                ),
                *_judged(
                    "communities",
                    lambda cutoff: community_week(names, member, members, barriers, cutoff),
                    community_signals.SIGNALS,
                    community_signals.BY_HAND,
                    at,
                ),
                Figure(
                    "click-through of what the simulator itself recommends, at random",
                    self._shown["recommendation_clicked"] / self._shown["recommendation_shown"],
                ),
            ),
        )

    def _platform_events(self) -> PlatformEvents:
        return PlatformEvents(
            tuple(
                PlatformEvent(
                    id=id,
                    category=given["category"],
                    city=given["city"],
                    host=given["host_id"],
                    price=given["price"],
                    currency=given["currency"],
                    capacity=given["capacity"],
                    created=at,
                    starts=given["starts_at"],
                    closed=self._closed.get(id),
                )
                for id, (given, at) in self._created.items()
            )
        )

    def _barriers(self, before: int) -> Barriers:
        known = [check for check in self._checks if check[0] < before]
        places: dict[tuple[str, str], bool] = {}
        for _, _, city, community, refused in known:
            places[city, community] = places.get((city, community), True) and refused
        users = {(user, community): refused for _, user, _, community, refused in known}
        return Barriers(users, places)


def _judged(what: str, week: Weeks, names: tuple[str, ...], hand: Ranker, at: int) -> tuple[Figure, ...]:
    ranker, last = learn(names, week, at) or hand, week(at)
    taken = last.taken & last.allowed
    ranked, popular, users = measured(last, ranker)
    by_hand, _, _ = measured(last, hand)
    assert ranked is not None
    assert popular is not None
    times = ranked / popular if popular else None
    return (
        Figure(
            f"{what}: times popularity's precision at {TOP}",
            times,
            f">= {TARGET}",
            times is not None and times >= TARGET,
        ),
        Figure(f"... precision at {TOP}", ranked),
        Figure("... of popularity (baseline)", popular),
        Figure("... of weights by hand", by_hand),
        *_near(names, last),
        Figure("... of who knew the week to come (ceiling)", _precision(last, taken.astype(np.float64))),
        Figure("... users who took any", float(users)),
        Figure("... items to choose from", float(len(last.items))),
    )


def _near(names: tuple[str, ...], of: Week) -> Iterator[Figure]:
    """Of what is where the user is, the most popular; then of all else. Nothing where items have no place."""
    if "place" in names:
        near = of.signals[:, :, names.index("place")] * 1e6 + of.popular
        yield Figure("... of popularity where the user is", _precision(of, near))


def _precision(of: Week, scores: Floats) -> float | None:
    return precision(top(scores, of.allowed), of.taken & of.allowed)
