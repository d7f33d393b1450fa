"""The catalogue holds what was agreed: every name, its kind, its thresholds."""

from __future__ import annotations

import pytest

from loopin_schemas.catalogue import by_name as event_by_name
from loopin_schemas.metrics import CATALOGUE, by_name
from loopin_schemas.metrics.definition import Condition, Count, Events, Followed, Mean, Percentile, Quotient
from loopin_schemas.metrics.metric import DAYS

KPIS = [
    "dau",
    "wau",
    "mau",
    "stickiness",
    "total_users",
    "new_registrations",
    "retention_d1",
    "retention_d7",
    "retention_d30",
    "retention_d90",
    "retention_7d_rolling",
    "sessions",
    "sessions_per_user",
    "avg_session_length",
    "page_views",
    "unique_page_views",
    "bounce_rate",
    "view_to_join",
    "join_to_attend",
    "view_to_attend",
    "ticket_conversion",
    "revenue",
    "rpu",
    "arppu",
    "platform_events_created",
    "event_success_rate",
    "attendance_rate",
    "satisfaction",
    "review_sentiment",
    "content_views",
    "content_interactions",
    "engagement_rate",
    "click_through_rate",
    "recommendation_ctr",
    "searches",
    "shares",
    "community_views",
    "community_joins",
    "average_online_members",
    "peak_community_activity",
    "api_requests",
    "avg_response_time",
    "response_time_p50",
]

KRIS = {
    "payment_failure_rate": (0.10, 0.20),
    "refund_rate": (0.05, 0.10),
    "chargeback_rate": (0.005, 0.01),
    "otp_failure_rate": (0.15, 0.30),
    "host_cancellation_rate": (0.05, 0.10),
    "event_cancellation_rate": (0.08, 0.15),
    "host_dropout_rate": (0.40, 0.60),
    "churn_rate": (0.30, 0.50),
    "high_churn_share": (0.20, 0.35),
    "crash_rate": (0.01, 0.03),
    "error_rate": (0.01, 0.05),
    "slow_response_p95": (1000, 3000),
    "page_load_p95": (4000, 8000),
    "geo_blocked_share": (0.50, 0.80),
    "geo_bypass_share": (0.02, 0.05),
    "login_failure_rate": (0.20, 0.40),
}

KRS = [
    "event_creation_growth",
    "revenue_growth",
    "mau_growth",
    "ticket_purchase_success",
    "user_verification_rate",
    "profile_completion_rate",
    "event_rating",
]


def test_the_names() -> None:
    assert [metric.name for metric in CATALOGUE if metric.kind == "kpi"] == sorted(KPIS, key=_place)
    assert {metric.name for metric in CATALOGUE if metric.kind == "kri"} == set(KRIS)
    assert {metric.name for metric in CATALOGUE if metric.kind == "kr"} == set(KRS)
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE) == 66


def _place(name: str) -> int:
    return [metric.name for metric in CATALOGUE].index(name)


@pytest.mark.parametrize(("name", "limits"), KRIS.items())
def test_the_thresholds_of_risks(name: str, limits: tuple[float, float]) -> None:
    metric = by_name(name)
    assert metric is not None
    assert (metric.warning, metric.critical, metric.better) == (*limits, "lower")


def test_what_is_better_lower() -> None:
    lower = {metric.name for metric in CATALOGUE if metric.better == "lower"}
    assert lower == {*KRIS, "bounce_rate", "avg_response_time", "response_time_p50"}


def test_key_results_have_a_target_and_nobody_else() -> None:
    assert {metric.name for metric in CATALOGUE if metric.target is not None} == set(KRS)


def test_everybody_is_told_what_a_metric_means_and_whose_it_is() -> None:
    for metric in CATALOGUE:
        assert metric.description.endswith("."), metric.name
        assert metric.owner, metric.name
        assert set(metric.grains) >= set(DAYS), metric.name
    assert by_name("no_such_metric") is None


def _events(definition: object) -> list[Events]:
    if isinstance(definition, Quotient):
        return [*_events(definition.part), *_events(definition.whole)]
    if isinstance(definition, Followed):
        return [Events((definition.first, definition.then))]
    of = getattr(definition, "of", None)
    return [of] if isinstance(of, Events) else []


def test_metrics_are_made_of_events_and_properties_that_exist() -> None:
    known = {"sentiment"}
    for metric in CATALOGUE:
        for of in _events(metric.definition):
            for name in of.names:
                event = event_by_name(name)
                assert event is not None, (metric.name, name)
                properties = known | {each.name for each in event.properties}
                assert all(condition.property in properties for condition in of.where), metric.name
                if isinstance(metric.definition, (Mean, Percentile)):
                    assert metric.definition.property in properties, (metric.name, name)


def test_a_share_counts_each_kind_of_event_once() -> None:
    failure = by_name("payment_failure_rate")
    assert failure is not None
    assert failure.definition == Quotient(
        Count(Events(("payment_failed",))), Count(Events(("payment_failed", "payment_succeeded")))
    )
    assert Condition("status", "ge", 500) in _events(_definition("error_rate"))[0].where


def _definition(name: str) -> object:
    metric = by_name(name)
    assert metric is not None
    return metric.definition
