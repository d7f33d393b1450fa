"""What is very far from usual is told before its hour is over, and once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from loopin_schemas.insight import Insight
from loopin_schemas.metrics import by_name
from loopin_schemas.window import MetricWindow
from loopin_sinks.anomalies.rows import ANOMALIES, Recorded, anomalies_to_arrow
from loopin_sinks.insights.anomalies import live_insights, metric_anomalies
from loopin_sinks.insights.stored import open_insights
from loopin_sinks.metric_anomalies.found import MetricAnomaly
from loopin_sinks.metric_anomalies.live import LiveAnomaly
from loopin_sinks.metric_anomalies.settled import settled, settled_of
from loopin_sinks.metric_history.stored import NewValue, keep
from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.store import Store
from loopin_sinks.tasks.by_project import projects_in
from loopin_sinks.tasks.detect_anomalies import AnomalyArguments, detect
from loopin_sinks.tasks.detect_live_anomalies import detect_live
from loopin_sinks.tasks.task import Context
from loopin_streams.kafka.config_state import Configuration
from tests.api.alerts_stored import store_windows
from tests.migrated import migrated_store
from tests.sinks.anomalies.found import some_anomaly
from tests.sinks.metric_anomalies.seasons import HOUR, hours, mean_at
from tests.sinks.personas.stored_events import Done, put

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINUTE = timedelta(minutes=1)
# Twenty minutes into an hour, of today or yesterday: what is older would be gone.
NOW = (datetime.now(UTC) - HOUR).replace(minute=20, second=30, microsecond=0)
END = NOW.replace(minute=18, second=0)
"""The end of the last minute that the stream has passed."""
LEVEL = 300.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("live"), migrated) as store:
        yield store


@pytest_asyncio.fixture(loop_scope="module")
async def store(opened: Store) -> Store:
    for table in ("metric_values", "metric_anomalies", "events", "insights", "metric_windows", "anomalies"):
        await opened.command(f"TRUNCATE TABLE {table}")
    return opened


def context(store: Store, now: datetime) -> Context:
    def scope(project: str, now: datetime) -> Scope:
        return Scope(project=project, zone=UTC, now=now, currency="EUR")

    return Context(store, Configuration(), scope, lambda: now, AnomalyArguments())


async def look(store: Store, now: datetime = NOW) -> list[Insight]:
    await detect_live(context(store, now))
    return await open_insights(store, "shop", now)


async def history(store: Store, until: datetime, project: str = "shop") -> None:
    """Six weeks of page views, hour by hour."""
    metric = by_name("page_views")
    assert metric is not None
    scope = Scope(project=project, zone=UTC, now=NOW, currency="EUR")
    past = hours(until.replace(minute=0), 6 * 168, LEVEL, random.Random(8))
    await keep(store, scope, [NewValue(metric, "hour", at, value, NOW) for at, value in past])


def viewed(times: float, end: datetime = END) -> list[Done]:
    """So many times of what is usual in the hour before; the last of them in its last minute."""
    number = round(times * mean_at(end - HOUR / 2, LEVEL))
    return [Done(f"u{each}", "$pageview", end - (each + 0.5) * HOUR / number) for each in range(number)]


async def passed(store: Store, minute: datetime, project: str = "shop") -> None:
    """The stream has passed this minute, and the sink has stored what follows."""
    window = MetricWindow(
        project=project,
        metric="events",
        grain="minute",
        start=epoch_ms(minute),
        count=1,
        closed=True,
        revision=1,
    )
    await store_windows(store, [window])
    await put(store, [Done("somebody", "click", minute + MINUTE)], project)


async def test_an_hour_three_times_as_usual_is_told_within_it_and_once(store: Store) -> None:
    await history(store, END)
    await put(store, viewed(3.0))
    await passed(store, END - MINUTE)
    [found] = await look(store)
    assert (found.insight_type, found.target_id, found.priority) == ("anomaly", "page_views", "low")
    times = f"{END - HOUR:%H:%M} to {END:%H:%M}"
    assert f"from {times} (+" in found.title
    assert found.evidence.value == len(viewed(3.0))
    # What it was made by, to what six weeks of noise tell.
    assert found.evidence.expected == pytest.approx(mean_at(END - HOUR / 2, LEVEL), rel=0.3)
    # Five minutes later it is no news.
    later = NOW + 5 * MINUTE
    await put(store, viewed(0.2, END + 5 * MINUTE))
    await passed(store, END + 4 * MINUTE)
    assert await look(store, later) == [found]
    # The sweep of whole hours leaves it, unless there is no such metric any more.
    metric = by_name("page_views")
    assert metric is not None
    scope = Scope(project="shop", zone=UTC, now=later, currency="EUR")
    assert await metric_anomalies(store, scope, [metric], ()) == [found]
    assert await metric_anomalies(store, scope, [], ()) == []


async def test_the_hours_themselves_take_its_place(store: Store) -> None:
    await history(store, END - 3 * HOUR)
    await put(store, viewed(4.0))
    await passed(store, END - MINUTE)
    [live] = await look(store)
    metric = by_name("page_views")
    assert metric is not None
    scope = Scope(project="shop", zone=UTC, now=NOW, currency="EUR")
    hour = END.replace(minute=0)
    kept = [NewValue(metric, "hour", hour - HOUR, 4_000.0, NOW)]
    await keep(store, scope, kept)
    await detect(context(store, NOW + HOUR))
    [whole] = await open_insights(store, "shop", NOW + HOUR)
    assert whole.id != live.id
    assert whole.evidence.start == epoch_ms(hour - HOUR)
    # While they tell, the hour up to now does not tell it again; what is to the other side is another matter.
    again = live_of(live, 1.0)
    assert live_insights(scope, [again], [whole]) == []
    assert len(live_insights(scope, [live_of(live, -1.0)], [whole])) == 1


def live_of(insight: Insight, side: float) -> LiveAnomaly:
    """As it would be found again."""
    metric, of = by_name("page_views"), insight.evidence
    assert metric is not None
    found = MetricAnomaly(
        metric="page_views", grain="hour", start=of.start, value=of.expected * (1 + 0.5 * side),
        expected=of.expected, low=0.9 * of.expected, high=1.1 * of.expected, score=9 * side, confidence=0.99,
        compared=900, calculated_at=of.calculated_at,
    )  # fmt: skip
    return LiveAnomaly(metric, found)


async def test_nothing_is_said_of_what_is_usual_or_new(store: Store) -> None:
    await history(store, END)
    await put(store, viewed(1.05))
    await passed(store, END - MINUTE)
    # The other project has no past.
    await put(store, viewed(5.0), "new")
    await passed(store, END - MINUTE, "new")
    assert await look(store) == []
    assert await open_insights(store, "new", NOW) == []


async def test_nothing_is_said_while_the_stream_or_the_sink_is_behind(store: Store) -> None:
    await history(store, END)
    assert await settled(store, NOW) is None
    # The stream has closed the minute, but its events are not stored: it is no drop.
    late = MetricWindow(
        project="shop", metric="events", grain="minute", start=epoch_ms(END - MINUTE), count=1, closed=True,
        revision=1,
    )  # fmt: skip
    await store_windows(store, [late])
    assert await settled(store, NOW) is None
    assert await look(store) == []
    await put(store, [Done("somebody", "click", END + MINUTE)])
    assert await settled(store, NOW) == END
    # All of it stored, there were no page views indeed.
    [found] = await look(store)
    assert (found.evidence.value, found.priority) == (0.0, "high")


async def test_the_sink_may_be_behind_the_stream(store: Store) -> None:
    await passed(store, END - 6 * MINUTE)
    closed = MetricWindow(
        project="shop", metric="events", grain="minute", start=epoch_ms(END - MINUTE), count=1, closed=True,
        revision=1,
    )  # fmt: skip
    await store_windows(store, [closed])
    assert await settled(store, NOW) == END - 5 * MINUTE


async def counted(store: Store, events: list[Done], project: str = "shop") -> None:
    """The stream has counted these, minute by minute, and passed them all."""
    minutes = Counter(epoch_ms(each.at) // 60_000 * 60_000 for each in events)
    windows = [
        MetricWindow(
            project=project,
            metric="events",
            grain="minute",
            start=start,
            count=count,
            closed=True,
            revision=1,
        )
        for start, count in minutes.items()
    ]
    await store_windows(store, windows)


async def test_a_partition_whose_events_are_stored_late_is_no_drop(store: Store) -> None:
    await history(store, END)
    usual = viewed(1.0)
    # The sink of one partition of two has stored nothing of the last half hour; the other one is current.
    late = [each for number, each in enumerate(usual) if number % 4 and each.at >= END - HOUR / 2]
    stored = [each for each in usual if each not in late]
    await counted(store, usual)
    await put(store, stored)
    await passed(store, END - MINUTE, "other")
    assert await settled(store, NOW) == END
    assert await look(store) == []
    assert await settled_of(store, scope_at(NOW), END) is None
    # Of another project all is there.
    assert await settled_of(store, scope_at(NOW, "other"), END) == END - MINUTE
    await put(store, late)
    assert await settled_of(store, scope_at(NOW), END) == END
    assert await look(store) == []


async def test_a_drop_is_told_when_all_that_was_counted_is_stored(store: Store) -> None:
    await history(store, END)
    few = viewed(0.1)
    await counted(store, few)
    await put(store, few)
    await passed(store, END - MINUTE, "other")
    [found] = await look(store)
    assert found.evidence.value == len(few)


async def test_what_the_stream_does_not_count_makes_up_for_nothing(store: Store) -> None:
    one = Done("somebody", "click", END - MINUTE)
    await counted(store, [one])
    await put(store, [Done("robot", "click", END - MINUTE, {"$is_bot": True}), Done("us", "click", one.at)])
    ours = replace(scope_at(NOW), internal=("us",))
    assert await settled_of(store, ours, END) == END - MINUTE
    await put(store, [one])
    assert await settled_of(store, ours, END) == END


def scope_at(now: datetime, project: str = "shop") -> Scope:
    return Scope(project=project, zone=UTC, now=now, currency="EUR")


async def test_odd_users_are_told_of_a_project_that_has_no_events_any_more(store: Store) -> None:
    silent = some_anomaly(epoch_ms(NOW - HOUR), kind="sudden_inactivity", score=0.0001, threshold=0.0002)
    await store.insert(ANOMALIES, anomalies_to_arrow([Recorded(silent, 0)], 0), token="silent")
    [found] = await look(store)
    assert found.target_id == silent.distinct_id


async def test_only_projects_of_late_are_looked_at(store: Store) -> None:
    await put(store, [Done("u", "click", NOW - 40 * 24 * HOUR)], "gone")
    await put(store, [Done("u", "click", NOW)], "here")
    assert await projects_in(store, "events", ()) == ["gone", "here"]
    assert await projects_in(store, "events", (), NOW - HOUR) == ["here"]
    assert await projects_in(store, "events", ("gone",), NOW - HOUR) == []
    await history(store, NOW, "measured")
    assert await projects_in(store, "metric_values", (), NOW - 7 * 24 * HOUR) == ["measured"]
    assert await projects_in(store, "metric_values", (), NOW + HOUR) == []
