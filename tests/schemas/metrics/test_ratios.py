"""Which ratios are shares, which are rates, and between which values metrics lie."""

from __future__ import annotations

from math import inf

import pytest

from loopin_schemas.metrics import CATALOGUE, by_name, custom
from loopin_schemas.metrics.custom import CountOf, CustomMetric, RatioOf, Selection, SumOf, UsersOf
from loopin_schemas.metrics.metric import Unit
from loopin_schemas.metrics.ratios import range_of, ratio_of

CLICKED, SHOWN, EITHER = (Selection(names) for names in (("clicked",), ("shown",), ("clicked", "shown")))
BIG = Selection(("clicked",), (custom.Test(property="size", operator="gt", value=5.0),))


def own(definition: CountOf | UsersOf | SumOf | RatioOf, unit: Unit = "ratio") -> CustomMetric:
    return CustomMetric(project="shop", name="own", description="Own.", definition=definition, unit=unit)


def test_rates_of_the_catalogue_are_those_whose_part_is_not_among_the_whole() -> None:
    rates = {metric.name for metric in CATALOGUE if ratio_of(metric.definition) == "rate"}
    assert rates == {
        "engagement_rate", "click_through_rate", "recommendation_ctr", "refund_rate", "chargeback_rate",
        "host_cancellation_rate", "event_cancellation_rate",
    }  # fmt: skip
    assert {range_of(metric) for metric in CATALOGUE if metric.name in rates} == {(0, inf)}


def test_shares_of_the_catalogue_stay_within_0_and_1() -> None:
    shares = {metric.name for metric in CATALOGUE if ratio_of(metric.definition) == "share"}
    assert {
        "payment_failure_rate", "crash_rate", "bounce_rate", "churn_rate", "ticket_conversion",
        "view_to_join", "retention_d1", "retention_7d_rolling", "attendance_rate", "event_success_rate",
    } <= shares  # fmt: skip
    assert {range_of(metric) for metric in CATALOGUE if metric.name in shares} == {(0, 1)}


@pytest.mark.parametrize(
    "name", ["rpu", "sessions_per_user", "satisfaction", "mau_growth", "stickiness", "slow_response_p95"]
)
def test_money_means_and_growth_are_no_ratios_of_things(name: str) -> None:
    metric = by_name(name)
    assert metric is not None
    assert ratio_of(metric.definition) is None


@pytest.mark.parametrize(
    ("definition", "ratio", "between"),
    [
        (RatioOf(CountOf(CLICKED), CountOf(SHOWN)), "rate", (0, inf)),
        (RatioOf(CountOf(CLICKED), CountOf(EITHER)), "share", (0, 1)),
        (RatioOf(UsersOf(CLICKED), UsersOf(EITHER)), "share", (0, 1)),
        (RatioOf(CountOf(BIG), CountOf(CLICKED)), "share", (0, 1)),
        (RatioOf(CountOf(CLICKED), CountOf(BIG)), "rate", (0, inf)),
        # So many for each user: one of these may weigh any amount.
        (RatioOf(CountOf(CLICKED), UsersOf(CLICKED)), None, (0, inf)),
        (RatioOf(SumOf(CLICKED, "size"), CountOf(CLICKED)), None, (-inf, inf)),
        (SumOf(CLICKED, "size"), None, (-inf, inf)),
        (CountOf(CLICKED), None, (0, inf)),
    ],
)
@pytest.mark.parametrize("unit", ["ratio", "stars", "money", "count"])
def test_ratios_of_ones_own_are_what_they_are_made_of(
    definition: CountOf | SumOf | RatioOf, ratio: str | None, between: tuple[float, float], unit: Unit
) -> None:
    metric = own(definition, unit).metric()
    assert ratio_of(metric.definition) == ratio
    assert range_of(metric) == between


def test_growth_of_numbers_ends_where_nothing_is_left_and_that_of_money_nowhere() -> None:
    found = {metric.name: range_of(metric) for metric in CATALOGUE if metric.name.endswith("_growth")}
    assert found == {
        "mau_growth": (-1, inf), "event_creation_growth": (-1, inf), "revenue_growth": (-inf, inf)
    }  # fmt: skip
