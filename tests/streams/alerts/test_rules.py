"""The built-in rules beside their cases, and the rules of projects."""

from __future__ import annotations

import pytest

from loopin_schemas.alert_rule import Absence, AlertRule, Change, Threshold
from loopin_schemas.alert_rules import BUILT_IN, BuiltIn, Case
from loopin_schemas.metrics import CATALOGUE, by_name
from loopin_schemas.window import Cell, Grain
from loopin_streams.alerts.judgement import judge_absence, judge_change, judge_threshold
from loopin_streams.alerts.rules import BUILT_IN_VERSION, Rules
from loopin_streams.alerts.source import source_of
from loopin_streams.kafka.config_state import Configuration
from tests.streams.alerts.world import SIZES, World, configure
from tests.streams.plain_state import DAY, HOUR

CASES = [(built_in, case) for built_in in BUILT_IN for case in built_in.cases]
LIVE = [(built_in, case) for built_in, case in CASES if source_of(built_in.rule) is not None]
STORED = [(built_in, case) for built_in, case in CASES if source_of(built_in.rule) is None]

RISKS_OF_THE_STREAM = {
    "payment_failure_rate",
    "refund_rate",
    "chargeback_rate",
    "otp_failure_rate",
    "host_cancellation_rate",
    "event_cancellation_rate",
    "error_rate",
    "geo_blocked_share",
    "geo_bypass_share",
    "login_failure_rate",
}


def named(of: list[tuple[BuiltIn, Case]]) -> list[str]:
    return [f"{built_in.rule.name} {case.value:g} of {case.count}" for built_in, case in of]


def test_each_risk_with_limits_has_a_rule_and_most_are_judged_by_the_stream() -> None:
    limited = {metric.name for metric in CATALOGUE if metric.warning is not None}
    rules = {built_in.rule.name: built_in.rule for built_in in BUILT_IN}
    assert limited <= rules.keys()
    assert {name for name in limited if source_of(rules[name]) is not None} == RISKS_OF_THE_STREAM
    assert len(rules) == len(BUILT_IN)
    assert all(rule.project == "" for rule in rules.values())


@pytest.mark.parametrize(("built_in", "case"), LIVE, ids=named(LIVE))
def test_what_a_built_in_rule_says_of_its_cases(built_in: BuiltIn, case: Case) -> None:
    rule, world = built_in.rule, World()
    size = SIZES[rule.grain]
    if isinstance(rule.condition, Absence):
        world.happens(*_cells(rule, 0.0, int(case.before or 0)))
        for _ in range(rule.condition.windows - 1):
            world.happens()
        world.happens(*_cells(rule, 0.0, case.count))
        world.happens()
    else:
        if case.before is not None:
            world.happens(*_cells(rule, case.before, int(case.before)), grain=rule.grain)
            for _ in range(6 if rule.grain == "day" else 0):
                world.passes(world.at + DAY)
        count = int(case.value) if isinstance(rule.condition, Change) else case.count
        world.happens(*_cells(rule, case.value, count), grain=rule.grain)
        world.passes(world.at + min(size, HOUR))
    first = [alert for alert in world.new() if alert["rule"] == rule.name and alert["event"] != "resolved"]
    assert [alert["severity"] for alert in first][-1:] == ([case.says] if case.says else [])


@pytest.mark.parametrize(("built_in", "case"), STORED, ids=named(STORED))
def test_what_the_store_will_be_asked_for(built_in: BuiltIn, case: Case) -> None:
    condition = built_in.rule.condition
    assert isinstance(condition, Threshold)
    enough = case.count >= built_in.rule.at_least
    verdict = judge_threshold(condition, case.value, condition.warning)
    assert (verdict.severity if enough else None) == case.says


def _cells(rule: AlertRule, value: float, count: int) -> list[Cell]:
    source = source_of(rule)
    assert source is not None
    if count == 0:
        return []
    if source.whole is not None:
        whole = Cell(*source.whole, round(count / value))
        return [whole, Cell(source.metric, source.dimension, "not_json", count)]
    total = {"count": None, "sum": round(value * 1e6), "mean": round(value * count * 1e6)}[source.statistic]
    return [Cell(*source.series(""), count, total)]


def test_changes_are_shares_of_the_earlier_value() -> None:
    of = Change(warning=0.5, critical=2.0)
    assert judge_change(of, 149, 100).severity is None
    assert judge_change(of, 150, 100).severity == "warning"
    assert judge_change(of, 300, 100).severity == "critical"
    assert judge_change(of, 50, 100).threshold == 50
    assert judge_change(of, 5, 0).severity is None
    assert judge_change(of, -50, -100).severity == "warning"


def test_an_absence_goes_on_when_what_was_before_is_forgotten() -> None:
    of = Absence(windows=5, least=2)
    assert judge_absence(of, 1, 2, 0).severity == "critical"
    later = judge_absence(of, 0, 0, 0)
    assert (later.severity, later.holds) == (None, True)
    assert not judge_absence(of, 2, 0, 0).holds


@pytest.mark.parametrize(
    ("metric", "by", "spans", "live"),
    [
        ("payment_failure_rate", "", (15,), True),
        ("payment_failure_rate", "country", (15,), True),
        ("payment_failure_rate", "city", (15,), False),
        ("revenue", "country", (5,), True),
        ("searches", "", (5,), True),
        ("searches", "country", (5,), False),
        ("content_interactions", "", (5,), True),
        ("content_interactions", "country", (5,), True),
        ("slow_response_p95", "", (1,), False),
        ("events", "event", (5,), True),
        ("sentiment", "country", (5,), True),
        ("a_metric_of_ones_own", "", (1,), False),
        ("invalid_ratio", "reason", (1,), True),
        ("invalid_ratio", "", (1,), False),
    ],
)
def test_which_rules_the_windows_can_tell_of(
    metric: str, by: str, spans: tuple[int, ...], live: bool
) -> None:
    rule = AlertRule(
        project="shop", name="mine", metric=metric, by=by, spans=spans, condition=Threshold(warning=1)
    )
    assert (source_of(rule) is not None) is live


def test_the_users_of_a_day_are_those_of_no_other_window() -> None:
    def live(grain: Grain, *spans: int) -> bool:
        rule = AlertRule(
            project="shop",
            name="mine",
            metric="dau",
            grain=grain,
            spans=spans,
            condition=Threshold(warning=1),
        )
        return source_of(rule) is not None

    assert live("day", 1)
    assert not live("day", 2)
    assert not live("hour", 1)
    assert not live("minute", 1)


def test_a_projects_rules_stand_in_the_place_of_built_in_ones_in_that_project_only() -> None:
    configuration = Configuration()
    rules = Rules(lambda: configuration)
    names = {each.rule.name for each in rules.of("shop")}
    own = AlertRule(
        project="shop", name="refund_rate", metric="refund_rate", condition=Threshold(warning=0.5)
    )
    configure(configuration, own.id, own)
    assert {each.rule.name for each in rules.of("shop")} == names
    found = rules.find("shop", "refund_rate")
    assert found is not None
    assert (found.rule, found.version) == (own, "v0")
    other = rules.find("other", "refund_rate")
    assert other is not None
    assert other.version == BUILT_IN_VERSION
    metric = by_name("refund_rate")
    assert metric is not None
    assert isinstance(other.rule.condition, Threshold)
    assert other.rule.condition.warning == metric.warning


@pytest.mark.parametrize(
    "wrong",
    [
        {"spans": (61,)},
        {"spans": (3,), "condition": Change(warning=0.5)},
        {"condition": Change(warning=0.5, against="week"), "grain": "minute"},
        {"project": "no such project name"},
    ],
)
def test_rules_that_cannot_be_kept(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        AlertRule(**{"project": "p", "name": "a", "metric": "b", "condition": Threshold(warning=1), **wrong})  # type: ignore[arg-type]  # of any type


def test_limits_must_be_in_order() -> None:
    with pytest.raises(ValueError, match="beyond the warning"):
        Threshold(warning=0.5, critical=0.2)
    with pytest.raises(ValueError, match="give a warning or a critical"):
        Threshold()
    assert Threshold(direction="below", warning=0.5, critical=0.2).critical == 0.2
