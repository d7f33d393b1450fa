"""What is told of anomalies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from loopin_schemas.anomaly import Anomaly, AnomalyKind, OddFeature
from loopin_sinks.anomalies.rows import ANOMALIES, Recorded, anomalies_to_arrow
from loopin_sinks.insights import odd_users as odd_users_module
from loopin_sinks.insights.odd_users import MOST, is_of_odd_user, odd_users
from loopin_sinks.insights.stored import open_insights, replace
from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.store import Store
from tests.migrated import migrated_store
from tests.sinks.anomalies.found import some_anomaly

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC).replace(microsecond=0)
SCOPE = Scope(project="shop", zone=UTC, now=NOW, as_set=True)
HOUR_AGO = epoch_ms(NOW - timedelta(hours=1))
NOON = epoch_ms(NOW.replace(hour=12, minute=0, second=0) - timedelta(days=2))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("odd_users"), migrated) as store:
        yield store


@pytest_asyncio.fixture(loop_scope="module")
async def store(opened: Store) -> Store:
    for table in ("anomalies", "insights"):
        await opened.command(f"TRUNCATE TABLE {table}")
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


@pytest.mark.parametrize(
    ("kind", "values", "says"),
    [
        (
            "burst",
            {"events_in_a_minute": 30.0, "events_in_a_usual_minute": 1.34},
            "30 events within a minute; a usual minute of this user has 1.3 events",
        ),
        (
            "burst",
            {"events_in_a_minute": 30.0, "events_in_a_usual_minute": 1.0},
            "30 events within a minute; a usual minute of this user has 1 event",
        ),
        (
            "burst",
            {"events_in_a_minute": 30.0, "events_in_a_usual_minute": 0.0},
            "30 events within a minute; there is no earlier minute of this user to compare it with",
        ),
        (
            "impossible_travel",
            {"distance_km": 344.0, "minutes_between": 1.0, "speed_kmh": 20640.0},
            "344 km in 1 minute, 20,640 km/h at least",
        ),
    ],
)
async def test_a_sentence_is_one_that_a_person_would_say(
    kind: AnomalyKind, values: dict[str, float], says: str
) -> None:
    features = tuple(OddFeature(name=name, value=value) for name, value in values.items())
    assert odd_users_module.told(some_anomaly(HOUR_AGO, kind=kind, features=features)) == says


async def told(store: Store, now: datetime = NOW) -> set[str]:
    """Ids of what is open after a look, as the task does it."""
    scope = Scope(project="shop", zone=UTC, now=now, as_set=True)
    await replace(store, "shop", await odd_users(store, scope), now, is_of_odd_user)
    return {each.id for each in await open_insights(store, "shop", now)}


def bursts(number: int, at: int = NOON) -> list[Anomaly]:
    """So many users at that second, or shortly before."""
    return [some_anomaly(at - n, kind="burst", distinct_id=f"bot-{at}-{n}") for n in range(number)]


async def test_a_flood_of_one_kind_takes_no_others_place(store: Store) -> None:
    travels = [some_anomaly(NOON - 60_000 * n, distinct_id=f"traveller-{n}") for n in range(1, 4)]
    await keep(store, *travels, *bursts(1_500))
    found = await odd_users(store, SCOPE)
    assert [each.target_id for each in found[:3]] == ["traveller-1", "traveller-2", "traveller-3"]
    # The newest of the others, of that day.
    assert [each.target_id for each in found[3:]] == [f"bot-{NOON}-{n}" for n in range(MOST)]


async def test_what_was_told_stays_however_many_come_after(store: Store) -> None:
    await keep(store, *bursts(MOST - 10, NOON))
    first = await told(store)
    assert len(first) == MOST - 10
    # There is room for ten more, of two hours later.
    await keep(store, *bursts(1_200, NOON + 7_200_000))
    second = await told(store)
    assert second > first
    assert len(second) == MOST
    assert await told(store) == second
    # The next day has room of its own.
    await keep(store, *bursts(5, NOON + 86_400_000))
    third = await told(store)
    assert third > second
    assert len(third) == MOST + 5


async def test_what_an_earlier_release_has_told_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(odd_users_module, "MOST", 2 * MOST)
        await keep(store, *bursts(2 * MOST))
        before = await told(store)
    await keep(store, *bursts(50, NOON + 60_000))
    assert await told(store) == before
    assert len(await told(store)) == 2 * MOST


async def test_one_that_is_not_in_the_store_any_more_is_withdrawn(store: Store) -> None:
    await keep(store, *bursts(3))
    assert len(await told(store)) == 3
    await store.command("TRUNCATE TABLE anomalies")
    assert await told(store) == set()
