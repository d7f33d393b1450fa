"""What is recommended to a user now, computed when it is asked for: platform events live for days only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.recommendations import community_signals, event_signals, why
from loopin_sinks.recommendations.history import History, only
from loopin_sinks.recommendations.learn import top
from loopin_sinks.recommendations.platform_events import Bools, Floats, Ints, PlatformEvents
from loopin_sinks.recommendations.ranker import Ranker
from loopin_sinks.recommendations.read import history, person_of
from loopin_sinks.recommendations.read_checks import Passed, checks
from loopin_sinks.recommendations.recent import COMMUNITIES, EVENTS
from loopin_sinks.recommendations.shared import Shared
from loopin_sinks.recommendations.stored import ItemType, StoredModel, near_items, newest_model


@dataclass(frozen=True, slots=True)
class Item:
    """One recommendation; ``score`` is the probability that who takes anything in a week takes it, 0 to 1."""

    type: ItemType
    id: str
    score: float
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recommended:
    """What is recommended, best first; ``model`` is what ranked it where a run has learned one."""

    items: tuple[Item, ...]
    ranker: Ranker
    model: StoredModel | None


async def recommended_events(shared: Shared, scope: Scope, user: str, limit: int) -> Recommended:
    """Platform events that are open, not joined by the user, not hosted by them, and of no community that
    refuses them by place. Raises StoreError.
    """
    store = shared.store
    model, (events, wanted), person = await asyncio.gather(
        newest_model(store, scope.project, "event", scope.now),
        shared.events(scope),
        person_of(store, scope, user),
    )
    ranker = event_signals.ranker_or_by_hand(model.ranker if model else None)
    now = epoch_ms(scope.now)
    open_now = events.open_at(now)
    if not len(open_now):
        return Recommended((), ranker, model)
    asked = await history(store, scope, EVENTS, events.number, user)
    refused = await _refused(shared, scope, events, open_now, asked)
    joins = event_signals.joins_by_host(events, asked, now)[0]
    known = [events.host_names[at] for at in np.flatnonzero(joins)]
    near = await near_items(store, scope.project, "host", known)
    near_hosts = np.array([[near.get(host, 0.0) for host in events.host_names]])

    def ranked() -> tuple[Item, ...]:
        signals = event_signals.signals(events, asked, wanted, open_now, now, near_hosts)
        joined = asked.table(only(open_now, len(events)), len(open_now), taken=True) > 0
        hosted = events.hosted_by([person], open_now)

        def item(at: int, score: float, parts: Floats) -> Item:
            number = int(open_now[at])
            of = dict(zip(event_signals.SIGNALS, signals[0, at].tolist(), strict=True))
            words = why.of_event(events, number, of, wanted)
            said = why.reasons(event_signals.SIGNALS, parts, words)
            return Item("event", events.all[number].id, score, tuple(said or ["It is open now."]))

        return _best(ranker, signals, ~joined & ~hosted & ~refused, limit, item)

    # Of fifty thousand it takes a tenth of a second, in which others are answered.
    return Recommended(await asyncio.to_thread(ranked), ranker, model)


async def _refused(
    shared: Shared, scope: Scope, events: PlatformEvents, candidates: Ints, asked: History
) -> Bools:
    """Whether the community that each of some platform events is of refuses the user, (1, candidates)."""
    gates = events.communities[candidates]
    number = {events.community_names[gate]: int(gate) for gate in np.unique(gates)}
    number.pop("", None)
    if not number:
        return np.zeros((1, len(candidates)), dtype=np.bool_)
    [user] = asked.users
    places = _of_city(await shared.places(scope), asked, scope)
    found = await checks(shared.store, scope, number, asked, places, user)
    refused, _ = found.table(asked, len(events.community_names), epoch_ms(scope.now))
    return refused[:, gates]


def _of_city(places: Mapping[str, Sequence[Passed]], asked: History, scope: Scope) -> Sequence[Passed]:
    """Those of the city where the only user of a history is."""
    return places.get(str(asked.places_at(epoch_ms(scope.now))[0]), ())


async def recommended_communities(shared: Shared, scope: Scope, user: str, limit: int) -> Recommended:
    """Communities that the user is no member of, and that do not refuse them by place. Raises StoreError."""
    store = shared.store
    model, (names, wanted) = await asyncio.gather(
        newest_model(store, scope.project, "community", scope.now), shared.communities(scope)
    )
    ranker = community_signals.ranker_or_by_hand(model.ranker if model else None)
    now, number = epoch_ms(scope.now), {name: at for at, name in enumerate(names)}
    if not names:
        return Recommended((), ranker, model)
    asked, places = await asyncio.gather(
        history(store, scope, COMMUNITIES, number, user), shared.places(scope)
    )
    checked = await checks(store, scope, number, asked, _of_city(places, asked, scope), user)
    refused, admitted = checked.table(asked, len(names), now)
    own = [names[at] for at in np.unique(asked.item)]
    near = await near_items(store, scope.project, "community", own)
    near_own = np.array([[near.get(name, 0.0) for name in names]])
    signals = community_signals.signals(len(names), asked, wanted, admitted, now, near_own)
    member = asked.table(np.arange(len(names)), len(names), taken=True) > 0

    def item(at: int, score: float, parts: Floats) -> Item:
        of = dict(zip(community_signals.SIGNALS, signals[0, at].tolist(), strict=True))
        words = why.of_community(of, int(wanted.takes[at]))
        said = why.reasons(community_signals.SIGNALS, parts, words)
        return Item("community", names[at], score, tuple(said or ["You are no member yet."]))

    return Recommended(_best(ranker, signals, ~member & ~refused, limit, item), ranker, model)


def _best(
    ranker: Ranker, signals: Floats, allowed: Bools, limit: int, item: Callable[[int, float, Floats], Item]
) -> tuple[Item, ...]:
    scores, parts = ranker.scores(signals), ranker.parts(signals)
    chosen: Ints = top(scores, allowed, limit)[0]
    return tuple(item(int(at), float(scores[0, at]), parts[0, at]) for at in chosen if at >= 0)
