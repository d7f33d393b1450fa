"""What was said stays where nothing is known, but for what may be of another metric of the same name."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from loopin_schemas.insight import Insight, InsightType
from loopin_schemas.metrics import Metric, by_name
from loopin_schemas.metrics.custom import CountOf, CustomMetric, Selection
from loopin_sinks.insights.standing import Known, standing
from loopin_sinks.metric_history.stored import kept_name
from loopin_sinks.metric_values.scope import EPOCH
from tests.api.insights_stored import some_insight

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
NOTHING = Known({}, {}, ())
DAY = (date(2026, 11, 29) - EPOCH).days
TYPES: tuple[InsightType, ...] = ("metric_change", "target_missed", "forecast_off_track")


def told(kind: InsightType, metric: str) -> Insight:
    """An insight of the day before."""
    return some_insight(NOW, insight_type=kind, target_id=metric, id=f"shop/{kind}/{metric}/2026-11-29")


def own(event: str) -> Metric:
    """A metric of a project's own."""
    definition = CountOf(Selection((event,)))
    return CustomMetric(project="shop", name="mine", description="Mine.", definition=definition).metric()


@pytest.mark.parametrize("kind", TYPES)
def test_what_is_said_of_a_metric_of_the_catalogue_stays_until_more_is_known(kind: InsightType) -> None:
    dau = by_name("dau")
    assert dau is not None
    insight = told(kind, "dau")
    assert standing([insight], [dau], NOTHING) == [insight]
    known = Known({"dau": range(DAY - 56, DAY + 1)}, {"dau": [DAY]}, ("dau",))
    assert standing([insight], [dau], known) == []


@pytest.mark.parametrize("kind", TYPES)
def test_what_may_have_been_said_of_a_former_metric_of_the_name_does_not(kind: InsightType) -> None:
    first, second = own("event_joined"), own("payment_failed")
    days = {kept_name(first): range(DAY - 56, DAY + 1)}
    assert standing([told(kind, "mine")], [second], Known(days, {}, ())) == []
