"""What becomes of numbers: alerts that fire once, end once, and survive a restart at any moment."""

from __future__ import annotations

from typing import Any

import pytest

from loopin_schemas.alert_rule import (
    Absence,
    Acknowledgement,
    AlertRule,
    Anomaly,
    Change,
    Silence,
    Threshold,
)
from loopin_sinks.alerts.totals import NotJudged, Total, Totals
from tests.sinks.alerts.judged import Judged, Said
from tests.sinks.alerts.planted import DAY, HOUR, MINUTE, NOW
from tests.streams.alerts.world import configure

START = NOW - NOW % MINUTE
LOOK = 30_000
RESTARTS = pytest.mark.parametrize("restart", [False, True], ids=["goes on", "restarts each time"])


def rule(metric: str = "login_failures_of_one_user", **more: Any) -> AlertRule:
    given: dict[str, Any] = {"condition": Threshold(warning=10, critical=50), "by": "user", "quiet_s": 0}
    return AlertRule(project="shop", name="mine", metric=metric, **given | more)


def happened(*moments: tuple[str, int]) -> Said:
    """Events of users at times: the numbers of a window are how many lie in it."""

    def window(start: int, end: int) -> Totals:
        within = [who for who, at in moments if start <= at < end]
        return {who: Total(within.count(who), float(within.count(who))) for who in within}

    return Said(window)


def burst(who: str, number: int, at: int) -> list[tuple[str, int]]:
    return [(who, at + each) for each in range(number)]


@RESTARTS
async def test_a_burst_fires_once_and_ends_once(restart: bool) -> None:
    said = happened(*burst("mallory", 12, START + 2 * MINUTE), *burst("alice", 9, START + 2 * MINUTE))
    judged = Judged(rule(spans=(5,)), said)
    assert await judged.until(START + 20 * MINUTE, LOOK, restart=restart) == [
        "fired warning",
        "resolved warning",
    ]
    fired, resolved = judged.told
    assert fired["dimensions"] == {"user": "mallory"}
    assert (fired["value"], fired["threshold"], fired["count"]) == (12, 10, 12)
    assert fired["window"].end - fired["window"].start == 5 * MINUTE
    assert fired["at"] < START + 3 * MINUTE
    assert (fired["id"], fired["sequence"], resolved["sequence"]) == (resolved["id"], 1, 2)
    # Nothing of it is kept once it may fire again.
    assert [key for key in judged.state if key.startswith(b"a:")] == []


@RESTARTS
async def test_an_hour_that_ends_does_not_end_an_alert_before_the_next_is_known(restart: bool) -> None:
    """Whatever the clock says, the window of 11 o'clock is looked at until the one of 12 has closed."""
    hour = NOW - NOW % HOUR

    def window(start: int, end: int) -> Totals:
        return {"": Total(500, 2000.0 if start == hour else 100.0)}

    judged = Judged(
        rule("slow_response_p95", by="", grain="hour", condition=Threshold(warning=1000), at_least=20),
        Said(window, kept="value"),
        at=hour + 30 * MINUTE,
    )
    seen = await judged.until(hour + HOUR + 61_000, LOOK, restart=restart)
    assert seen == ["fired warning"]
    assert await judged.until(hour + 4 * HOUR, LOOK, restart=restart) == ["resolved warning"]
    assert judged.told[-1]["resolved_at"] >= hour + 2 * HOUR


async def test_what_is_not_queryable_yet_closes_nothing() -> None:
    hour = NOW - NOW % HOUR
    said = Said(lambda start, _: {"": Total(500, 2000.0 if start == hour else 100.0)})
    judged = Judged(rule("slow_response_p95", by="", grain="hour", condition=Threshold(warning=1000)), said)
    judged.at = hour + 2 * MINUTE
    assert await judged.look() == ["fired warning"]
    judged.at = hour + 5 * HOUR
    assert await judged.look(behind=4 * HOUR) == []
    # The hours that have closed meanwhile are looked at first, the bad one among them.
    assert await judged.look() == []
    assert await judged.look() == ["resolved warning"]


async def test_what_ended_it_while_nobody_looked_is_told_by_its_value_and_window() -> None:
    """An hour is bad, the next two are well, then nothing happens; nobody looks for eight hours."""
    hour = NOW - NOW % HOUR

    def window(start: int, end: int) -> Totals:
        hours = (start - hour) // HOUR
        return {"": Total(500, {0: 2000.0, 1: 120.0, 2: 80.0}[hours])} if 0 <= hours <= 2 else {}

    slow = rule("slow_response_p95", by="", grain="hour", condition=Threshold(warning=1000), at_least=20)
    judged = Judged(slow, Said(window, kept="value"), at=hour + 30 * MINUTE)
    assert await judged.look() == ["fired warning"]
    judged.at = hour + 8 * HOUR + 2 * MINUTE
    assert await judged.look() == [], "the bad hour has closed meanwhile"
    judged.at += LOOK
    assert await judged.look() == ["resolved warning"]
    over = judged.told[-1]
    assert (over["value"], over["count"], over["reason"]) == (120.0, 500, "")
    assert (over["window"].start, over["window"].end) == (hour + HOUR, hour + 2 * HOUR)
    # The next look asks for no more than before.
    judged.said.asked.clear()
    judged.at += LOOK
    assert await judged.look() == []
    assert len(judged.said.asked) == 2


async def test_too_few_say_nothing_and_the_longer_span_is_asked_then() -> None:
    def window(start: int, end: int) -> Totals:
        minutes = (end - start) // MINUTE
        return {"": Total(minutes, 5000.0 if minutes == 60 else 1.0)}

    slow = rule("slow_response_p95", by="", spans=(5, 60), at_least=20, condition=Threshold(warning=1000))
    judged = Judged(slow, Said(window))
    assert await judged.look() == ["fired warning"]
    assert judged.told[0]["count"] == 60
    # Few as they are, they say that it goes on.
    judged.said.of = lambda start, end: {"": Total(3, 9000.0)}
    judged.at += LOOK
    assert await judged.look() == []
    judged.said.of = lambda start, end: {"": Total(3, 9.0)}
    assert await judged.look() == ["resolved warning"]
    assert judged.told[1]["reason"] == "too little has happened since to tell."


async def test_a_lower_limit_is_judged_on_closed_windows_only() -> None:
    hour = NOW - NOW % HOUR

    def window(start: int, end: int) -> Totals:
        return {"": Total(100, 0.0 if start >= hour else 50.0)}

    low = rule("slow_response_p95", by="", grain="hour", condition=Threshold(direction="below", warning=10))
    judged = Judged(low, Said(window), at=hour + HOUR)
    assert await judged.look() == []
    judged.at += MINUTE
    assert await judged.look() == ["fired warning"]


@RESTARTS
async def test_a_rule_that_must_be_true_for_a_while(restart: bool) -> None:
    judged = Judged(rule("stream_lag", by="", for_s=60, condition=Threshold(warning=60)), happened())
    judged.said.lag = Total(7, 75.0)
    seen = []
    for _ in range(65):
        if restart:
            judged.restart()
        seen += await judged.look()
        judged.at += 1000
    assert seen == ["pending warning", "fired warning"]
    assert judged.told[1]["at"] - judged.told[0]["at"] == 60_000
    assert (judged.told[1]["window"].grain, judged.told[1]["count"]) == ("moment", 7)
    judged.said.lag = Total(0, None)
    assert await judged.look() == []
    judged.said.lag = Total(0, 0.0)
    assert await judged.look() == ["resolved warning"]


async def test_health_is_one_number() -> None:
    for wrong in ({"by": "user"}, {"condition": Anomaly(), "by": ""}):
        with pytest.raises(NotJudged, match="one number of the moment"):
            await Judged(rule("freshness", **wrong), happened()).look()


async def test_windows_that_were_missed_are_made_up_for() -> None:
    said = happened(*burst("mallory", 12, START + 10 * MINUTE))
    judged = Judged(rule(), said)
    assert await judged.look() == []
    judged.at = START + 30 * MINUTE
    assert await judged.look() == ["fired warning"]
    assert judged.told[0]["window"].start == START + 10 * MINUTE


@RESTARTS
async def test_an_absence_begins_and_ends(restart: bool) -> None:
    def window(start: int, end: int) -> Totals:
        quiet = range(START + 60 * MINUTE, START + 100 * MINUTE, MINUTE)
        number = sum(minute not in quiet for minute in range(start, end, MINUTE))
        return {"": Total(number, float(number))}

    silent = rule("sessions", by="", condition=Absence(windows=15), at_least=10)
    judged = Judged(silent, Said(window))
    assert await judged.until(START + 70 * MINUTE, LOOK, restart=restart) == []
    assert await judged.until(START + 120 * MINUTE, LOOK, restart=restart) == [
        "fired critical",
        "resolved critical",
    ]
    fired, resolved = judged.told
    assert START + 75 * MINUTE <= fired["at"] <= START + 78 * MINUTE
    assert START + 100 * MINUTE <= resolved["at"] <= START + 101 * MINUTE


@RESTARTS
async def test_a_change_is_judged_once_for_each_closed_window(restart: bool) -> None:
    hour = NOW - NOW % HOUR
    values = {hour: 100, hour + HOUR: 40, hour + 2 * HOUR: 38, hour + 3 * HOUR: 60}

    def window(start: int, end: int) -> Totals:
        number = values.get(start, 100)
        return {"": Total(number, float(number))}

    drop = rule(
        "sessions",
        by="",
        grain="hour",
        condition=Change(direction="down", warning=0.5),
        at_least=20,
    )
    judged = Judged(drop, Said(window), at=hour + 30 * MINUTE)
    assert await judged.until(hour + 5 * HOUR, 10 * MINUTE, restart=restart) == [
        "fired warning",
        "resolved warning",
    ]
    fired, resolved = judged.told
    assert (fired["window"].start, fired["value"], fired["threshold"]) == (hour + HOUR, 40, 50)
    assert resolved["window"].start == hour + 2 * HOUR


@RESTARTS
async def test_a_season_is_learned_from_what_is_stored(restart: bool) -> None:
    """Five weeks are there at the first look; so the first hour that is out of the ordinary is told."""
    hour = NOW - NOW % HOUR
    odd = hour + 3 * HOUR

    def window(start: int, end: int) -> Totals:
        number = 1000 + (start // HOUR * 7919) % 61 + (500 if start // HOUR % 24 == 12 else 0)
        number = number * 4 if start == odd else number
        return {"": Total(number, float(number))}

    judged = Judged(rule("sessions", by="", grain="hour", condition=Anomaly()), Said(window))
    judged.at = hour + 2 * MINUTE
    assert await judged.look() == []
    assert len(judged.said.asked) > 28 * 24
    judged.said.asked.clear()
    seen = await judged.until(hour + 7 * HOUR, 10 * MINUTE, restart=restart)
    assert seen == ["fired critical", "resolved critical"]
    assert judged.told[0]["window"].start == odd
    assert judged.told[0]["expected"].low < 1100 < judged.told[0]["expected"].high < 4000
    assert len(judged.said.asked) < 60 * 7


async def test_hours_that_passed_while_nobody_looked_are_learned_in_order() -> None:
    hour = NOW - NOW % HOUR
    said = Said(lambda start, end: {"": Total(100, 100.0 + start // HOUR % 3)})
    judged = Judged(rule("sessions", by="", grain="hour", condition=Anomaly()), said, at=hour + 2 * MINUTE)
    await judged.look()
    said.asked.clear()
    judged.at += 5 * HOUR
    await judged.look()
    assert [start for start, _ in said.asked] == [hour + each * HOUR for each in range(5)]
    said.asked.clear()
    await judged.look()
    assert said.asked == []


async def test_what_was_before_a_project_began_is_no_season() -> None:
    hour = NOW - NOW % HOUR
    said = Said(lambda start, end: {"": Total(*((9, 9.0) if start >= hour - 3 * HOUR else (0, 0.0)))})
    judged = Judged(rule("sessions", by="", grain="hour", condition=Anomaly()), said, at=hour + 2 * MINUTE)
    await judged.look()
    history = judged.book.histories.of(("shop", judged.rule.name, ""), judged.rule, "count")
    assert history.stored.season is not None
    assert history.stored.season.begun == hour - 3 * HOUR


async def test_people_have_their_say() -> None:
    said = happened(*burst("mallory", 12, START))
    judged = Judged(rule(), said)
    assert await judged.look() == ["fired warning"]
    id = judged.told[0]["id"]
    configure(judged.configuration, id, Acknowledgement(project="shop", sequence=1, at=judged.at), by="ira")
    assert judged.second() == ["acknowledged warning"]
    silence = Silence(project="shop", starts_at=0, ends_at=judged.at + DAY, dimensions={"user": "mallory"})
    configure(judged.configuration, "s", silence)
    assert judged.second() == ["silenced warning"]
    assert judged.told[-1]["acknowledged_by"] == "ira"


async def test_what_is_silenced_is_so_from_its_first_record_on() -> None:
    judged = Judged(rule(), happened(*burst("mallory", 12, START)))
    configure(judged.configuration, "s", Silence(project="shop", starts_at=0, ends_at=NOW + DAY))
    assert await judged.look() == ["fired warning"]
    assert judged.told[0]["silenced"] is True


@pytest.mark.parametrize("enabled", [False, True])
async def test_a_rule_that_is_no_more_or_is_the_streams_now_ends_its_alerts(enabled: bool) -> None:
    judged = Judged(rule(), happened(*burst("mallory", 12, START)))
    assert await judged.look() == ["fired warning"]
    changed = rule("events", by="", enabled=enabled)
    configure(judged.configuration, changed.id, changed)
    assert judged.second() == ["resolved warning"]
    assert judged.told[-1]["reason"] == "the rule was removed, changed or switched off."
    assert judged.second() == []


async def test_nothing_repeats_within_the_quiet_time() -> None:
    said = happened(
        *burst("m", 12, START), *burst("m", 12, START + 10 * MINUTE), *burst("m", 12, START + HOUR)
    )
    judged = Judged(rule(quiet_s=1800), said)
    assert await judged.until(START + 2 * HOUR, LOOK) == ["fired warning", "resolved warning"] * 2
