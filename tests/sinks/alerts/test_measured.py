"""Values and denominators of rules on metrics, on the real engine, against the plain computation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from loopin_schemas.alert_rule import AlertRule, Threshold
from loopin_schemas.metrics import CATALOGUE
from loopin_schemas.metrics.custom import CustomMetric, MeanOf, Selection
from loopin_sinks.alerts.measured import Measured
from loopin_sinks.alerts.totals import NotJudged, Total
from loopin_sinks.metric_values.scope import Scope, epoch_ms, from_epoch_ms
from loopin_sinks.store import Store, StoreSettings, open_store
from loopin_streams.kafka.config_state import Configuration
from tests.metrics import plain
from tests.metrics.stored import store_persons
from tests.metrics.worlds import NOW, world
from tests.migrated import fill
from tests.sinks.alerts.planted import DAY, HOUR, MINUTE, store_events
from tests.streams.alerts.world import configure

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORLD = world(1, UTC)
NOW_MS = epoch_ms(NOW)
THIS_DAY, THIS_HOUR, THIS_MINUTE = (NOW_MS - NOW_MS % size for size in (DAY, HOUR, MINUTE))


def scope_of(project: str, now_ms: int) -> Scope:
    return Scope(
        project=project,
        zone=UTC,
        now=from_epoch_ms(now_ms),
        currency=WORLD.currency,
        rates=WORLD.rates,
        internal=sorted(WORLD.internal),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    chosen = StoreSettings(data_dir=tmp_path_factory.mktemp("measured") / "data")
    fill(chosen, migrated)
    opened = open_store(chosen)
    await store_events(opened, WORLD.events)
    await store_persons(opened, WORLD)
    yield opened
    await opened.close()


def rule(metric: str, **more: Any) -> AlertRule:
    given: dict[str, Any] = {"project": "shop", "name": "mine", "condition": Threshold(warning=1)} | more
    return AlertRule(metric=metric, **given)


def moments(*edges: int) -> list[tuple[datetime, datetime]]:
    return [(from_epoch_ms(start), from_epoch_ms(end)) for start, end in zip(edges, edges[1:], strict=False)]


def number_of(*names: str) -> Callable[[datetime, datetime], int]:
    """How many events of these names."""
    return lambda start, end: len(plain.between(WORLD.acts, start, end, *names))


def sessions(start: datetime, end: datetime) -> int:
    return round(plain.calculate("sessions", WORLD, start, end) or 0)


def former(before: int, *names: str) -> Callable[[datetime, datetime], int]:
    """Persons who did something so many to 31 days before the last day."""

    def count(start: datetime, end: datetime) -> int:
        last = (min(end, NOW) - timedelta(milliseconds=1)).date()
        days = {last - timedelta(days=ago) for ago in range(30, before)}
        acts = WORLD.acts if names else WORLD.active
        return len({act.person for act in acts if act.day in days and (not names or act.name in names)})

    return count


def pairs(start: datetime, end: datetime) -> int:
    """Persons and the platform events that they joined before these began."""
    return len(plain.before_begin(WORLD, "event_joined", plain.held(WORLD, start, end)))


DAYS = (THIS_DAY - DAY, THIS_DAY, THIS_DAY + DAY)
HOURS = tuple(range(THIS_HOUR - 40 * HOUR, THIS_HOUR + 2 * HOUR, HOUR))
# In these a platform event starts.
HELD = tuple(range(THIS_DAY - 18 * DAY, THIS_DAY - 14 * DAY, DAY))
HELD_HOURS = tuple(range(THIS_DAY - 17 * DAY, THIS_DAY - 15 * DAY, HOUR))
SLIDING = (THIS_MINUTE - 2777 * MINUTE, THIS_MINUTE + MINUTE)

DENOMINATORS: list[tuple[str, tuple[int, ...], Callable[[datetime, datetime], int]]] = [
    ("slow_response_p95", HOURS, number_of("api_request")),
    ("slow_response_p95", SLIDING, number_of("api_request")),
    ("page_load_p95", HOURS, number_of("page_loaded")),
    ("crash_rate", HOURS, sessions),
    ("crash_rate", DAYS, sessions),
    ("login_failure_rate", SLIDING, number_of("login_failed", "user_logged_in")),
    ("revenue", DAYS, number_of("ticket_purchased", "payment_refunded")),
    ("churn_rate", DAYS, former(60)),
    ("host_dropout_rate", DAYS, former(90, "event_created")),
    ("searches", HOURS, number_of("search_performed")),
    ("attendance_rate", HELD_HOURS, pairs),
    ("attendance_rate", HELD, pairs),
    ("event_success_rate", HELD_HOURS, lambda start, end: len(plain.held(WORLD, start, end))),
]


@pytest.mark.parametrize(("metric", "edges", "number"), DENOMINATORS, ids=lambda each: str(each)[:20])
async def test_values_and_what_they_are_made_of(
    store: Store, metric: str, edges: tuple[int, ...], number: Callable[[datetime, datetime], int]
) -> None:
    measured = Measured(store, scope_of, Configuration)
    found = await measured.totals(WORLD.project, rule(metric), edges, NOW_MS)
    spans = moments(*edges)
    assert [each.keys() for each in found] == [{""}] * len(spans)
    assert [each[""].number for each in found] == [number(*span) for span in spans]
    assert [each[""].value for each in found] == [
        None if value is None else pytest.approx(value)
        for value in (plain.calculate(metric, WORLD, *span) for span in spans)
    ]
    assert any(each[""].number for each in found)


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
async def test_every_metric_can_be_judged(store: Store, metric: Any) -> None:
    measured = Measured(store, scope_of, Configuration)
    [found] = await measured.totals(WORLD.project, rule(metric.name), DAYS[:2], NOW_MS)
    value = plain.calculate(metric.name, WORLD, *moments(*DAYS[:2])[0])
    assert found[""].value == (None if value is None else pytest.approx(value))
    # What has a value is made of something.
    assert found[""].number > 0 or not found[""].value


@pytest.mark.parametrize("metric", ["slow_response_p95", "login_failure_rate", "crash_rate"])
async def test_by_a_dimension_that_the_stream_does_not_know(store: Store, metric: str) -> None:
    measured = Measured(store, scope_of, Configuration)
    edges = (THIS_DAY - 20 * DAY, THIS_DAY + DAY)
    [found] = await measured.totals(WORLD.project, rule(metric, by="city"), edges, NOW_MS)
    assert found.keys() == {"Mumbai", "Berlin"}
    for city, total in found.items():
        expected = plain.calculate_where(metric, WORLD, *moments(*edges)[0], "city", city)
        assert total.value == pytest.approx(expected)
        assert total.number > 0


async def test_a_metric_of_ones_own(store: Store) -> None:
    configuration = Configuration()
    own = CustomMetric(
        project=WORLD.project,
        name="mean_time",
        description="Mean time of requests.",
        definition=MeanOf(Selection(("api_request",)), "duration_ms"),
    )
    measured = Measured(store, scope_of, lambda: configuration)
    with pytest.raises(NotJudged, match="There is no metric mean_time"):
        await measured.totals(WORLD.project, rule("mean_time"), DAYS, NOW_MS)
    configure(configuration, own.id, own)
    found = await measured.totals(WORLD.project, rule("mean_time"), DAYS, NOW_MS)
    assert [each[""].value for each in found] == [
        pytest.approx(plain.calculate("avg_response_time", WORLD, *span)) for span in moments(*DAYS)
    ]
    with pytest.raises(NotJudged, match="no metric mean_time in project other"):
        await measured.totals("other", rule("mean_time"), DAYS, NOW_MS)


async def test_what_cannot_be_told(store: Store) -> None:
    measured = Measured(store, scope_of, Configuration)
    with pytest.raises(NotJudged, match="as a whole, or by country"):
        measured.subject(WORLD.project, rule("searches", by="mood"))
    nowhere = await measured.totals("nobody", rule("searches"), DAYS, NOW_MS)
    assert nowhere == [{"": Total(0, 0.0)}] * 2
    assert (
        await measured.totals("nobody", rule("slow_response_p95"), DAYS, NOW_MS) == [{"": Total(0, None)}] * 2
    )
    assert await measured.totals("nobody", rule("searches", by="city"), DAYS, NOW_MS) == [{}, {}]
