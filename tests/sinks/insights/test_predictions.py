"""Users are told of once when their score has crossed its threshold, the likeliest first, so many a day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from loopin_schemas.insight import Insight
from loopin_sinks.insights.predictions import MOST_A_DAY, predictions
from loopin_sinks.insights.stored import open_insights, replace
from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.store import Store
from loopin_streams.learning.features import CONTRASTS
from tests.migrated import migrated_store
from tests.sinks.personas.stored_events import link
from tests.sinks.scored_profiles import Scored, put_scored

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime.now(UTC).replace(hour=6, minute=20, second=0, microsecond=0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("predictions"), migrated) as store:
        yield store


@pytest_asyncio.fixture(loop_scope="module")
async def store(opened: Store) -> Store:
    for table in ("insights", "profiles", "person_distinct_ids"):
        await opened.command(f"TRUNCATE TABLE {table}")
    return opened


async def look(store: Store, now: datetime, project: str = "shop") -> list[Insight]:
    """What holds after a run of the task."""
    scope = Scope(project=project, zone=UTC, now=now)
    await replace(store, project, await predictions(store, scope), now)
    return sorted(await open_insights(store, project, now), key=lambda each: each.id)


def churn(**of: float) -> list[Scored]:
    return [Scored(user, {"churn": chance}) for user, chance in of.items()]


async def test_a_crossing_is_told_once_with_its_reasons(store: Store) -> None:
    at = NOW - HOUR
    await put_scored(store, churn(ann=0.83, bob=0.7, eve=0.2), at)
    [found] = await look(store, NOW)
    assert (found.insight_type, found.target_type, found.target_id) == ("prediction", "user", "ann")
    assert found.title == "ann is likely to leave (83%)"
    assert found.confidence_score == 0.83
    assert found.is_actionable
    assert "/api/analytics/recommendations/ann" in found.suggested_actions[0]
    of = found.evidence
    assert (of.metric, of.value, of.expected, of.model_version) == ("churn_score", 0.83, 0.7, "churn/7")
    assert (of.start, of.calculated_at) == (epoch_ms(at), epoch_ms(at))
    # Reasons 0, -3 and 4: the third contrast (2) speaks against.
    assert [(each.feature, each.effect) for each in of.reasons] == [
        (CONTRASTS[0].name, "raises"),
        (CONTRASTS[2].name, "lowers"),
        (CONTRASTS[4].name, "raises"),
    ]
    assert found.description.endswith(
        " Raised by: days since the last visit; visits in the last days, compared with the weeks before."
        " Lowered by: time since the first visit."
    )
    # Later the score is another one, and the insight stays as it was told.
    await put_scored(store, churn(ann=0.9, bob=0.7, eve=0.2), NOW)
    assert await look(store, NOW + 6 * HOUR) == [found]


async def test_told_again_only_after_it_fell_below_the_lower_threshold(store: Store) -> None:
    def when(days: int) -> datetime:
        return NOW + days * DAY

    async def at(days: int, chance: float) -> list[str]:
        await put_scored(store, churn(ann=chance), when(days) - HOUR)
        return [each.id.rpartition("/")[2] for each in await look(store, when(days))]

    first = f"{when(0):%Y-%m-%d}"
    assert await at(0, 0.8) == [first]
    # Between the two thresholds it goes on, and above again it is no news.
    assert await at(1, 0.65) == [first]
    assert await at(2, 0.75) == [first]
    # It has expired, and the user is at high risk as before: nothing.
    assert await at(9, 0.8) == []
    # Then it fell, and rose again.
    assert await at(10, 0.59) == []
    assert await at(11, 0.65) == []
    assert await at(12, 0.71) == [f"{when(12):%Y-%m-%d}"]
    # It fell while it was open: it is withdrawn.
    assert await at(13, 0.1) == []
    [row] = await store.query("SELECT countIf(withdrawn) AS gone, count() AS all FROM insights FINAL")
    assert (row["gone"], row["all"]) == (2, 2)


async def test_so_many_a_day_and_target_the_likeliest_first(store: Store) -> None:
    users = [Scored(f"u{number:03}", {"churn": 0.71 + number / 1_000}) for number in range(MOST_A_DAY + 10)]
    users += [Scored("buyer", {"churn": 0.1, "conversion": 0.9}, version=0)]
    await put_scored(store, users, NOW - HOUR)
    await put_scored(store, churn(stranger=0.9), NOW - HOUR, project="other")
    found = await look(store, NOW)
    leaving = {each.target_id for each in found if each.evidence.metric == "churn_score"}
    assert leaving == {f"u{number:03}" for number in range(10, MOST_A_DAY + 10)}
    [buying] = [each for each in found if each.evidence.metric == "conversion_score"]
    # A rule of thumb is not calibrated, and so says nothing of how sure it is.
    assert (buying.target_id, buying.evidence.model_version) == ("buyer", "heuristic")
    assert buying.confidence_score == 0.5
    assert await look(store, NOW + 6 * HOUR) == found
    # The others have their turn on the next day.
    next_day = {each.target_id for each in await look(store, NOW + DAY)}
    assert {f"u{number:03}" for number in range(10)} <= next_day


async def test_a_person_of_two_ids_is_told_of_once_by_the_score_seen_last(store: Store) -> None:
    await put_scored(store, churn(phone=0.9), NOW - 3 * DAY)
    await put_scored(store, churn(web=0.1), NOW - HOUR)
    await link(store, [("phone", "web")])
    assert await look(store, NOW) == []


async def test_whoever_has_no_score_any_more_is_done_with(store: Store) -> None:
    await put_scored(store, churn(ann=0.9), NOW - HOUR)
    assert len(await look(store, NOW)) == 1
    await put_scored(store, [Scored("ann", {})], NOW)
    assert await look(store, NOW + HOUR) == []


async def test_old_scores_take_no_room_of_new_ones(store: Store) -> None:
    old = [Scored(f"old{number:03}", {"churn": 0.95}) for number in range(MOST_A_DAY)]
    await put_scored(store, old, NOW - 3 * DAY)
    await put_scored(store, churn(ann=0.8), NOW - HOUR)
    assert [each.target_id for each in await look(store, NOW)] == ["ann"]
