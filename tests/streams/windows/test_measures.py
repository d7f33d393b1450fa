from __future__ import annotations

import pytest

from loopin_schemas.catalogue import CATALOGUE
from loopin_schemas.event import EnrichedEvent
from loopin_streams.windows.measures import MEASURES, country_of, money, plan_of
from tests.streams import plain_state


def event(name: str = "click", sentiment: float | None = None) -> EnrichedEvent:
    return EnrichedEvent(
        uuid="",
        project="demo",
        event=name,
        distinct_id="u1",
        timestamp=0,
        received_at=0,
        sentiment=sentiment,
        raw_partition=0,
        raw_offset=0,
    )


def test_the_first_metrics() -> None:
    assert [measure.metric for measure in MEASURES] == ["events", "active_users", "revenue", "sentiment"]


@pytest.mark.parametrize(
    "name", ["click", "my own event", "ticket_purchased", "payment_refunded", "api_request"]
)
def test_what_applies_to_an_event(name: str) -> None:
    plan = plan_of(name)
    assert plan.counted == ("events",)
    assert plan.distinct == (() if name in plain_state.SYSTEM else ("active_users",))
    assert plan.money == (("revenue",) if name in plain_state.SIGNS else ())
    assert plan.valued[0][0] == "sentiment"


def test_the_catalogue_says_which_events_move_money_and_which_are_the_systems_own() -> None:
    names = [known.name for known in CATALOGUE]
    assert {name for name in names if not plan_of(name).distinct} == plain_state.SYSTEM
    assert {name for name in names if plan_of(name).money} == set(plain_state.SIGNS)


def test_a_refund_takes_away_what_a_purchase_brings() -> None:
    properties = {"amount": "12.5", "currency": "eur"}
    assert money(event("ticket_purchased"), properties) == ("EUR", 12_500_000)
    assert money(event("payment_refunded"), properties) == ("EUR", -12_500_000)
    assert money(event("ticket_purchased"), {"amount": "much"}) is None


@pytest.mark.parametrize(
    ("score", "millionths"), [(None, None), (0.0, 0), (-0.6249, -624_900), (1, 1_000_000)]
)
def test_a_sentiment_is_the_compound_in_millionths(score: float | None, millionths: int | None) -> None:
    [(_, value_of)] = plan_of("click").valued
    assert value_of(event(sentiment=score), {}) == millionths


@pytest.mark.parametrize(
    ("value", "country"),
    [
        ("IN", "IN"),
        ("", ""),
        ("x" * 100, "x" * 100),
        ("x" * 101, ""),
        (None, ""),
        (5, ""),
        (True, ""),
        ([], ""),
    ],
)
def test_a_country_is_text_of_at_most_100_characters(value: object, country: str) -> None:
    assert country_of({"country": value}) == country
    assert country_of({}) == ""
