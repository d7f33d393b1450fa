"""What the store can be asked for by a rule, and what of it is at fault."""

from __future__ import annotations

from typing import Any

import pytest

from loopin_schemas.alert_rule import Absence, AlertRule, Anomaly, Span, Threshold
from loopin_schemas.alert_rules import BUILT_IN
from loopin_schemas.alert_rules.security import DIMENSION_OF
from loopin_schemas.metrics import by_name
from loopin_sinks.alerts.subject import fault_of, subject_of
from loopin_sinks.alerts.totals import NotJudged
from loopin_streams.alerts.source import source_of

RATE = "payment_failure_rate"


def rule(metric: str, **more: Any) -> AlertRule:
    given: dict[str, Any] = {"condition": Threshold(warning=0.5), **more}
    return AlertRule(project="shop", name="mine", metric=metric, **given)


@pytest.mark.parametrize("metric", DIMENSION_OF)
def test_what_is_told_of_single_users_is_by_its_own_dimension_only(metric: str) -> None:
    for by, fits in ((DIMENSION_OF[metric], True), ("city", False), ("", False)):
        fault = fault_of(rule(metric, by=by), None)
        assert (fault is None) is fits
        assert fault is None or fault.field == "by"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (rule("no_such_metric"), "metric"),
        (rule(RATE, by="mood"), "by"),
        (rule("invalid_ratio"), "by"),
        (rule("invalid_ratio", by="country"), "by"),
        (rule("sink_lag", by="country"), "condition"),
        (rule("sink_lag", condition=Absence()), "condition"),
        (rule("mau"), "grain"),
        (rule("mau", grain="hour"), "grain"),
        (rule("mau", grain="day", spans=(2,)), "spans"),
        (rule("total_users", grain="hour", condition=Anomaly()), "condition"),
        (rule("mau", grain="day", condition=Anomaly()), "condition"),
        (rule("churn_rate", grain="day", longer=(Span(grain="day", windows=2),)), "longer"),
    ],
    ids=lambda each: getattr(each, "metric", each),
)
def test_what_nobody_can_judge(given: AlertRule, field: str) -> None:
    metric = by_name(given.metric)
    fault = fault_of(given, metric)
    assert fault is not None
    assert fault.field == field
    assert fault.reason.endswith(".")
    with pytest.raises(NotJudged) as raised:
        subject_of(given, metric)
    assert str(raised.value) == fault.reason


@pytest.mark.parametrize(
    "given",
    [
        rule(RATE, by="city"),
        rule(RATE, by="city", spans=(5, 15, 60), longer=(Span(grain="hour", windows=6),)),
        rule("slow_response_p95", spans=(15,)),
        rule("slow_response_p95", grain="hour", spans=(1, 6), longer=(Span(grain="day"),)),
        rule("searches", by="country", condition=Absence()),
        rule("active_users", spans=(5,)),
        rule("events", by="city", condition=Anomaly(), grain="hour"),
        rule("mau", grain="day"),
        rule("total_users", grain="hour"),
        rule("dau", grain="day", by="city", condition=Anomaly()),
    ],
    ids=lambda given: f"{given.metric} {given.by}",
)
def test_what_the_store_is_asked_for(given: AlertRule) -> None:
    assert source_of(given) is None
    assert fault_of(given, by_name(given.metric)) is None


@pytest.mark.parametrize("built_in", BUILT_IN, ids=lambda each: each.rule.name)
def test_each_built_in_rule_is_judged(built_in: Any) -> None:
    assert fault_of(built_in.rule, by_name(built_in.rule.metric)) is None


@pytest.mark.parametrize(
    ("metric", "ratio"),
    [
        (RATE, "share"),
        ("churn_rate", "share"),
        ("engagement_rate", "rate"),
        ("rpu", None),
        ("searches", None),
    ],
)
def test_chance_may_make_ratios_of_numbers_of_few(metric: str, ratio: str | None) -> None:
    assert subject_of(rule(metric, grain="day"), by_name(metric)).ratio == ratio
