"""What is told of anomalies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from loopin_schemas.anomaly import Anomaly, OddFeature
from loopin_sinks.anomalies.rows import ANOMALIES, Recorded, anomalies_to_arrow
from loopin_sinks.insights.odd_users import odd_users
from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.store import Store
from tests.migrated import migrated_store
from tests.sinks.anomalies.found import some_anomaly

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC).replace(microsecond=0)
SCOPE = Scope(project="shop", zone=UTC, now=NOW, as_set=True)
HOUR_AGO = epoch_ms(NOW - timedelta(hours=1))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("odd_users"), migrated) as store:
        yield store


@pytest_asyncio.fixture(loop_scope="module")
async def store(opened: Store) -> Store:
    await opened.command("TRUNCATE TABLE anomalies")
    return opened


async def keep(store: Store, *found: Anomaly) -> None:
    rows = anomalies_to_arrow([Recorded(one, n) for n, one in enumerate(found)], 0)
    await store.insert(ANOMALIES, rows, token=str(uuid4()))


async def test_an_insight_says_what_and_how_sure_and_where_it_comes_from(store: Store) -> None:
    await keep(store, some_anomaly(HOUR_AGO), some_anomaly(HOUR_AGO, project="other"))
    (found,) = await odd_users(store, SCOPE)
    assert found.id == f"shop/anomaly/asha/impossible_travel/{HOUR_AGO}"
    assert (found.insight_type, found.target_type, found.target_id) == ("anomaly", "user", "asha")
    assert found.title == "asha was in places too far apart"
    assert found.description.endswith("5,570 km in 60 minutes, 5,470 km/h at least.")
    assert found.priority == "high"
    # 0.5 at the limit; this is 5.47 times as much.
    assert found.confidence_score == pytest.approx(5.47 / 6.47, abs=1e-4)
    assert found.created_at == HOUR_AGO
    assert found.expires_at - found.created_at == 7 * 86_400_000
    evidence = found.evidence
    assert (evidence.metric, evidence.grain) == ("impossible_travel", "moment")
    assert (evidence.start, evidence.value, evidence.expected) == (HOUR_AGO, 5470.0, 1000.0)
    assert (evidence.model_version, evidence.since) == ("rules 1", HOUR_AGO - 3_600_000)


async def test_the_path_of_a_user_is_one_whatever_the_id_is(store: Store) -> None:
    await keep(store, some_anomaly(HOUR_AGO, distinct_id="a/b c?"))
    (found,) = await odd_users(store, SCOPE)
    assert found.suggested_actions[-1] == "See what the user did: /api/analytics/users/a%2Fb%20c%3F."


async def test_only_those_of_the_last_week_are_told(store: Store) -> None:
    before = epoch_ms(NOW - timedelta(days=7, seconds=1))
    await keep(store, some_anomaly(before), some_anomaly(epoch_ms(NOW + timedelta(seconds=1))))
    assert await odd_users(store, SCOPE) == []


async def test_each_kind_has_its_words(store: Store) -> None:
    silent = (
        OddFeature(name="chance_of_so_long_a_silence", value=0.0001, usual=0.0002, weight=1),
        OddFeature(name="days_away", value=9.4),
        OddFeature(name="active_days_a_week_before", value=5.5),
    )
    odd = (
        OddFeature(name="errors", value=60.0, usual=0.0, weight=0.9),
        OddFeature(name="events", value=64.0, usual=8.0, weight=0.1),
    )
    await keep(
        store,
        some_anomaly(HOUR_AGO, kind="sudden_inactivity", score=0.0001, threshold=0.0002, features=silent),
        some_anomaly(HOUR_AGO, kind="odd_session", score=12.0, threshold=8.0, features=odd),
    )
    by_kind = {one.evidence.metric: one for one in await odd_users(store, SCOPE)}
    silence, session = by_kind["sudden_inactivity"], by_kind["odd_session"]
    assert silence.description.endswith("away for 9 days, after 5.5 active days a week.")
    assert silence.confidence_score == pytest.approx(0.9999)
    assert session.description.endswith("errors 60 (0 is usual), events 64 (8 is usual).")
    assert session.confidence_score == pytest.approx(0.6)
