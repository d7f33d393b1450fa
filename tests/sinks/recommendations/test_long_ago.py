"""What a user took, and where they were refused, is known for as long as events are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.recommendations.learn import WEEK_MS
from loopin_sinks.recommendations.read import communities, history
from loopin_sinks.recommendations.recent import COMMUNITIES
from loopin_sinks.recommendations.recommend import recommended_communities, recommended_events
from loopin_sinks.recommendations.shared import Shared
from loopin_sinks.store import Store
from tests.migrated import migrated_store
from tests.sinks.personas.stored_events import Done, link, put

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC).replace(microsecond=0)
SCOPE = Scope(project="shop", zone=UTC, now=NOW)
CLUBS = ("joined", "left", "active", "refused", "admitted-since", "refused-since", "looked-at", "new")


def done(user: str, event: str, days_ago: float, **given: Any) -> Done:
    return Done(user, event, NOW - timedelta(days=days_ago), given)


def dealt(user: str, event: str, community: str, days_ago: float) -> Done:
    return done(user, event, days_ago, community_id=community)


def checked(user: str, community: str, result: str, days_ago: float) -> Done:
    given = {"community_id": community, "access_result": result, "city": "Pune", "bypass": False}
    return done(user, "geo_access_checked", days_ago, **given)


LIVED = [
    *(dealt("bob", "community_joined", club, 1) for club in CLUBS),
    dealt("ann", "community_joined", "joined", 100),
    dealt("ann", "community_activity", "joined", 1),
    # Of these no joining is kept.
    dealt("ann", "community_left", "left", 300),
    dealt("ann-phone", "community_activity", "active", 200),
    dealt("ann", "community_viewed", "looked-at", 100),
    checked("ann-phone", "refused", "blocked", 100),
    checked("ann", "admitted-since", "blocked", 200),
    checked("ann-phone", "admitted-since", "allowed", 100),
    checked("ann", "refused-since", "allowed", 100),
    checked("ann", "refused-since", "blocked", 1),
    # An event that was announced long ago, and once more lately.
    *(
        done("host", "event_created", days, event_id=f"event-{n}", starts_at=(NOW + timedelta(9)).isoformat())
        for days in (120, 5)
        for n in range(4)
    ),
    done("ann", "event_joined", 100, event_id="event-0"),
    done("ann-phone", "event_attended", 100, event_id="event-1"),
    done("ann", "ticket_purchased", 100, event_id="event-2"),
    done("ann", "event_viewed", 100, event_id="event-3"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("long_ago"), migrated) as store:
        await put(store, LIVED)
        await link(store, [("ann-phone", "ann")])
        yield store


@pytest.mark.parametrize("user", ["ann", "ann-phone"])
async def test_ones_own_communities_and_those_that_refuse_are_never_recommended(
    store: Store, user: str
) -> None:
    found = await recommended_communities(Shared(store), SCOPE, user, 10)
    assert {item.id for item in found.items} == {"admitted-since", "looked-at", "new"}


@pytest.mark.parametrize("user", ["ann", "ann-phone"])
async def test_what_was_joined_attended_or_paid_for_is_never_recommended(store: Store, user: str) -> None:
    assert [item.id for item in (await recommended_events(Shared(store), SCOPE, user, 10)).items] == [
        "event-3"
    ]


async def test_weights_are_learned_of_members_who_joined_long_ago(store: Store) -> None:
    number = {name: at for at, name in enumerate(await communities(store, SCOPE))}
    known = await history(store, SCOPE, COMMUNITIES, number)
    earlier = known.before(epoch_ms(NOW) - WEEK_MS)
    ann = known.users.index("ann")
    taken = {item for user, item, took in zip(earlier.user, earlier.item, earlier.taken, strict=True) if took}
    assert set(earlier.user) == {ann}
    assert taken == {number["joined"], number["left"]}
