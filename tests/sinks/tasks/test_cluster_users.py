"""The task gives users personas, keeps since when they have them, and insights tell of changes."""

from __future__ import annotations

import builtins
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from loopin_schemas.metrics import by_name
from loopin_sinks.insights.personas import persona_changes
from loopin_sinks.metric_values.calculate import values_of
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.personas.activity import SPENT_ON
from loopin_sinks.personas.stored import Kept, kept_personas, newest_run, now_of, sample
from loopin_sinks.store import Store, StoreError
from loopin_sinks.tasks.cluster_users import ClusterArguments, cluster
from loopin_sinks.tasks.generate_insights import InsightArguments, generate
from loopin_sinks.tasks.task import Arguments, Context
from loopin_streams.kafka.config_state import Configuration
from tests.migrated import migrated_store
from tests.sinks.personas.planted import KINDS
from tests.sinks.personas.stored_events import Done, put

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC).replace(hour=3, minute=40, second=0, microsecond=0)
DAY = timedelta(days=1)
EACH = 25
EVENT = dict(
    zip(
        SPENT_ON,
        (
            "event_viewed",
            "content_viewed",
            "search_performed",
            "message_sent",
            "community_viewed",
            "recommendation_shown",
        ),
        strict=True,
    )
)


def lived(user: str, kind: str, until: datetime, days: int, dice: random.Random) -> list[Done]:
    """Some sixty actions of a kind of user over so many days."""
    spent, hour = KINDS[kind]
    found = []
    for _ in range(60):
        at = (until - dice.randint(1, days) * DAY).replace(hour=hour, minute=dice.randint(0, 59))
        event = EVENT[dice.choices(SPENT_ON, spent)[0]]
        found.append(Done(user, event, at))
        if event == "event_viewed":
            found.append(Done(user, "event_joined", at))
            found.append(Done(user, "event_attended", at))
    return found


def context(store: Store, now: datetime, arguments: Arguments) -> Context:
    def scope(project: str, now: datetime) -> Scope:
        return Scope(project=project, zone=UTC, now=now)

    return Context(store, Configuration(), scope, lambda: now, arguments)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    """With people of three kinds."""
    dice = random.Random(8)
    async with migrated_store(tmp_path_factory.mktemp("personas"), migrated) as store:
        people = [(f"{kind}-{number}", kind) for kind in KINDS for number in range(EACH)]
        await put(store, [one for user, kind in people for one in lived(user, kind, NOW, 10, dice)])
        yield store


async def test_users_get_personas_keep_them_and_change_them(store: Store) -> None:
    assert await cluster(context(store, NOW, ClusterArguments())) == 3 * EACH + 1
    first = await newest_run(store, "shop", NOW)
    assert first is not None
    kept = await kept_personas(store, "shop")
    assert {user.partition("-")[0]: of.persona for user, of in kept.items()} == {
        "talkers": "social_explorer",
        "readers": "passive_observer",
        "goers": "event_regular",
    }
    assert set(kept.values()) == {
        Kept(persona, "", NOW) for persona in ("social_explorer", "passive_observer", "event_regular")
    }
    nearest = await sample(store, "shop", 3)
    assert {persona: len(users) for persona, users in nearest.items()} == dict.fromkeys(nearest, 3)
    assert all(user.startswith("readers") for user in nearest["passive_observer"])

    # 95 days on: all but two do as before, one goes out now, and one is there no more.
    later, dice = NOW + 95 * DAY, random.Random(9)
    others = [(f"{kind}-{number}", kind) for kind in KINDS for number in range(EACH)]
    others.remove(("readers-0", "readers"))
    others.remove(("readers-1", "readers"))
    done = [one for user, kind in others for one in lived(user, kind, later, 10, dice)]
    done += lived("readers-0", "goers", later, 10, dice) + lived("readers-0", "goers", later, 10, dice)
    await put(store, done)
    assert await cluster(context(store, later, ClusterArguments(projects=("shop",)))) == 3 * EACH + 1
    second = await kept_personas(store, "shop")
    assert second.pop("readers-0") == Kept("event_regular", "passive_observer", later)
    assert second.pop("readers-1") == Kept("", "passive_observer", later)
    assert second == {user: of for user, of in kept.items() if user in second}
    run = await newest_run(store, "shop", later)
    assert run is not None
    assert (run.at, run.model_version != first.model_version) == (later, True)
    # What was true before is still asked for.
    assert await newest_run(store, "shop", later - DAY) == first
    assert await newest_run(store, "shop", NOW - DAY) is None

    scope = Scope(project="shop", zone=UTC, now=later)
    (told,) = await persona_changes(store, scope)
    assert told.title == "readers-0 became Event Regular, from Passive Observer"
    assert (told.insight_type, told.target_type, told.target_id) == ("persona_change", "user", "readers-0")
    assert told.evidence.model_version == run.model_version
    assert 0.5 < told.confidence_score <= 1
    assert told.evidence.value < told.evidence.expected
    # The next night's run finds other distances, and another version: the change is told as it was.
    await put(store, lived("readers-0", "readers", later, 10, dice))
    night = Scope(project="shop", zone=UTC, now=later + DAY)
    await cluster(context(store, night.now, ClusterArguments(projects=("shop",))))
    assert (await kept_personas(store, "shop"))["readers-0"] == Kept(
        "event_regular", "passive_observer", later
    )
    (anew,) = await persona_changes(store, night)
    assert anew.evidence.model_version != told.evidence.model_version
    assert await persona_changes(store, night, [told]) == [told]
    other = msgspec.structs.replace(told, evidence=msgspec.structs.replace(told.evidence, start=1))
    assert await persona_changes(store, night, [other]) == [anew]
    # A week later it is no news.
    assert await persona_changes(store, Scope(project="shop", zone=UTC, now=later + 7 * DAY)) == []


async def test_the_task_of_insights_tells_of_changes(store: Store) -> None:
    await store.command(
        "INSERT INTO metric_values (project, metric, grain, start, value, calculated_at, _retention_days) "
        "VALUES ('shop', 'dau', 'day', now(), 1, now64(3), 3650)"
    )
    later = NOW + 95 * DAY
    assert await generate(context(store, later, InsightArguments())) == 1


async def test_projects_that_are_not_asked_for_and_such_with_few_users_are_left_alone(store: Store) -> None:
    assert await cluster(context(store, NOW, ClusterArguments(projects=("other",)))) == 0
    await put(store, [Done("one", "content_viewed", NOW - DAY)], "small")
    assert await cluster(context(store, NOW, ClusterArguments(projects=("small",)))) == 0
    assert await newest_run(store, "small", NOW) is None


async def test_without_what_fits_models_the_task_says_what_to_install(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("sklearn"):
            raise ImportError(name)
        return known(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(StoreError, match="install loopin-analytics\\[models\\] where tasks run"):
        await cluster(context(store, NOW, ClusterArguments()))


@pytest.mark.parametrize(
    ("before", "persona", "after"),
    [
        (None, "a", Kept("a", "", NOW)),
        (Kept("a", "", NOW - DAY), "a", Kept("a", "", NOW - DAY)),
        (Kept("a", "", NOW - DAY), "b", Kept("b", "a", NOW)),
        (Kept("b", "a", NOW - DAY), "c", Kept("c", "b", NOW)),
        (Kept("a", "", NOW - DAY), "", Kept("", "a", NOW)),
        # Whoever comes back as they left has not changed.
        (Kept("", "a", NOW - DAY), "a", Kept("a", "a", NOW)),
        (Kept("", "a", NOW - DAY), "b", Kept("b", "a", NOW)),
    ],
)
async def test_what_is_kept_of_a_user(before: Kept | None, persona: str, after: Kept) -> None:
    assert now_of(before, persona, NOW) == after


async def test_metrics_go_by_the_persona_that_was_found_where_nobody_has_said_one(store: Store) -> None:
    later = NOW + 95 * DAY
    scope = Scope(project="shop", zone=UTC, now=later, by="persona")
    day = Periods((later - DAY, later))
    kept = await kept_personas(store, "shop")
    seen = Counter({of.persona: 0 for of in kept.values()})
    for user, of in kept.items():
        seen[of.persona] += 1
        await put(store, [Done(user, "$pageview", later - timedelta(hours=1))])
    views = by_name("page_views")
    assert views is not None
    counted = await values_of(store, scope, views.definition, day)
    before = {persona: value for (_, persona), value in counted.items()}
    assert before == seen

    # One of them says what they are.
    await store.command(
        "INSERT INTO person_properties (project, distinct_id, property, register, value, at, rank) "
        "VALUES ('shop', 'readers-2', 'persona', 'set', '\"champion\"', now64(3), 1)"
    )
    seen["passive_observer"] -= 1
    counted = await values_of(store, scope, views.definition, day)
    assert {persona: value for (_, persona), value in counted.items()} == {**seen, "champion": 1}
