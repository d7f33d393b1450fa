"""Rules over the windows as they come: what fires, what it says, and that nothing is said twice."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopin_schemas.alert_rule import Absence, AlertRule, Anomaly, Change, Span, Threshold
from loopin_schemas.window import Cell, Window
from loopin_streams.merge.invalid_ratio import InvalidRatioLimits
from tests.streams.alerts.plain import plain_events
from tests.streams.alerts.world import World, configure, ratio
from tests.streams.merge.merging import Merge, T, partials
from tests.streams.plain_state import DAY, HOUR, MINUTE

PAYMENTS = "payment_failure_rate"


def pays(world: World, whole: int, part: int, **more: Any) -> None:
    world.happens(ratio(PAYMENTS, whole, part), **more)


# Thresholds.


def test_a_spike_of_failed_payments_is_a_warning_then_critical_then_over() -> None:
    world = World()
    for minute in range(80):
        pays(world, 20, 8 if 20 <= minute < 30 else 1)
    fired, worse, resolved = world.new()
    assert [each["event"] for each in (fired, worse, resolved)] == ["fired", "worse", "resolved"]
    assert {each["id"] for each in (fired, worse, resolved)} == {f"shop:{PAYMENTS}:{T + 23 * MINUTE - 1000}"}
    assert [each["sequence"] for each in (fired, worse, resolved)] == [1, 2, 3]
    # 3 minutes of the spike among 15: 36 of 300.
    assert (fired["severity"], fired["value"], fired["threshold"], fired["count"]) == (
        "warning",
        36 / 300,
        0.1,
        300,
    )
    assert fired["window"] == {"grain": "minute", "start": T + 8 * MINUTE, "end": T + 23 * MINUTE}
    assert fired["windows"] == [f"{PAYMENTS}///minute/{T + at * MINUTE}" for at in range(8, 23)]
    assert fired["message"] == (
        "payment_failure_rate of project shop is 12.0% over 15 minutes (limit 10.0%)."
    )
    assert worse["severity"] == "critical"
    assert worse["value"] >= 0.2
    assert (resolved["state"], resolved["severity"]) == ("resolved", "critical")
    assert resolved["value"] < 0.09
    assert resolved["message"] == (
        f"payment_failure_rate of project shop is back to {resolved['value']:.1%} (limit 10.0%)."
    )


def test_a_window_that_is_open_alerts_at_once() -> None:
    world = World()
    pays(world, 100, 5)
    world.merge.absorb()
    assert world.new() == []
    world._say(world.at + 10, _open(world, 100, 30))
    assert world.events() == [("fired", "warning")]
    world._say(world.at + 20, _open(world, 200, 120))
    assert world.events() == [("worse", "critical")]


def _open(world: World, whole: int, part: int) -> Any:
    return Window(project="shop", grain="minute", start=world.at, cells=[ratio(PAYMENTS, whole, part)])


@pytest.mark.parametrize(("whole", "share"), [(6, 0.12), (4, 0.14)])
def test_what_may_be_chance_in_a_quarter_of_an_hour_is_none_in_an_hour(whole: int, share: float) -> None:
    world = World()
    fired = []
    for minute in range(90):
        part = round(share * whole * (minute + 1)) - round(share * whole * minute)
        pays(world, whole, part)
        fired += [(minute, each) for each in world.new()]
    [(at, alert)] = fired
    assert 15 < at < 60
    assert alert["window"]["end"] - alert["window"]["start"] == 60 * MINUTE


def test_a_burst_that_comes_before_the_watermark_does_is_judged_when_that_has_come() -> None:
    world = World(Merge(2))

    def said(partition: int, now: int, *windows: Window) -> None:
        world.merge.absorb(partials(partition, now - MINUTE, *windows))

    said(0, T)
    said(1, T)
    burst = Window(project="shop", grain="minute", start=T + 10 * MINUTE, cells=[ratio(PAYMENTS, 90, 60)])
    said(0, T + 10 * MINUTE, burst)
    said(0, T + 11 * MINUTE)
    assert world.new() == []
    world.merge.restart()
    said(1, T + 9 * MINUTE)
    assert world.new() == []
    said(1, T + 11 * MINUTE)
    assert world.events() == [("fired", "critical")]


def test_each_time_has_an_id_of_its_own() -> None:
    world = World()
    rule = AlertRule(
        project="shop",
        name=PAYMENTS,
        metric=PAYMENTS,
        condition=Threshold(warning=0.1),
        grain="hour",
        quiet_s=0,
        for_s=120,
    )
    configure(world.configuration, rule.id, rule)
    window = Window(project="shop", grain="hour", start=T, cells=[])
    for minute in range(30):
        bad = minute % 10 < 5
        window.cells[:] = [ratio(PAYMENTS, 1000 + minute, 300 if bad else 1)]
        world.happens(beside=[window])
    told = world.new()
    assert [each["event"] for each in told] == ["pending", "fired", "resolved"] * (len(told) // 3)
    assert len({(each["id"], each["sequence"]) for each in told}) == len(told)
    assert {each["sequence"] for each in told if each["event"] == "pending"} == {1}


def test_a_few_bad_minutes_of_a_project_that_is_quiet_then_are_over_soon() -> None:
    world = World()
    for _ in range(3):
        pays(world, 20, 15)
    for minute in range(60):
        world.happens(*([ratio(PAYMENTS, 1, 0)] if minute % 30 == 0 else []))
    told = world.new()
    assert [each["event"] for each in told] == ["fired", "resolved"]
    assert told[1]["window"]["end"] <= T + 22 * MINUTE


def test_where_little_happens_hours_and_days_are_judged() -> None:
    world = World()
    cells = [ratio(PAYMENTS, 1, 1)]
    for minute in range(4 * 60):
        hour = Window(project="shop", grain="hour", start=world.at - world.at % HOUR, cells=[])
        if minute % 12 == 0:
            at = minute // 12
            hour.cells.append(ratio(PAYMENTS, at % 5 + 1, at % 5 + 1))
        world.happens(*(cells if minute % 12 == 0 else []), beside=[hour])
    [alert] = world.new()
    assert (alert["severity"], alert["count"], alert["value"]) == ("critical", 20, 1.0)
    assert alert["window"]["grain"] == "hour"
    assert alert["windows"] == [f"{PAYMENTS}///hour/{T + hour * HOUR}" for hour in range(4)]
    assert "over 6 hours" in alert["message"]


def test_fewer_than_enough_say_nothing_and_end_what_was_said() -> None:
    world = World()
    pays(world, 19, 19)
    assert world.events() == []
    pays(world, 1, 1)
    assert world.events() == [("fired", "critical")]
    world.passes(world.at + 2 * HOUR)
    [over] = world.new()
    assert over["event"] == "resolved"
    assert over["message"].endswith("is over: too little has happened since to tell.")


@pytest.mark.parametrize("hours", [1, 3])
def test_what_ends_while_nobody_looks_is_told_by_the_windows_that_ended_it(hours: int) -> None:
    """As after a backlog: the watermark passes the recovery, and the quiet time after it, in one step."""
    world = World()
    for _ in range(3):
        pays(world, 40, 20)
    assert world.events() == [("fired", "critical")]
    begin = world.at
    minutes = [
        Window(
            project="shop",
            grain="minute",
            start=begin + at * MINUTE,
            cells=[ratio(PAYMENTS, 20, at % 3 // 2)],
        )
        for at in range(30)
    ]
    world._say(begin + hours * HOUR, *minutes)
    [over] = world.new()
    # Two minutes of the spike among 15 are 44 failures of 340, one is 24 of 320.
    assert (over["event"], over.get("reason")) == ("resolved", None)
    assert (over["value"], over["count"]) == (24 / 320, 320)
    assert over["window"] == {"grain": "minute", "start": begin - MINUTE, "end": begin + 14 * MINUTE}
    assert len(over["windows"]) == 15
    assert over["message"] == "payment_failure_rate of project shop is back to 7.5% (limit 10.0%)."


def test_what_is_bad_again_is_not_over_by_what_was_well_in_between() -> None:
    world = World()
    for _ in range(3):
        pays(world, 40, 20)
    assert world.events() == [("fired", "critical")]
    begin = world.at
    # Well for 20 minutes, bad for three, then well for 16, then nothing.
    shares = [0] * 20 + [20] * 3 + [0] * 16
    minutes = [
        Window(project="shop", grain="minute", start=begin + at * MINUTE, cells=[ratio(PAYMENTS, 40, part)])
        for at, part in enumerate(shares)
    ]
    world._say(begin + 2 * HOUR, *minutes)
    *_, over = world.new()
    assert over["event"] == "resolved"
    # Two minutes of the second spike among 15 are 40 of 600.
    assert (over["value"], over["window"]["end"]) == (40 / 600, begin + 36 * MINUTE)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**9), st.sampled_from([0, 10, 60]))
def test_as_a_plain_computation_over_the_minutes_has_it_however_often_it_starts_again(
    seed: int, quiet: int
) -> None:
    draw = random.Random(seed)
    rate, minutes = 0.05, []
    for _ in range(150):
        if draw.random() < 0.1:
            rate = draw.choice([0.0, 0.05, 0.09, 0.12, 0.3])
        whole = draw.choice([0, 1, 3, 10, 40])
        minutes.append((whole, sum(draw.random() < rate for _ in range(whole))))
    world = World()
    rule = AlertRule(
        project="shop",
        name=PAYMENTS,
        metric=PAYMENTS,
        condition=Threshold(warning=0.1, critical=0.2),
        spans=(15, 60),
        at_least=20,
        quiet_s=60 * quiet,
    )
    configure(world.configuration, rule.id, rule)
    found = []
    for at, (whole, part) in enumerate(minutes):
        cells = [ratio(PAYMENTS, whole, part)] if whole else []
        world.happens(*cells, restart=draw.random() < 0.2)
        found += [(each["event"], at) for each in world.new()]
    assert found == [(each.event, each.at) for each in plain_events(minutes, quiet=quiet)]


@pytest.mark.parametrize("grain", ["hour", "day"])
@pytest.mark.parametrize("restart", [False, True])
def test_an_open_window_is_judged_on_when_an_alert_on_the_one_before_is_over(
    grain: Any, restart: bool
) -> None:
    """When it ended the one that is open was not bad; what happens in the rest of that is another matter."""
    size = HOUR if grain == "hour" else DAY
    world = World(at=T - T % size)
    rule = AlertRule(
        project="shop",
        name=PAYMENTS,
        metric=PAYMENTS,
        condition=Threshold(warning=0.1),
        grain=grain,
        at_least=20,
        quiet_s=0,
    )
    configure(world.configuration, rule.id, rule)
    begin = world.at

    def said(start: int, now: int, whole: int, part: int) -> list[tuple[str, str]]:
        if restart:
            world.merge.restart()
        cells = [ratio(PAYMENTS, whole, part)]
        world._say(now, Window(project="shop", grain=grain, start=start, cells=cells))
        return world.events()

    second, third = begin + size, begin + 2 * size
    assert said(begin, begin + size // 2, 100, 50) == [("fired", "warning")]
    assert said(second, second + size // 2, 100, 0) == []
    # Two minutes into the third it is known that the second was well.
    assert said(third, third + 2 * MINUTE, 30, 0) == [("resolved", "warning")]
    # The rest of the third is bad: nobody had been told of it otherwise.
    assert said(third, third + size // 2, 100, 60) == [("fired", "warning")]
    assert said(third, third + size // 2 + MINUTE, 110, 60) == []


def test_what_an_alert_was_about_is_not_judged_again_within_longer_windows() -> None:
    """The hour in which some minutes were bad goes on to hold them, and is no reason to fire once more."""
    world = World(at=T - T % HOUR)
    rule = AlertRule(
        project="shop",
        name=PAYMENTS,
        metric=PAYMENTS,
        condition=Threshold(warning=0.1),
        spans=(5,),
        longer=(Span(grain="hour"),),
        at_least=50,
        quiet_s=0,
    )
    configure(world.configuration, rule.id, rule)
    hour = Window(project="shop", grain="hour", start=world.at, cells=[])
    whole = part = 0
    for minute in range(50):
        more = (40, 20 if minute in (5, 6) else 0) if minute < 20 else (4, 0)
        whole, part = whole + more[0], part + more[1]
        # As a whole it has been bad until its eighth minute, and is bad enough no more at its end.
        hour.cells[:] = [ratio(PAYMENTS, min(whole, 380), part)]
        world.happens(ratio(PAYMENTS, *more), beside=[hour])
    assert [event for event, _ in world.events()] == ["fired", "resolved"]


def test_a_country_of_its_own_rule_has_an_alert_of_its_own() -> None:
    world = World()
    rule = AlertRule(
        project="shop",
        name="failures_by_country",
        metric=PAYMENTS,
        condition=Threshold(warning=0.5),
        by="country",
        at_least=10,
    )
    configure(world.configuration, rule.id, rule)
    world.happens(
        ratio(PAYMENTS, 100, 1),
        ratio(PAYMENTS, 20, 18, value="IN"),
        ratio(PAYMENTS, 20, 19, value="PT"),
        ratio(PAYMENTS, 20, 2, value="FR"),
        ratio(PAYMENTS, 5, 5, value="DE"),
    )
    alerts = [each for each in world.new() if each["rule"] == rule.name]
    assert {each["dimensions"]["country"]: each["value"] for each in alerts} == {"IN": 0.9, "PT": 0.95}
    assert {each["rule_version"] for each in alerts} == {"v0"}
    assert alerts[0]["windows"] == [f"{PAYMENTS}/country/IN/minute/{T}"]
    assert "(country IN)" in alerts[0]["message"]


def test_below_a_limit() -> None:
    world = World()
    rule = AlertRule(
        project="shop",
        name="few_orders",
        metric="events",
        condition=Threshold(direction="below", warning=10, critical=5),
    )
    configure(world.configuration, rule.id, rule)
    seen = []
    for count in (20, 9, 4, 10, 10, 12, 12):
        world.happens(Cell("events", "", "", count))
        seen.append([event for event, _ in world.events()])
    # Each minute is judged when it is over, and the next one is, too: its events may come late.
    assert seen == [[], [], ["fired"], ["worse"], [], [], ["resolved"]]


# Refused records.


def refusals(received: int, **reasons: int) -> list[Cell]:
    cells = [Cell("records_received", "", "", received)]
    cells.append(Cell("records_rejected", "", "", sum(reasons.values())))
    return [*cells, *(Cell("records_rejected", "reason", reason, n) for reason, n in reasons.items())]


def test_too_many_refused_records_alert_and_say_what_to_do() -> None:
    world = World()
    world.happens(*refusals(400, not_json=24))
    [alert] = world.new()
    assert alert["dimensions"] == {"reason": "not_json"}
    assert (alert["severity"], alert["value"], alert["count"]) == ("warning", 0.06, 24)
    assert alert["message"] == (
        "The share of records of project shop that were refused as not_json is 6.0% over a minute (limit "
        "5.0%): see `loopin dlq list --reason not_json --project shop`."
    )


def test_records_that_name_no_project_have_a_sentence_of_their_own() -> None:
    world = World(project="")
    world.happens(*refusals(100, not_json=100))
    [alert] = world.new()
    assert alert["severity"] == "critical"
    assert alert["message"].startswith("The share of records that name no project")
    assert "--project" not in alert["message"]


@pytest.mark.parametrize(
    ("received", "refused", "severities"),
    [
        (400, 19, []),
        (4001, 200, []),
        (400, 20, ["warning"]),
        (400, 199, ["warning"]),
        (400, 200, ["critical"]),
    ],
)
def test_the_share_and_the_number_decide(received: int, refused: int, severities: list[str]) -> None:
    world = World()
    world.happens(*refusals(received, a=refused))
    assert [severity for _, severity in world.events()] == severities


def test_each_reason_alerts_for_itself_and_a_few_in_a_minute_add_up_to_an_hours() -> None:
    world = World()
    for _ in range(4):
        world.happens(*refusals(10, a=4, b=6, c=0))
    alerts = world.new()
    assert [(each["dimensions"]["reason"], each["count"]) for each in alerts] == [("b", 24)]
    world.happens(*refusals(10, a=4))
    [alert] = [each for each in world.new() if each["event"] == "fired"]
    assert (alert["dimensions"]["reason"], alert["count"], alert["value"]) == ("a", 20, 20 / 50)


def test_limits_of_a_project_and_of_one_of_its_reasons() -> None:
    def reasons(project: str, refused: int) -> set[str]:
        limits = InvalidRatioLimits(0.2, {"shop": 0.6, "shop/a": 1.0, "demo/b": 0.01, "quiet": 1.0})
        world = World(Merge(1, limits=limits), project)
        world.happens(*refusals(1000, a=refused, b=refused))
        return {each["dimensions"]["reason"] for each in world.new()}

    assert reasons("other", 199) == set()
    assert reasons("other", 200) == {"a", "b"}
    assert reasons("demo", 21) == {"b"}
    assert reasons("shop", 599) == set()
    assert reasons("shop", 600) == {"b"}
    assert reasons("quiet", 1000) == set()


def test_a_projects_own_rule_says_itself_how_many_may_be_refused() -> None:
    world = World(Merge(1, limits=InvalidRatioLimits(0.05)))
    own = AlertRule(
        project="shop",
        name="invalid_ratio",
        metric="invalid_ratio",
        by="reason",
        condition=Threshold(warning=0.4),
        at_least=20,
    )
    configure(world.configuration, own.id, own)
    world.happens(*refusals(400, a=100))
    assert world.new() == []
    world.happens(*refusals(400, a=170))
    [alert] = world.new()
    assert alert["threshold"] == 0.4


# Absence.


def test_nothing_for_a_quarter_of_an_hour_after_plenty_is_told_until_something_comes() -> None:
    world = World()
    for _ in range(20):
        world.happens(Cell("events", "", "", 50))
    for _ in range(15):
        world.happens()
    # The minute that is over last is known to be empty once the watermark has passed it.
    assert world.new() == []
    world.happens()
    [alert] = world.new()
    assert (alert["rule"], alert["event"], alert["severity"], alert["value"]) == (
        "events_absent",
        "fired",
        "critical",
        0,
    )
    assert alert["window"] == {"grain": "minute", "start": T + 20 * MINUTE, "end": T + 35 * MINUTE}
    for _ in range(40):
        world.happens(restart=True)
    assert world.new() == []
    world.happens(Cell("events", "", "", 1))
    assert world.events() == [("resolved", "critical")]


def test_another_outage_within_the_quiet_time_is_told_when_that_is_over() -> None:
    world = World()
    for minute in range(200):
        there = minute < 60 or 80 <= minute < 110
        world.happens(*([Cell("events", "", "", 50)] if there else []), restart=minute % 7 == 0)
    told = [(each["event"], (each["opened_at"] - T) // MINUTE) for each in world.new()]
    assert [event for event, _ in told] == ["fired", "resolved", "fired"]
    assert told[0] == ("fired", 76)
    # Over since minute 80, and quiet for an hour.
    assert told[2][1] in (140, 141)


def test_little_before_is_no_absence_after() -> None:
    world = World()
    for _ in range(20):
        world.happens(Cell("events", "", "", 39))
    world.passes(world.at + HOUR)
    assert world.new() == []


def test_another_projects_events_do_not_hide_it() -> None:
    world = World()
    rule = AlertRule(
        project="shop", name="no_login", metric="events", by="event", condition=Absence(windows=3, least=2)
    )
    configure(world.configuration, rule.id, rule)
    login, other = Cell("events", "event", "login", 2), Cell("events", "event", "click", 5)
    for _ in range(4):
        world.happens(login, other)
    for _ in range(5):
        world.happens(other)
    [alert] = world.new()
    assert alert["dimensions"] == {"event": "login"}


# Changes.


@pytest.mark.parametrize(
    ("values", "severities"),
    [
        ([100, 49], ["warning"]),
        ([100, 51], []),
        ([100, 10], ["critical"]),
        ([100, None], ["critical"]),
        ([100, 400], []),
        ([19, 1], []),
        ([100, 40, 40], ["warning"]),
    ],
)
def test_a_closed_window_against_the_one_before(values: list[int | None], severities: list[str]) -> None:
    world = World()
    rule = AlertRule(
        project="shop",
        name="drop",
        metric="events",
        condition=Change(direction="down", warning=0.5, critical=0.8),
        grain="hour",
        at_least=20,
    )
    configure(world.configuration, rule.id, rule)
    for value in values:
        cells = [] if value is None else [Cell("events", "", "", value)]
        world.happens(*cells, grain="hour", restart=True)
    world.passes(world.at + MINUTE)
    fired = [each for each in world.new() if each["rule"] == "drop" and each["event"] == "fired"]
    assert [each["severity"] for each in fired] == severities


def test_days_against_a_week_ago() -> None:
    world = World()
    for day in range(9):
        world.happens(Cell("events", "event", "user_signed_up", 100 if day < 7 else 45), grain="day")
    world.passes(world.at + MINUTE)
    alerts = [each for each in world.new() if each["rule"] == "registrations_drop"]
    assert [(each["event"], each["value"], each["threshold"]) for each in alerts] == [("fired", 45, 50)]
    assert alerts[0]["window"]["start"] == T + 7 * DAY


# Anomalies.


def test_an_hour_out_of_its_season_says_what_was_expected() -> None:
    world = World()
    rule = AlertRule(project="shop", name="odd", metric="events", condition=Anomaly(), grain="hour")
    configure(world.configuration, rule.id, rule)
    off = AlertRule(
        project="shop", name="events_anomaly", metric="events", condition=Anomaly(), enabled=False
    )
    configure(world.configuration, off.id, off)
    draw = random.Random(5)
    for hour in range(24 * 28 + 13):
        usual = 400 if 8 <= hour % 24 < 20 else 60
        world.happens(Cell("events", "", "", usual + draw.randrange(-15, 16)), grain="hour")
    assert world.events() == []
    world.happens(Cell("events", "", "", 1500), grain="hour", restart=True)
    world.happens(Cell("events", "", "", 395), grain="hour")
    world.passes(world.at + MINUTE)
    fired, resolved = world.new()
    assert (fired["event"], fired["severity"], fired["value"]) == ("fired", "critical", 1500)
    assert 300 < fired["expected"]["low"] < 400 < fired["expected"]["high"] < 500
    assert "was expected" in fired["message"]
    assert resolved["event"] == "resolved"


# What people do.


def test_an_alert_whose_rule_is_about_something_else_now_is_over() -> None:
    world = World()
    rule = AlertRule(
        project="shop", name="mine", metric=PAYMENTS, condition=Threshold(warning=0.5), by="country"
    )
    configure(world.configuration, rule.id, rule)
    world.happens(ratio(PAYMENTS, 100, 90, value="IN"))
    assert world.events() == [("fired", "warning")]
    for by in ("city", ""):
        configure(world.configuration, rule.id, msgspec.structs.replace(rule, by=by))
        world.second()
        assert [event for event, _ in world.events()] == ["resolved"]
        configure(world.configuration, rule.id, rule)
        world.happens(ratio(PAYMENTS, 100, 90, value="IN"))
        assert [event for event, _ in world.events()] == ["fired"]


def test_a_rule_that_is_switched_off_ends_its_alert_and_another_may_take_its_place() -> None:
    world = World()
    pays(world, 100, 15)
    assert world.events() == [("fired", "warning")]
    own = AlertRule(
        project="shop", name=PAYMENTS, metric=PAYMENTS, condition=Threshold(warning=0.3), enabled=False
    )
    configure(world.configuration, own.id, own)
    world.second()
    [over] = world.new()
    assert over["event"] == "resolved"
    assert over["reason"] == "the rule was removed, changed or switched off."
    configure(world.configuration, own.id, None, kind="alert_rule")
    world.second()
    pays(world, 100, 15)
    assert world.events() == [("fired", "warning")]
