"""Recommendations: how many of ten are taken in a week that the models have not seen."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from loopin_sinks.recommendations import community_signals, event_signals
from loopin_sinks.recommendations.checks import NEVER, Checks, by_place
from loopin_sinks.recommendations.community_signals import community_week
from loopin_sinks.recommendations.event_weeks import event_week
from loopin_sinks.recommendations.history import Demand, History, Places
from loopin_sinks.recommendations.learn import (
    TOP,
    WEEK_MS,
    Week,
    Weeks,
    by_popularity,
    learn,
    precisions,
)
from loopin_sinks.recommendations.platform_events import (
    CHANGES,
    Floats,
    Ints,
    PlatformEvent,
    PlatformEvents,
    turns,
)
from loopin_sinks.recommendations.ranker import Ranker
from loopin_sinks.recommendations.recent import COMMUNITIES, EVENTS, Kind
from tests.evaluate.part import Event, Figure, Section, Truth

INTRO: Final = f"""\
What is recommended a week before the end of the world is compared with what users take in that week: platform
events that were open then and that they join; communities they were no members of (had neither joined, taken
part in nor left) and join or look into.
Precision at {TOP} is the share of {TOP} recommendations that were taken, of users who took any; popularity
ranks the same items for the same users by how many have joined them. Who knew the week to come would reach
the ceiling, as most users take one or two of what there is. Weights are learned from the weeks before
([recommendations](recommendations.md))."""

CHANCE: Final = """\
Which communities users of the simulator join, and look into without being members, is drawn by chance, each
that lets them in as likely as another: there is little to know but which these are."""

TARGET: Final = 1.5
DAY_MS: Final = 86_400_000


class _Dealings:
    """Who looked at or took which items, and when; each look of a day counts once, as in the store."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.names = tuple(dict.fromkeys((*kind.takes, *kind.looks, kind.left)))
        self.users: dict[str, int] = {}
        self.items: dict[str, int] = {}
        self.columns = (array("i"), array("i"), array("b"), array("q"))

    def add(self, user: str, item: str, name: str, at: int) -> None:
        row = (
            self.users.setdefault(user, len(self.users)),
            self.items.setdefault(item, len(self.items)),
            self.names.index(name),
            at,
        )
        for column, value in zip(self.columns, row, strict=True):
            column.append(value)

    def history(self, number: dict[str, int], places: Places, end_ms: int) -> tuple[History, Demand]:
        user, item, name, at = (np.array(column, dtype=np.int64) for column in self.columns)
        number_of = np.array([number.get(id, -1) for id in self.items])[item]
        those = number_of >= 0
        user, item, name, at = user[those], number_of[those], name[those], at[those]
        dealt = np.isin(name, [self.names.index(one) for one in (*self.kind.takes, *self.kind.looks)])
        taken = np.isin(name, [self.names.index(one) for one in self.kind.takes])
        rows = np.stack([user, item, taken, (end_ms - at - 1) // DAY_MS], axis=1)[dealt]
        _, first = np.unique(rows, axis=0, return_index=True)
        one = np.flatnonzero(dealt)[np.sort(first)]
        history = History(tuple(self.users), places, user[one], item[one], taken[one], at[one])
        return history, self._demand(user, item, name, at)

    def _demand(self, user: Ints, item: Ints, name: Ints, at: Ints) -> Demand:
        """Each change of who has looked at an item, or has joined it and not left it."""
        join, left = (self.names.index(one) for one in (self.kind.takes[0], self.kind.left))
        looks = {self.names.index(one) for one in self.kind.looks}
        seen, inside = set(), set()
        found = []
        for order in np.lexsort((name == join, at)).tolist():
            what, pair = int(name[order]), (int(user[order]), int(item[order]))
            looked, joined = int(what in looks and pair not in seen), 0
            if looked:
                seen.add(pair)
            if what == join and pair not in inside:
                inside.add(pair)
                joined = 1
            elif what == left and pair in inside:
                inside.remove(pair)
                joined = -1
            if what in looks or what in (join, left):
                found.append((pair[1], int(at[order]), looked, joined))
        columns = np.array(found, dtype=np.int64).reshape(-1, 4).T
        return Demand(columns[0], columns[1], columns[2], columns[3])


class Recommendations:
    """Judged on the world's last week."""

    def __init__(self) -> None:
        self._created: dict[str, tuple[dict[str, Any], int]] = {}
        self._changes: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        self._events, self._communities = _Dealings(EVENTS), _Dealings(COMMUNITIES)
        self._places: list[tuple[int, str, str]] = []
        self._checks: list[tuple[int, str, str, str, bool]] = []
        self._shown: Counter[str] = Counter()

    def see(self, event: Event) -> None:
        name, user, at, given = event["event"], event["distinct_id"], event["timestamp"], event["properties"]
        for dealings in (self._events, self._communities):
            if name in dealings.names:
                dealings.add(user, given[dealings.kind.property], name, at)
        if given.get("city") and name != "event_created":
            self._places.append((at, user, given["city"]))
        if name == "event_created":
            self._created[given["event_id"]] = (dict(given), at)
        elif name in CHANGES:
            self._changes[given["event_id"]].append((at, name))
        elif name == "geo_access_checked":
            refused = given["access_result"] == "blocked" or given["bypass"]
            self._checks.append((at, user, given["city"], given["community_id"], refused))
        elif name in ("recommendation_shown", "recommendation_clicked"):
            self._shown[name] += 1

    def section(self, truth: Truth) -> Section:
        at = truth.end_ms - WEEK_MS
        events, communities = self.weeks(truth.end_ms)
        return Section(
            title="Recommendations",
            simulated=True,
            intro=INTRO,
            figures=(
                *_judged(
                    "platform events",
                    events,
                    event_signals.SIGNALS,
                    event_signals.BY_HAND,
                    at,
                ),
                *_judged(
                    "communities",
                    communities,
                    community_signals.SIGNALS,
                    community_signals.BY_HAND,
                    at,
                    CHANCE,
                ),
                Figure(
                    "click-through of what the simulator itself recommends, at random",
                    self._shown["recommendation_clicked"] / self._shown["recommendation_shown"],
                ),
            ),
        )

    def weeks(self, end_ms: int) -> tuple[Weeks, Weeks]:
        """Of platform events, and of communities, by what was seen until the end."""
        events = self._platform_events()
        gates = {name: position for position, name in enumerate(events.community_names) if name}
        gated = self._checks_of(self._events, gates)
        known, demand = self._events.history(events.number, self._places_of(self._events), end_ms)
        number = {name: position for position, name in enumerate(sorted(self._communities.items))}
        where = self._places_of(self._communities)
        member, members = self._communities.history(number, where, end_ms)
        checks = self._checks_of(self._communities, number)
        return (
            lambda at: event_week(events, known, demand, gated, at),
            lambda at: community_week(len(number), member, members, checks, at),
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
                    community=given.get("community_id", ""),
                    turns=turns(self._changes.get(id, ())),
                )
                for id, (given, at) in self._created.items()
            )
        )

    def _places_of(self, dealings: _Dealings) -> Places:
        """Of those who dealt with anything."""
        seen = [(at, dealings.users[user], city) for at, user, city in self._places if user in dealings.users]
        cities = sorted({city for *_, city in seen})
        number = {city: position for position, city in enumerate(cities)}
        return Places(
            cities=tuple(cities),
            user=np.array([user for _, user, _ in seen]),
            city=np.array([number[city] for *_, city in seen]),
            events=np.ones(len(seen), dtype=np.int64),
            at=np.array([at for at, *_ in seen]),
        )

    def _checks_of(self, dealings: _Dealings, number: dict[str, int]) -> Checks:
        places: dict[tuple[str, int], tuple[int, int]] = {}
        own = []
        for at, user, city, community, refused in self._checks:
            if community not in number:
                continue
            checked, let_in = places.get((city, number[community]), (at, NEVER))
            places[city, number[community]] = (checked, let_in if refused else min(let_in, at))
            if user in dealings.users:
                own.append((dealings.users[user], number[community], refused, at))
        columns = np.array(own, dtype=np.int64).reshape(-1, 4).T
        passed = by_place((*place, *times) for place, times in places.items())
        return Checks(columns[0], columns[1], columns[2].astype(np.bool_), columns[3], passed)


def _judged(
    what: str, week: Weeks, names: tuple[str, ...], hand: Ranker, at: int, note: str = ""
) -> tuple[Figure, ...]:
    ranker = learn(names, week, at) or hand
    scores: dict[str, Callable[[Week], Floats]] = {
        f"... precision at {TOP}": lambda of: ranker.scores(of.signals),
        "... of popularity (baseline)": by_popularity,
        "... of weights by hand": lambda of: hand.scores(of.signals),
        **_near(names),
        "... of who knew the week to come (ceiling)": lambda of: of.taken.astype(np.float64),
    }
    found, users = precisions(week(at), *scores.values())
    ranked, popular, *_ = found
    assert ranked is not None
    assert popular is not None
    times = ranked / popular if popular else None
    return (
        Figure(
            f"{what}: times popularity's precision at {TOP}",
            times,
            f">= {TARGET}",
            times is not None and times >= TARGET,
            note,
        ),
        *(Figure(name, value) for name, value in zip(scores, found, strict=True)),
        Figure("... users who took any", float(users)),
        Figure("... items to choose from", float(max(len(part.items) for part in week(at)))),
    )


def _near(names: tuple[str, ...]) -> dict[str, Callable[[Week], Floats]]:
    """Of what is where the user is, the most popular; then of all else. Nothing where items have no place."""
    if "place" not in names:
        return {}
    place = names.index("place")
    return {"... of popularity where the user is": lambda of: of.signals[:, :, place] * 1e6 + of.popular}
