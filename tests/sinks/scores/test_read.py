"""Scores of persons of one id and of several, against what plain Python makes of the same profiles."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from loopin_schemas.profile import HIGH_RISK, Profile, Score
from loopin_sinks.insights.predictions import THRESHOLDS, predictions
from loopin_sinks.insights.stored import replace
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.scores.read import (
    ScoredUser,
    counted_scores,
    crossed,
    fallen,
    score_of,
    scored_users,
    scores_of,
)
from loopin_sinks.store import Store
from tests.api.scores_stored import scored
from tests.migrated import migrated_store
from tests.sinks.personas.stored_events import link
from tests.sinks.persons.lived import store_profiles

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC).replace(hour=6, minute=0, second=0, microsecond=0)
NOBODY = "shop/prediction/none/"


def drawn() -> tuple[dict[str, Profile], dict[str, str]]:
    """Profiles and the person of each id that is another one's; many of them were seen at the same time."""
    dice = random.Random(4)
    profiles, person = {}, {}
    for number in range(120):
        seen = NOW - timedelta(hours=dice.randrange(3))
        at = round(seen.timestamp() * 1000)
        scores = {
            name: Score(dice.randrange(21) / 20, at, dice.randrange(3), (number % 7, -1 - number % 5))
            for name in ("conversion", "churn")
            if dice.random() < 0.9
        }
        profiles[f"u{number}"] = scored(seen, scores)
    for number in range(60):
        # Of some persons no profile has the name.
        person[f"u{number}"] = dice.choice([f"u{dice.randrange(60, 80)}", f"p{dice.randrange(9)}"])
    return profiles, person


PROFILES, PERSON = drawn()


def plain(target: str) -> list[ScoredUser]:
    """The likeliest first; of several ids that which was seen last, of these the last one by name."""
    newest: dict[str, tuple[datetime, str]] = {}
    for id, profile in PROFILES.items():
        if target in profile.scores:
            seen = datetime.fromtimestamp(profile.last_seen / 1000, UTC)
            name = PERSON.get(id, id)
            newest[name] = max(newest.get(name, (seen, "")), (seen, id))
    found = []
    for name, (seen, id) in newest.items():
        score = PROFILES[id].scores[target]
        at = datetime.fromtimestamp(score.at / 1000, UTC)
        found.append(ScoredUser(name, score.chance, at, score.version, score.reasons, seen))
    return sorted(found, key=lambda user: (-user.chance, user.person))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("scores"), migrated) as store:
        await store_profiles(store, PROFILES)
        await store_profiles(store, {"u1": scored(NOW, {"churn": Score(1.0, 1, 1)})}, "other")
        await link(store, list(PERSON.items()))
        yield store


@pytest.mark.parametrize("target", ["churn", "conversion"])
async def test_pages_and_counts(store: Store, target: str) -> None:
    whole = plain(target)
    high = sum(user.chance > HIGH_RISK for user in whole)
    assert await counted_scores(store, "shop", target, above=HIGH_RISK) == (len(whole), high)
    pages = [await scored_users(store, "shop", target, limit=25, offset=25 * n) for n in range(5)]
    assert [user for page in pages for user in page.users] == whole
    assert {page[1:] for page in pages} == {(len(whole), high)}


async def test_one_person_is_as_in_the_list(store: Store) -> None:
    for user in plain("churn"):
        assert await score_of(store, "shop", "churn", user.person) == user
        ids = [id for id in {*PROFILES, user.person} if PERSON.get(id, id) == user.person]
        assert (await scores_of(store, "shop", user.person, ids))["churn"] == user
    # Who is another one's id is no person, nor is who has no profile.
    assert await score_of(store, "shop", "churn", "u0") is None
    assert await score_of(store, "shop", "churn", "nobody") is None


async def test_who_has_crossed_and_who_fell(store: Store) -> None:
    high, low = 0.7, 0.6
    over = [user for user in plain("churn") if user.chance > high]
    times = sorted({user.at for user in over})
    assert await crossed(store, "shop", "churn", NOBODY, high=high, since=times[0], limit=100) == tuple(over)
    assert await crossed(store, "shop", "churn", NOBODY, high=high, since=times[0], limit=3) == tuple(
        over[:3]
    )
    late = tuple(user for user in over if user.at >= times[-1])
    assert 0 < len(late) < len(over)
    assert await crossed(store, "shop", "churn", NOBODY, high=high, since=times[-1], limit=100) == late
    scope = Scope(project="shop", zone=UTC, now=NOW + timedelta(hours=1))
    assert THRESHOLDS[0].target.name == "churn"
    found = await predictions(store, scope)
    await replace(store, "shop", found, scope.now)
    told = "shop/prediction/churn/"
    assert {each.target_id for each in found if each.id.startswith(told)} == {user.person for user in over}
    assert await crossed(store, "shop", "churn", told, high=high, since=times[0], limit=100) == ()
    assert await fallen(store, "shop", "churn", told, low=low, limit=100) == []
    gone = await fallen(store, "shop", "churn", told, low=0.95, limit=100)
    assert {each.target_id for each in gone} == {user.person for user in over if user.chance < 0.95}
