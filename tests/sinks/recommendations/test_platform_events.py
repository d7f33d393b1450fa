"""When platform events are open, and what their prices are beside others."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loopin_sinks.recommendations.platform_events import CHANGES, PRICES, PlatformEvent, PlatformEvents, turns


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


def test_there_may_be_none() -> None:
    events = PlatformEvents(())
    assert len(events.open_at(0)) == len(events.prices) == len(events.categories) == 0
    assert events.starts.dtype == np.float64
