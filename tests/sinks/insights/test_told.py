"""Each state of an insight is on the topic once, whatever becomes of those who tell of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec
import pytest

from loopin_schemas.insight import Evidence, Insight
from loopin_sinks.insights.told import InsightTeller
from loopin_sinks.settings import SinkSettings
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.committed import committed_records

NOW = datetime.now(UTC).replace(microsecond=0)
NOW_MS = round(NOW.timestamp() * 1000)
WEEK = timedelta(days=7)


class Broker(Protocol):
    @property
    def bootstrap(self) -> str: ...


class Stopped(Exception):
    """Whoever told is gone."""


@pytest.fixture
def settings(kafka: Broker, topic_prefix: str) -> SinkSettings:
    found = SinkSettings.model_validate({"kafka_bootstrap": kafka.bootstrap, "topic_prefix": topic_prefix})
    TopicAdmin(found).apply()
    return found


def found(number: int, value: float = 100.0, project: str = "shop") -> Insight:
    return Insight(
        id=f"{project}/metric_change/dau/{number}", project=project, insight_type="metric_change",
        target_id="dau", title="DAU was unusually low", description="", confidence_score=0.99,
        is_actionable=True, suggested_actions=("See its days.",), priority="high", created_at=NOW_MS,
        evidence=Evidence(metric="dau", grain="day", start=0, value=value, calculated_at=1, expected=201.0),
        expires_at=NOW_MS + 7 * 86_400_000,
    )  # fmt: skip


def told(settings: SinkSettings) -> list[dict[str, Any]]:
    """What a plain client finds on the topic."""
    records = committed_records(settings.kafka_bootstrap, settings.topic("insights"))
    assert all(json.loads(value or b"")["id"] == (key or b"").decode() for key, value in records)
    return [json.loads(value or b"") for _, value in records]


def states(settings: SinkSettings) -> list[tuple[str, float, bool]]:
    return [(each["id"][-1], each["evidence"]["value"], each["withdrawn"]) for each in told(settings)]


async def test_what_is_new_other_or_withdrawn_is_told_once(settings: SinkSettings) -> None:
    first, other = InsightTeller(settings), InsightTeller(settings)
    assert await first.tell(["shop"], [found(1), found(2)], NOW) == 2
    assert await other.tell(["shop"], [found(1), found(2)], NOW) == 0
    assert await other.tell(["shop"], [found(1, 90.0), found(3)], NOW) == 3
    assert await first.tell(["shop"], [found(1, 90.0), found(3)], NOW) == 0
    # Another project's are none of its business, nor is what nobody would ask about any more.
    assert await first.tell(["other"], [], NOW) == 0
    assert await first.tell(["shop"], [], NOW + WEEK) == 0
    assert states(settings) == [
        *(("1", 100.0, False), ("2", 100.0, False)),
        *(("1", 90.0, False), ("3", 100.0, False), ("2", 100.0, True)),
    ]
    expected = json.loads(msgspec.json.encode(found(1)))
    assert told(settings)[0] == {**expected, "withdrawn": False, "version": 1}
    # What held no longer holds again.
    assert await first.tell(["shop"], [found(1, 90.0), found(2), found(3)], NOW) == 1
    assert states(settings)[-1] == ("2", 100.0, False)


async def test_of_what_is_dismissed_nothing_more_is_told(settings: SinkSettings) -> None:
    teller, first = InsightTeller(settings), found(1).id
    assert await teller.tell(["shop"], [found(1), found(2)], NOW) == 2
    assert await teller.tell(["shop"], [found(1, 90.0), found(2, 90.0)], NOW, {first}) == 1
    assert await teller.tell(["shop"], [found(2, 90.0)], NOW, {first}) == 0
    assert states(settings) == [("1", 100.0, False), ("2", 100.0, False), ("2", 90.0, False)]


@pytest.mark.parametrize("at", ["begun", "before_commit", "after_commit"])
async def test_whoever_is_stopped_is_followed_by_one_who_tells_the_rest(
    settings: SinkSettings, at: str
) -> None:
    def stop(point: str) -> None:
        if point == at:
            raise Stopped

    with pytest.raises(Stopped):
        await InsightTeller(settings, stop).tell(["shop"], [found(1), found(2)], NOW)
    assert await InsightTeller(settings).tell(["shop"], [found(1), found(2)], NOW) == (
        0 if at == "after_commit" else 2
    )
    assert [number for number, _, _ in states(settings)] == ["1", "2"]
