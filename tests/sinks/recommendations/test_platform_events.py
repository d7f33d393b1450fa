"""When platform events are open, and what their prices are beside others."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopin_sinks.recommendations.platform_events import PRICES, PlatformEvent, PlatformEvents


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
        "closed": None,
    }
    return PlatformEvent(id=id, **{**usual, **of})


def test_one_is_open_from_when_it_is_made_until_it_begins_or_is_closed() -> None:
    events = PlatformEvents((event("usual"), event("closed", closed=500), event("any", starts=None)))
    for at, names in (
        (99, []),
        (100, ["usual", "closed", "any"]),
        (499, ["usual", "closed", "any"]),
        (500, ["usual", "any"]),
        (899, ["usual", "any"]),
        (900, ["any"]),
    ):
        assert [events.all[number].id for number in events.open_at(at)] == names, at


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
