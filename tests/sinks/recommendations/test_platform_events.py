"""When platform events are open, and what their prices are beside others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_sinks.recommendations.event_signals import SIGNALS
from loopin_sinks.recommendations.history import Wanted
from loopin_sinks.recommendations.platform_events import CHANGES, PRICES, PlatformEvent, PlatformEvents, turns
from loopin_sinks.recommendations.why import of_event


def event(id: str, **of: Any) -> PlatformEvent:
    usual: dict[str, Any] = {
        "category": "music",
        "city": "Pune",
        "host": "h",
        "price": 0.0,
        "currency": "INR",
        "capacity": 10.0,
        "created": 100,
        "starts": 900,
    }
    return PlatformEvent(id=id, **{**usual, **of})


def test_one_is_open_from_when_it_is_made_until_it_begins_or_is_closed() -> None:
    events = PlatformEvents((event("usual"), event("closed", turns=(500,)), event("any", starts=None)))
    for at, names in (
        (99, []),
        (100, ["usual", "closed", "any"]),
        (500, ["usual", "closed", "any"]),
        (501, ["usual", "any"]),
        (899, ["usual", "any"]),
        (900, ["any"]),
    ):
        assert [events.all[number].id for number in events.open_at(at)] == names, at


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from(sorted(CHANGES)))))
def test_it_is_open_as_the_last_changes_before_a_time_say(changes: list[tuple[int, str]]) -> None:
    one = event("one", created=0, turns=turns(changes))
    for at in range(22):
        last = {
            name: max((when for when, n in changes if n == name and when < at), default=-1)
            for name in CHANGES
        }
        cancelled = last["event_cancelled"] >= max(last["event_published"], 0)
        sold_out = last["event_sold_out"] >= max(last["event_left"], 0)
        assert one.open_at(at) is not (cancelled or sold_out), at


def test_prices_are_thirds_of_those_in_the_same_currency() -> None:
    rupees = [event(f"inr-{n}", price=100.0 * n) for n in range(1, 10)]
    euros = [event(f"eur-{n}", price=float(n), currency="EUR") for n in range(1, 10)]
    others = [event("free"), event("unknown", price=None)]
    events = PlatformEvents((*rupees, *euros, *others))
    classes = [PRICES[number] for number in events.prices]
    assert classes[:9] == classes[9:18] == ["cheap"] * 3 + ["middling"] * 3 + ["dear"] * 3
    assert classes[18:] == ["free", ""]


@pytest.mark.parametrize(
    ("prices", "classes"),
    [
        ({50: 30, 5: 5}, {50: "middling", 5: "cheap"}),
        ({10: 10, 500: 30}, {10: "cheap", 500: "middling"}),
        ({100: 40}, {100: "middling"}),
        ({1: 20, 2: 20, 3: 20}, {1: "cheap", 2: "middling", 3: "dear"}),
    ],
)
def test_equal_prices_are_of_one_class_and_what_nearly_all_cost_is_not_cheap(
    prices: dict[int, int], classes: dict[int, str]
) -> None:
    all_ = [price for price, number in prices.items() for _ in range(number)]
    events = PlatformEvents(tuple(event(f"e{at}", price=float(price)) for at, price in enumerate(all_)))
    found = {price: PRICES[number] for price, number in zip(all_, events.prices, strict=True)}
    assert found == classes


def test_there_may_be_none() -> None:
    events = PlatformEvents(())
    assert len(events.open_at(0)) == len(events.prices) == len(events.categories) == 0
    assert events.starts.dtype == np.float64


def test_reasons_are_only_of_what_is_so() -> None:
    events = PlatformEvents((event("full", capacity=2.0), event("one", capacity=3.0)))
    for_it = dict.fromkeys(SIGNALS, 1.0)
    wanted = Wanted(looks=np.array([0.0, 4.0]), takes=np.array([2.0, 2.0]))
    full, one = (of_event(events, number, for_it, wanted) for number in (0, 1))
    assert full["popular"] == one["popular"] == "2 have joined."
    assert "seats" not in full
    assert one["seats"] == "1 seat is free."
    assert "convincing" not in full, "nobody has looked at it"
    assert one["convincing"] == "Of those who look at it, many join."
