"""What a person is used to, read of the store, against plain sums over what all their ids did."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from loopin_schemas.profile import Profile, Score, Session
from loopin_schemas.scores.engagement import engagement_score
from loopin_schemas.scores.engagement_trend import engagement_change, engagement_trend
from loopin_sinks.persons.habits import PriceRange, person_habits
from loopin_sinks.scores.read import ScoredUser, scores_of
from loopin_sinks.store import Store
from tests.migrated import migrated_store
from tests.sinks.persons.lived import lived, store_profiles
from tests.streams.behaviour.plain_habits import ERA_MS, Did, plain_habits

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
START_MS = 735 * ERA_MS
NAMES = (
    "$pageview",
    "$pageview",
    "event_viewed",
    "content_liked",
    "community_left",
    "ticket_purchased",
    "mine",
)


def drawn(seed: int, days: int, begin: int = 0) -> list[Did]:
    """What somebody did on so many days, in order, in visits of three minutes that are hours apart."""
    dice = random.Random(seed)
    log = []
    for day in range(begin, begin + days):
        if dice.random() < 0.6:
            at = START_MS + day * DAY_MS + dice.choice([7, 12, 19, 20]) * HOUR_MS
            for minute in range(dice.randrange(1, 5)):
                about = {
                    "category": dice.choice(["music", "food"]),
                    "community_id": dice.choice(["c-1", "c-2"]),
                    "rating": dice.choice([1, 3, 5]),
                    "price": float(dice.randrange(50)),
                    "amount": float(dice.randrange(1, 90)),
                    "currency": dice.choice(["INR", "EUR"]),
                }
                log.append(Did(dice.choice(NAMES), at + minute * 60_000, about))
    return log


def moment(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("habits"), migrated) as store:
        yield store


def faded(log: Sequence[Did], day: int, half_life: float, names: Sequence[str] = ()) -> float:
    """A sum over all events, each half after so many days."""
    of = [one for one in log if not names or one.name in names]
    return float(sum(0.5 ** ((day - one.at // DAY_MS) / half_life) for one in of))


def worth(log: Sequence[Did], at: int, half_life: float) -> float:
    """Such a sum of one event a day since the first, as an integral."""
    tenure = max((at - min(one.at for one in log)) / DAY_MS, 0.5)
    return float(half_life / 0.6931471805599453 * (1 - 0.5 ** (tenure / half_life)))


def expected_change(log: Sequence[Did]) -> float:
    at = max(one.at for one in log)
    day = at // DAY_MS
    days = [Did("day", each * DAY_MS) for each in {one.at // DAY_MS for one in log}]
    pace = {hl: (faded(log, day, hl), faded(days, day, hl), worth(log, at, hl)) for hl in (10, 25)}
    (events, there, length), (usual_events, usual_there, usual_length) = pace[10], pace[25]
    return engagement_change(
        events / length, usual_events / usual_length, there / length, usual_there / usual_length
    )


def expected_score(log: Sequence[Did]) -> float:
    day = max(one.at for one in log) // DAY_MS
    first = min(one.at for one in log) // DAY_MS
    days = min(28, day - first + 1)
    there = {one.at // DAY_MS for one in log if one.at // DAY_MS > day - days}
    weights = {each: 0.5 ** (day // 28 - each // 28) for each in range(first, day + 1)}

    def a_day(*names: str) -> float:
        done = sum(weights[one.at // DAY_MS] for one in log if one.name in names)
        return float(done / sum(weights.values()))

    likes = a_day("content_liked", "content_commented", "content_shared")
    return engagement_score(len(there), days, a_day("$pageview") * days, likes * days)


async def test_a_person_of_one_id(store: Store) -> None:
    log = drawn(1, 90)
    await store_profiles(store, {"one": lived(log)}, "first")
    found, exact = await person_habits(store, "first", ["one"]), plain_habits(log)
    assert found is not None
    assert found.at == found.last_seen == moment(log[-1].at)
    for counts, sums in (
        (found.actions, exact.actions),
        (found.event_types, exact.event_types),
        (found.communities, exact.communities),
    ):
        assert counts.keys() == sums.keys()
        for name, sum_ in sums.items():
            assert sum_ - 0.25 < counts[name] <= sum_, name
        assert list(counts.values()) == sorted(counts.values(), reverse=True)
    for hour, count in enumerate(found.hours):
        assert exact.hours[hour] - 0.5 < count <= exact.hours[hour]
    for day, count in enumerate(found.weekdays):
        assert exact.weekdays[day] - 0.5 < count <= exact.weekdays[day]
    assert found.bought == {
        code: PriceRange(
            Decimal(str(min(prices))), Decimal(str(max(prices))), len(prices), Decimal(str(sum(prices)))
        )
        for code, prices in sorted(exact.bought.items())
    }
    assert found.viewed.keys() == exact.viewed.keys()
    assert found.engagement_score == pytest.approx(expected_score(log), abs=0.01)
    assert found.engagement_change == pytest.approx(expected_change(log), rel=0.03)
    visits = [
        [one for one in log if one.at // HOUR_MS == hour] for hour in {one.at // HOUR_MS for one in log}
    ]
    assert (found.sessions, found.session_events) == (len(visits), len(log))
    lengths = [visit[-1].at - visit[0].at for visit in visits]
    assert found.session_s == pytest.approx(sum(lengths) / len(lengths) / 1000)
    day = log[-1].at // DAY_MS
    for rating, felt in ((5, found.friendly), (1, found.unfriendly)):
        rated = [one for one in log if one.properties["rating"] == rating]
        assert felt == pytest.approx(faded(rated, day, 25), rel=0.03)
    [row] = await store.query(
        "SELECT engagement_score, toString(engagement_trend) AS trend FROM profiles FINAL "
        "WHERE project = 'first'"
    )
    assert row["engagement_score"] == pytest.approx(found.engagement_score, rel=1e-12)
    assert row["trend"] == engagement_trend(found.engagement_change)


async def test_a_person_of_several_ids(store: Store) -> None:
    logs = {"phone": drawn(2, 30), "desk": drawn(3, 60, begin=30), "old": drawn(4, 9)}
    await store_profiles(store, {each: lived(log) for each, log in logs.items()}, "several")
    found = await person_habits(store, "several", [*logs, "never seen"])
    whole = sorted((one for log in logs.values() for one in log), key=lambda one: one.at)
    exact = plain_habits(whole)
    assert found is not None
    assert found.last_seen == moment(whole[-1].at)
    for name, sum_ in exact.actions.items():
        assert sum_ - 3 * 0.25 < found.actions[name] <= sum_, name
    for hour, count in enumerate(found.hours):
        assert exact.hours[hour] - 3 * 0.5 < count <= exact.hours[hour]
    assert {code: (of.number, float(of.total)) for code, of in found.bought.items()} == {
        code: (len(prices), sum(prices)) for code, prices in exact.bought.items()
    }
    assert found.engagement_score == pytest.approx(expected_score(whole), abs=0.02)
    # Each id is judged by how long it has been there, which the sum of them is not.
    assert found.engagement_change == pytest.approx(expected_change(whole), rel=0.3)


async def test_the_zone_is_the_one_that_was_named_last(store: Store) -> None:
    profiles = {
        "a": lived([Did("click", START_MS, {"$timezone": "Asia/Kolkata"})]),
        "b": lived([Did("click", START_MS + 5, {"$timezone": "Europe/Berlin"})]),
        "c": lived([Did("click", START_MS + 9)]),
    }
    await store_profiles(store, profiles, "zones")
    found = await person_habits(store, "zones", ["c", "a", "b"])
    assert found is not None
    assert found.zone == "Europe/Berlin"


async def test_who_only_has_a_profile_of_before(store: Store) -> None:
    """What an earlier release has stored says nothing of habits, rather than that there are none."""
    await store.command(
        "INSERT INTO profiles (project, distinct_id, first_seen, last_seen, events, revision, _topic_id) "
        "VALUES ('before', 'u', 1000, 2000, 3, 1, generateUUIDv4())"
    )
    assert await person_habits(store, "before", ["u"]) is None
    assert await person_habits(store, "before", ["nobody"]) is None


async def test_a_bot_has_a_profile_and_no_habits(store: Store) -> None:
    profile = Profile(START_MS, START_MS, 1, Session(START_MS, START_MS, 1), START_MS // DAY_MS, b"\x01")
    await store_profiles(store, {"bot": profile}, "bots")
    found = await person_habits(store, "bots", ["bot"])
    assert found is not None
    assert (found.actions, sum(found.hours), found.payment_failures) == ({}, 0, 0)


async def test_the_scores_are_those_of_the_id_that_was_seen_last(store: Store) -> None:
    older, newer = lived([Did("click", START_MS)]), lived([Did("click", START_MS + 7)])
    older.scores = {"churn": Score(0.9, START_MS, 3, (1, -2)), "conversion": Score(0.2, START_MS, 0)}
    newer.scores = {"churn": Score(0.1, START_MS + 7, 4, (-5,))}
    await store_profiles(store, {"a": older, "b": newer}, "scores")
    assert await scores_of(store, "scores", "a", ["a", "b"]) == {
        "churn": ScoredUser("a", 0.1, moment(START_MS + 7), 4, (-5,), moment(START_MS + 7)),
        "conversion": ScoredUser("a", 0.2, moment(START_MS), 0, (), moment(START_MS)),
    }
    assert await scores_of(store, "scores", "x", ["x"]) == {}
