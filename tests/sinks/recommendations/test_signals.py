"""Signals of a small world, reckoned by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from loopin_sinks.recommendations import community_signals
from loopin_sinks.recommendations.checks import NEVER, Checks, by_place
from loopin_sinks.recommendations.community_signals import community_week
from loopin_sinks.recommendations.event_signals import SIGNALS, WEEK_MS, near_hosts_of, signals
from loopin_sinks.recommendations.event_weeks import event_week
from loopin_sinks.recommendations.history import Demand, History, Places
from loopin_sinks.recommendations.platform_events import PlatformEvents
from tests.sinks.recommendations.placed import placed
from tests.sinks.recommendations.test_platform_events import event
from tests.sinks.recommendations.whole_weeks import NO_CHECKS, whole

AT = 10 * WEEK_MS
EVENTS = PlatformEvents(
    (
        event("past", starts=AT - 1, host="a"),
        event("music", starts=AT + WEEK_MS // 2, host="a"),
        event("sport", starts=AT + 3 * WEEK_MS, host="b", category="sport", city="Delhi", capacity=None),
    )
)
# Of two users, rows of (user, item, taken, at); the last two lie ahead.
ROWS = [
    (0, 0, False, 5),
    (0, 0, True, 6),
    (0, 1, False, 7),
    (1, 2, False, 8),
    (1, 2, True, AT),
    (0, 1, True, AT + 9),
]
USER, ITEM, TAKEN, TIMES = (np.array(column) for column in zip(*ROWS, strict=True))
HISTORY = History(("ann", "bob"), placed("Pune", ""), USER, ITEM, TAKEN, TIMES)
DEMAND = Demand(ITEM, TIMES, (~TAKEN).astype(np.int64), TAKEN.astype(np.int64))


def test_signals_of_events_are_those_reckoned_by_hand() -> None:
    open_now = EVENTS.open_at(AT)
    assert open_now.tolist() == [1, 2]
    found = signals(EVENTS, HISTORY, DEMAND.before(AT, 3), open_now, AT, np.array([[0.0, 0.4], [0.0, 0.0]]))
    ann_music = dict(zip(SIGNALS, found[0, 0].tolist(), strict=True))
    # Looks count one, joins three: Ann's are 5 of music; everybody's 5 of music, 1 of sport.
    music = (5 + 1) / (5 + 1 + 1 + 1)
    assert ann_music == pytest.approx(
        {
            "place": 1,
            "category": math.log((5 + 5 * music) / 10 / music),
            # All are free, and a price that nobody tells is possible: 7 of 8.
            "price": math.log((5 + 5 * 7 / 8) / 10 / (7 / 8)),
            "host": math.log(2),
            "looked_at": 1,
            "popular": 0,
            "convincing": math.log((0 + 5 / 3) / (1 + 5)),
            "lasting": 0.5,
            "seats": 1,
            "neighbours": 0,
        }
    )
    ann_sport = dict(zip(SIGNALS, found[0, 1].tolist(), strict=True))
    assert ann_sport["place"] == ann_sport["host"] == ann_sport["looked_at"] == 0
    assert ann_sport["category"] == pytest.approx(math.log((0 + 5 * (1 - music)) / 10 / (1 - music)))
    assert (ann_sport["lasting"], ann_sport["neighbours"], ann_sport["seats"]) == (1, 0.4, 1)
    # Of nobody's place nothing is held.
    assert found[1, :, 0].tolist() == [0, 0]


def test_what_lies_ahead_is_what_was_taken_and_moves_no_signal() -> None:
    week = whole(event_week(EVENTS, HISTORY, DEMAND, NO_CHECKS, AT))
    assert week.taken.tolist() == [[True, False], [False, True]]
    assert week.allowed.all()
    assert week.popular.tolist() == [0, 0]
    known = HISTORY.before(AT)
    past = Demand(known.item, known.at, 1 - known.taken, known.taken * 1)
    near = near_hosts_of(EVENTS, known, AT).toarray()
    alone = signals(EVENTS, known, past.before(AT, 3), week.items, AT, near)
    assert np.array_equal(alone, week.signals)


def test_a_week_is_of_those_who_took_something_and_nothing_is_taken_twice() -> None:
    assert list(event_week(EVENTS, HISTORY, DEMAND, NO_CHECKS, AT + 10)) == []
    again = History(
        ("idle", *HISTORY.users, "bob2"),
        placed("", "Pune", "", ""),
        np.array([1, 1, 3]),
        np.array([1, 2, 2]),
        np.array([True, True, True]),
        np.array([AT - 5, AT + 5, AT - 5]),
    )
    week = whole(event_week(EVENTS, again, DEMAND, NO_CHECKS, AT))
    assert week.allowed.tolist() == [[False, True]]
    assert week.taken.tolist() == [[False, True]]


def test_what_a_community_refused_was_not_to_be_recommended() -> None:
    """Of two users who join the same later, one had been refused by the community it is of."""
    events = PlatformEvents((*EVENTS.all[:2], EVENTS.all[2]._replace(community="club")))
    assert events.community_names == ("", "club")
    user = np.array([0, 0, 1, 1])
    item, at = np.array([1, 2, 1, 2]), np.full(4, AT + 5)
    history = History(("ann", "bob"), placed("", ""), user, item, np.ones(4, dtype=np.bool_), at)
    one, zero = np.array([1]), np.array([0])
    checks = Checks(zero, one, np.array([True]), np.array([AT - 1]), {})
    week = whole(event_week(events, history, DEMAND, checks, AT))
    assert week.allowed.tolist() == [[True, False], [True, True]]
    assert week.taken.tolist() == [[True, False], [True, True]]
    # By what was not known yet nobody is refused.
    later = Checks(zero, one, np.array([True]), np.array([AT]), {})
    assert whole(event_week(events, history, DEMAND, later, AT)).allowed.all()


def test_a_million_looks_and_none_at_all_are_finite() -> None:
    many = np.zeros(1_000, dtype=np.int64)
    history = History(("busy", "new"), placed("Pune", "Pune"), many, many + 1, many == 1, many)
    demand = Demand(many[:1] + 1, many[:1], many[:1] + 1_000_000, many[:1])
    found = signals(EVENTS, history, demand.before(AT, 3), np.array([1, 2]), AT, np.zeros((2, 2)))
    assert np.isfinite(found).all()
    nothing = Demand(many[:0], many[:0], many[:0], many[:0])
    assert np.isfinite(
        signals(EVENTS, history, nothing.before(AT, 3), np.array([1, 2]), AT, np.zeros((2, 2)))
    ).all()


def test_communities_refuse_by_the_users_last_check_or_by_their_place() -> None:
    none = np.array([], dtype=np.int64)
    history = History(("known", "there", "nowhere"), placed("Pune", "Pune", ""), none, none, none == 1, none)
    open_, shut, unknown = range(3)
    checks = Checks(
        user=np.array([0, 0, 0, 2, 2]),
        item=np.array([shut, shut, open_, shut, unknown]),
        refused=np.array([True, False, True, True, True]),
        at=np.array([1, 2, 3, 4, AT]),
        places=by_place([("Pune", shut, 1, NEVER), ("Pune", open_, 1, 2), ("Delhi", shut, 1, 1)]),
    )
    refused, admitted = checks.table(history, 3, AT)
    assert refused.tolist() == [[True, False, False], [False, True, False], [False, True, False]]
    assert admitted.tolist() == [[True, False, False], [True, False, False], [False, False, False]]
    # By what was known sooner.
    refused, admitted = checks.table(history, 3, 2)
    assert refused.tolist() == [[True, True, False], [True, True, False], [False, False, False]]
    assert not admitted.any()
    assert not checks.table(history, 3, 0)[0].any()


def test_a_week_of_communities() -> None:
    rows = [
        (0, 0, True, 5),
        (0, 1, False, AT - 5),
        (0, 1, False, AT + 5),
        (1, 2, True, AT + 6),
        (0, 0, False, AT + 7),
    ]
    user, item, taken, at = (np.array(column) for column in zip(*rows, strict=True))
    history = History(("ann", "bob"), placed("", ""), user, item, taken, at)
    looks, takes = (~taken).astype(np.int64), taken.astype(np.int64)
    demand = Demand(np.append(item, 2), np.append(at, 9), np.append(looks, 1), np.append(takes, 0))
    checks = Checks(np.array([1]), np.array([0]), np.array([True]), np.array([AT - 1]), {})
    week = whole(community_week(4, history, demand, checks, AT))
    # Of the third somebody else had known; of the fourth nobody.
    assert week.allowed.tolist() == [[False, True, True, False], [False, True, True, False]]
    # One's own community is nothing new.
    assert week.taken.tolist() == [[False, True, False, False], [False, False, True, False]]
    assert week.popular.tolist() == [1, 0, 0, 0]
    looked = community_signals.SIGNALS.index("looked_at")
    assert week.signals[:, :, looked].tolist() == [[0, pytest.approx(math.log(2)), 0, 0], [0] * 4]


def test_a_place_is_where_most_events_were_by_then() -> None:
    places = Places(
        cities=("Delhi", "Goa", "Pune"),
        user=np.array([0, 0, 0, 2, 2, 2]),
        city=np.array([2, 0, 0, 1, 2, 1]),
        events=np.array([5, 3, 3, 1, 2, 1]),
        at=np.array([10, 20, 30, 10, 20, 30]),
    )
    assert places.before(10, 3).tolist() == ["", "", ""]
    assert places.before(20, 3).tolist() == ["Pune", "", "Goa"]
    assert places.before(30, 3).tolist() == ["Pune", "", "Pune"]
    # Of two with as many the last by name.
    assert places.before(31, 3).tolist() == ["Delhi", "", "Pune"]
    assert places.of(np.array([2, 1]), 3).before(31, 2).tolist() == ["Pune", ""]
    none = np.array([], dtype=np.int64)
    assert Places((), none, none, none, none).before(9, 2).tolist() == ["", ""]
