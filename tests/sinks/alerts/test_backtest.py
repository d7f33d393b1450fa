"""When a rule would have fired, against a plain computation over a planted history."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from msgspec import Raw

from loopin_schemas import EnrichedEvent
from loopin_schemas.alert_rule import Absence, AlertRule, Anomaly, Change, Span, Threshold
from loopin_schemas.window import MetricWindow
from loopin_sinks.alerts.backtest import Backtest, TooMuchHistory, backtest
from loopin_sinks.alerts.replay import StoredWindow, replay
from loopin_sinks.metric_values.scope import Periods, Scope, from_epoch_ms
from loopin_sinks.migrate import migrate
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store, StoreSettings, open_store
from loopin_sinks.window_rows import METRIC_WINDOWS, windows_to_arrow
from loopin_streams.alerts.lifecycle import Rule
from loopin_streams.kafka.config_state import Configuration
from loopin_streams.projects.project import Retention
from tests.streams.alerts.plain import plain_events

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
BEGIN = 1_768_435_200_000
"""2026-01-15T00:00Z."""

MINUTES = 600
RATE = "payment_failure_rate"
TOPIC_ID = "00000000-0000-0000-0000-000000000001"


def payments(minute: int) -> tuple[int, int]:
    """Payments of a minute, and those that failed: badly in the fourth hour, less so in the seventh."""
    dice = Random(minute)
    tried = dice.randrange(1, 8)
    share = 0.9 if 200 <= minute < 215 else 0.16 if 400 <= minute < 430 else 0.01
    return tried, sum(dice.random() < share for _ in range(tried))


PAID = [payments(minute) for minute in range(MINUTES)]
PER_MINUTE = [0 if 300 <= minute < 330 else 20 + minute % 3 for minute in range(MINUTES)]
"""All events of a minute: for half an hour there were none."""


def planted() -> Iterator[MetricWindow]:
    def window(grain: Any, start: int, **fields: Any) -> MetricWindow:
        return MetricWindow(**{"project": "shop", "grain": grain, "start": start, "revision": 2, **fields})

    for minute, ((tried, failed), events) in enumerate(zip(PAID, PER_MINUTE, strict=True)):
        start = BEGIN + minute * MINUTE
        about: dict[str, Any] = {"metric": RATE, "count": tried, "sum": failed * 1_000_000}
        yield window("minute", start, **about)
        yield window("minute", start, **{**about, "revision": 1, "sum": tried * 1_000_000})
        yield window("minute", start, **{**about, "project": "rival", "sum": tried * 1_000_000})
        # One country has all the failures.
        if failed:
            yield window("minute", start, **about, dimension="country", value="IN")
        yield window("minute", start, metric=RATE, count=9, sum=0, dimension="country", value="FR")
        if events:
            yield window("minute", start, metric="events", count=events)
    for hour in range(MINUTES // 60):
        of = slice(hour * 60, hour * 60 + 60)
        tried, failed = (sum(numbers) for numbers in zip(*PAID[of], strict=True))
        start = BEGIN + hour * HOUR
        yield window("hour", start, metric=RATE, count=tried, sum=failed * 1_000_000)
        yield window("hour", start, metric="events", count=sum(PER_MINUTE[of]))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    chosen = StoreSettings(data_dir=tmp_path_factory.mktemp("history") / "data")
    opened = open_store(chosen)
    await migrate(opened, chosen)
    for _, part in by_month(windows_to_arrow([*planted()], lambda _: Retention(3650), 0), "start"):
        await opened.insert(METRIC_WINDOWS, part, token=str(uuid4()))
    rows = to_arrow([*tickets()], 0, range(sum(SOLD)), TOPIC_ID, lambda _: 3650, 0)
    for month, part in by_month(rows):
        await opened.insert("events", part, token=f"{uuid4()}:{month}")
    yield opened
    await opened.close()


async def tried(store: Store, *, since: int = 0, until: int = MINUTES, **fields: Any) -> Backtest:
    """A rule of payments, unless it is another one, over some of the planted minutes."""
    given: dict[str, Any] = {"project": "", "name": "mine", "metric": RATE, "quiet_s": 0, **fields}
    rule = AlertRule(**given)
    span = Periods(tuple(from_epoch_ms(BEGIN + minute * MINUTE) for minute in (since, until)))
    scope = Scope("shop", UTC, from_epoch_ms(BEGIN + 10 * 365 * 24 * HOUR))
    return await backtest(store, scope, Rule(rule, "1"), Configuration, span)


def minutes(found: Backtest) -> list[tuple[int, int | None]]:
    """When episodes fired and ended, in minutes of the planted history."""
    return [
        ((each.fired_at - BEGIN) // MINUTE, each.resolved_at and (each.resolved_at - BEGIN) // MINUTE)
        for each in found.episodes
    ]


@pytest.mark.parametrize(("spans", "least"), [((15,), 20), ((60,), 0), ((5, 30), 25), ((15, 60), 70)])
async def test_a_threshold_over_sliding_windows(store: Store, spans: tuple[int, ...], least: int) -> None:
    expected = plain_events(PAID, spans=spans, least=least)
    found = await tried(store, condition=Threshold(warning=0.1, critical=0.2), spans=spans, at_least=least)
    fired = [each for each in expected if each.event == "fired"]
    assert [each.fired_at for each in found.episodes] == [BEGIN + (each.at + 1) * MINUTE for each in fired]
    assert [each.value for each in found.episodes] == [pytest.approx(each.value) for each in fired]
    over = [BEGIN + (each.at + 1) * MINUTE for each in expected if each.event == "resolved"]
    assert [each.resolved_at for each in found.episodes if each.resolved_at is not None] == over
    worst = sum(each.critical for each in expected)
    assert sum(each.severity == "critical" for each in found.episodes) == worst > 0
    assert found.covered == (from_epoch_ms(BEGIN), from_epoch_ms(BEGIN + MINUTES * MINUTE))
    for each, first in zip(found.episodes, fired, strict=True):
        assert (each.window.end - each.window.start) // MINUTE == first.span
        assert each.windows[-1] == f"{RATE}///minute/{each.window.end - MINUTE}"
        assert len(each.windows) == first.span
        assert each.value is not None
        assert each.peak is not None
        assert each.peak >= each.value


async def test_where_too_little_happens_hours_are_judged(store: Store) -> None:
    longer = (Span(grain="hour"),)
    rule: dict[str, Any] = {"condition": Threshold(warning=0.1), "spans": (1,), "at_least": 50}
    assert (await tried(store, **rule)).episodes == []
    [episode] = (await tried(store, longer=longer, **rule)).episodes
    assert (episode.window.grain, episode.window.start) == ("hour", BEGIN + 3 * HOUR)
    assert 200 <= (episode.fired_at - BEGIN) // MINUTE < 230


async def test_each_value_of_a_dimension_has_episodes_of_its_own(store: Store) -> None:
    found = await tried(store, condition=Threshold(critical=0.5), spans=(15,), by="country", at_least=10)
    assert {each.dimensions["country"] for each in found.episodes} == {"IN"}


async def test_hours_grow_from_their_minutes(store: Store) -> None:
    found = await tried(store, metric="events", grain="hour", condition=Threshold(warning=1000.0))
    totals = [sum(PER_MINUTE[hour * 60 : hour * 60 + 60]) for hour in range(MINUTES // 60)]
    assert [hour for hour, total in enumerate(totals) if total < 1000] == [5]
    within = [sum(PER_MINUTE[hour * 60 : minute]) for hour, minute in ((0, 48), (6, 408))]
    assert all(1000 <= total < 1000 + 22 for total in within)
    # The sixth hour is over, and too small, when the seventh begins; it is known to be so a minute later.
    assert minutes(found) == [(48, 361), (408, None)]


async def test_an_absence_of_what_was_there(store: Store) -> None:
    found = await tried(store, metric="events", condition=Absence(windows=15), at_least=200)
    # Minute 314 is the fifteenth empty one. Two minutes later it is known that nothing came late.
    [(fired, over)] = minutes(found)
    assert (fired, over) == (316, 331)
    assert found.episodes[0].value == 0


async def test_a_change_against_the_window_before(store: Store) -> None:
    found = await tried(
        store,
        metric="events",
        grain="hour",
        condition=Change(direction="down", warning=0.4, critical=0.9),
        at_least=100,
    )
    totals = [sum(PER_MINUTE[hour * 60 : hour * 60 + 60]) for hour in range(MINUTES // 60)]
    fell = [at for at in range(1, len(totals)) if totals[at] <= 0.6 * totals[at - 1]]
    assert fell == [5]
    # An hour is over for all a minute after its end.
    assert [fired for fired, _ in minutes(found)] == [(5 + 1) * 60 + 1]
    assert (found.episodes[0].value, found.episodes[0].severity) == (totals[5], "warning")


async def test_what_began_before_the_time_asked_for_is_told_as_it_is(store: Store) -> None:
    rule: dict[str, Any] = {"condition": Threshold(warning=0.1, critical=0.2), "spans": (15,), "at_least": 20}
    whole = await tried(store, **rule)
    first = minutes(whole)[0]
    assert first[1] is not None
    later = await tried(store, since=first[0] + 2, **rule)
    assert minutes(later) == minutes(whole)
    assert minutes(await tried(store, since=first[1], until=first[1] + 30, **rule)) == []
    [(fired, over)] = minutes(await tried(store, until=first[0] + 2, **rule))
    assert (fired, over) == (first[0], None)


async def test_history_has_its_limits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = await tried(store, since=-3000, until=-1000, condition=Threshold(warning=0.1))
    assert (nothing.episodes, nothing.covered) == ([], None)
    some = await tried(store, since=-3000, until=90, condition=Threshold(warning=0.1))
    assert some.covered == (from_epoch_ms(BEGIN), from_epoch_ms(BEGIN + 90 * MINUTE))
    with pytest.raises(TooMuchHistory, match="at most 31 days"):
        await tried(store, since=-32 * 1440, condition=Threshold(warning=0.1))
    monkeypatch.setattr("loopin_sinks.alerts.backtest.MOST_WINDOWS", 100)
    with pytest.raises(TooMuchHistory, match="give a shorter one"):
        await tried(store, condition=Threshold(warning=0.1))


SOLD = [0, 5, 3, 9, 9, 2, 0, 6]
"""Users who have bought a ticket in each hour."""


def tickets() -> Iterator[EnrichedEvent]:
    at = 0
    for hour, number in enumerate(SOLD):
        for user in range(number):
            ms = BEGIN + hour * HOUR + user * MINUTE
            yield EnrichedEvent(
                project="shop",
                uuid=str(uuid4()),
                event="$pageview",
                distinct_id=f"u{user}",
                timestamp=ms,
                received_at=ms,
                raw_partition=0,
                raw_offset=at,
                properties=Raw(b"{}"),
                session_id=f"{hour}-{user}",
            )
            at += 1


async def test_what_the_store_is_asked_for(store: Store) -> None:
    found = await tried(
        store,
        metric="sessions",
        grain="hour",
        condition=Threshold(warning=5.0, critical=9.0),
        since=30,
        until=8 * 60 + 30,
    )
    # It is looked at every five minutes. The fifth of an hour comes in its fifth minute: when it is known
    # that the third hour had only three, the fourth has five already, and then nine.
    assert minutes(found) == [(65, 365), (425, None)]
    assert [(each.severity, each.peak) for each in found.episodes] == [("critical", 9), ("warning", 6)]
    hour = timedelta(hours=1)
    begin = datetime(2026, 1, 15, tzinfo=UTC)
    assert found.covered == (begin + 0.5 * hour, begin + 8.5 * hour)


@pytest.mark.scenario
async def test_those_who_have_left_are_a_share_of_those_who_were_there(store: Store) -> None:
    """All nine came on 15 January only: they have left from 14 February on, until nobody knows of them."""
    rule: dict[str, Any] = {"metric": "churn_rate", "grain": "day", "condition": Threshold(critical=0.5)}
    within: dict[str, Any] = {"since": 20 * 1440, "until": 80 * 1440}
    [episode] = (await tried(store, **rule, at_least=9, **within)).episodes
    # A day is judged while it goes on, and well once it is over: every few hours over so long a time.
    assert episode.value == 1
    assert BEGIN + 30 * DAY < episode.fired_at <= BEGIN + 31 * DAY
    assert episode.resolved_at is not None
    assert BEGIN + 60 * DAY < episode.resolved_at <= BEGIN + 61 * DAY + 12 * HOUR
    assert (await tried(store, **rule, at_least=10, **within)).episodes == []


async def test_the_store_is_asked_for_so_many_windows(store: Store) -> None:
    with pytest.raises(TooMuchHistory, match="at most 41 days"):
        await tried(store, metric="sessions", grain="hour", condition=Threshold(warning=1.0), since=-61_000)
    security: dict[str, Any] = {"metric": "exports_of_one_user", "by": "user", "spans": (60,)}
    # An hour's span is known for two hours before.
    with pytest.raises(TooMuchHistory, match="at most 6 hours"):
        await tried(store, condition=Threshold(warning=1.0), until=6 * 60 + 1, **security)
    with pytest.raises(TooMuchHistory, match="more than the 500 windows"):
        await tried(store, condition=Threshold(warning=1.0), until=5, **security, for_s=40_000)
    assert (await tried(store, condition=Threshold(warning=1.0), until=5, **security)).episodes == []


async def test_an_hour_unlike_its_season_is_told(store: Store) -> None:
    week = 7 * 24
    spikes = (5 * week + 30, 5 * week + 90)
    windows = [
        StoredWindow("hour", BEGIN + hour * HOUR, ("events", "", ""), number, None)
        for hour in range(6 * week)
        for number in (1000 + 400 * (hour % 24 in range(9, 18)) + Random(hour).randrange(-20, 21),)
    ]
    odd = [
        window._replace(number=3 * window.number) if at in spikes else window
        for at, window in enumerate(windows)
    ]
    rule = Rule(AlertRule(project="", name="mine", metric="events", grain="hour", condition=Anomaly()), "1")
    end = BEGIN + 6 * week * HOUR
    found = replay(rule, "shop", odd, BEGIN, end)
    # An hour is over for all a minute after its end; the next one, as usual, ends it.
    assert [(each.fired_at - BEGIN - MINUTE) // HOUR - 1 for each in found] == [*spikes]
    assert {each.severity for each in found} == {"critical"}
    assert [each.value for each in found] == [float(odd[at].number) for at in spikes]
    assert replay(rule, "shop", windows, BEGIN, end) == []
