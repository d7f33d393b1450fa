"""What users of a small store are recommended, and what never is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.recommendations.hints import hints
from loopin_sinks.recommendations.recommend import recommended_communities, recommended_events
from loopin_sinks.recommendations.shared import Shared
from loopin_sinks.recommendations.similar import similar_communities, similar_events
from loopin_sinks.store import Store
from tests.migrated import migrated_store
from tests.sinks.personas.stored_events import Done, link, put

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC).replace(microsecond=0)
SCOPE = Scope(project="shop", zone=UTC, now=NOW, internal=["colleague"])
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def made(id: str, category: str, city: str, **more: Any) -> Done:
    given = {
        "event_id": id,
        "host_id": f"host-of-{category}",
        "category": category,
        "price": 0,
        "currency": "INR",
        "capacity": 50,
        "starts_at": round((NOW + 6 * DAY).timestamp() * 1000),
        "city": city,
    }
    return Done(f"host-of-{category}", "event_created", NOW - 5 * DAY, {**given, **more})


def did(user: str, event: str, item: str, ago: timedelta = DAY, **more: Any) -> Done:
    return Done(user, event, NOW - ago, {"event_id": item, **more})


def dealt(user: str, event: str, community: str, ago: timedelta = DAY, **more: Any) -> Done:
    return Done(user, event, NOW - ago, {"community_id": community, **more})


def checked(user: str, community: str, result: str, city: str, **more: Any) -> Done:
    given = {"access_result": result, "city": city, "bypass": False}
    return dealt(user, "geo_access_checked", community, **{**given, **more})


EVENTS = [
    made("music-pune", "music", "Pune"),
    made("music-delhi", "music", "Delhi"),
    made("sport-pune", "sport", "Pune", price=900),
    made("sport-delhi", "sport", "Delhi", price="nan", capacity=-3, starts_at=(NOW + 2 * DAY).isoformat()),
    made("no-start", "books", "Berlin", starts_at="soon", host_id=7),
    made("begun", "music", "Pune", starts_at=round((NOW - HOUR).timestamp() * 1000)),
    made("cancelled", "music", "Pune"),
    did("host-of-music", "event_cancelled", "cancelled"),
    # Whoever says so.
    made("called-off", "music", "Pune"),
    did("colleague", "event_cancelled", "called-off"),
    made("full", "music", "Pune"),
    Done("machine", "event_sold_out", NOW - DAY, {"event_id": "full", "$is_bot": True}),
    made("sold-out", "music", "Pune"),
    did("host-of-music", "event_sold_out", "sold-out"),
    # Sold out, but a seat is free again.
    made("left", "film", "Goa"),
    did("host-of-film", "event_sold_out", "left", 9 * HOUR),
    did("other-1", "event_left", "left", 8 * HOUR),
    made("left-before", "film", "Goa"),
    did("other-2", "event_left", "left-before", 9 * HOUR),
    did("host-of-film", "event_sold_out", "left-before", 8 * HOUR),
    # Cancelled, and published again; and the other way round, sold out in between.
    made("published", "film", "Goa"),
    did("host-of-film", "event_cancelled", "published", 3 * DAY),
    did("host-of-film", "event_published", "published", 9 * HOUR),
    made("called-off", "film", "Goa"),
    did("host-of-film", "event_sold_out", "called-off", 3 * DAY),
    did("host-of-film", "event_published", "called-off", 2 * DAY),
    did("host-of-film", "event_cancelled", "called-off", 9 * HOUR),
    did("other-1", "event_left", "called-off", 8 * HOUR),
    # Others know these.
    *(did(f"other-{n}", "event_joined", "sport-delhi") for n in range(9)),
    *(did(f"other-{n}", "event_viewed", "sport-delhi", 2 * DAY) for n in range(9)),
    # Ann is in Pune, likes music, by two ids.
    *(Done("ann", "$pageview", NOW - n * HOUR, {"city": "Pune", "country": "IN"}) for n in range(1, 9)),
    Done("ann", "$pageview", NOW - HOUR, {"city": "Delhi", "country": "IN"}),
    did("ann", "event_viewed", "begun", 3 * DAY),
    did("ann-phone", "event_joined", "begun", 3 * DAY),
    # Bob has joined one, been at one.
    did("bob", "event_joined", "music-delhi"),
    did("bob-phone", "event_attended", "sport-delhi"),
    # What cannot be told apart from an item counts nothing.
    Done("ann", "event_viewed", NOW - DAY, {"event_id": "gone"}),
    Done("ann", "event_viewed", NOW - DAY, {}),
    # The project's own people are as others when they are asked for.
    Done("colleague", "$pageview", NOW - DAY, {"city": "Berlin"}),
]
COMMUNITIES = [
    *(dealt(f"member-{n}", "community_joined", "large") for n in range(6)),
    *(dealt(f"member-{n}", "community_joined", "small") for n in range(2)),
    *(dealt("ann-phone", "community_viewed", "small", n * DAY) for n in range(1, 5)),
    dealt("bob", "community_joined", "large"),
    dealt("member-1", "community_viewed", "indian"),
    dealt("member-1", "community_viewed", "german"),
    checked("ann", "indian", "allowed", "Pune"),
    checked("ann-phone", "german", "blocked", "Pune"),
    checked("bob", "german", "allowed", "Berlin", bypass=True),
    checked("visitor", "german", "blocked", "Delhi"),
    checked("visitor", "german", "allowed", "Berlin"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("recommended"), migrated) as store:
        await put(store, [*EVENTS, *COMMUNITIES])
        await put(store, [made("foreign", "music", "Pune")], "other")
        await link(store, [("ann-phone", "ann"), ("bob-phone", "bob")])
        yield store


async def events(store: Store, user: str, limit: int = 10) -> dict[str, tuple[str, ...]]:
    """By id, in order, why."""
    found = await recommended_events(Shared(store), SCOPE, user, limit)
    assert all(0 < item.score < 1 and item.type == "event" for item in found.items)
    assert [item.score for item in found.items] == sorted((i.score for i in found.items), reverse=True)
    return {item.id: item.why for item in found.items}


async def communities(store: Store, user: str) -> dict[str, tuple[str, ...]]:
    found = await recommended_communities(Shared(store), SCOPE, user, 10)
    return {item.id: item.why for item in found.items}


async def test_only_what_is_open_is_recommended_and_what_suits_comes_first(store: Store) -> None:
    found = await events(store, "ann")
    assert set(found) == {
        "music-pune",
        "music-delhi",
        "sport-pune",
        "sport-delhi",
        "no-start",
        "left",
        "published",
    }
    assert next(iter(found)) == "music-pune"
    assert found["music-pune"][0] == "It is in Pune, where you are."
    assert "You care for music more than others do." in found["music-pune"]
    assert not any("where you are" in why for why in found["music-delhi"])
    # The same by whichever id.
    assert await events(store, "ann-phone") == found
    assert list(await events(store, "ann", 2)) == list(found)[:2]


async def test_what_was_joined_or_attended_by_any_id_is_not_recommended(store: Store) -> None:
    for user in ("bob", "bob-phone"):
        assert set(await events(store, user)) == {"music-pune", "sport-pune", "no-start", "left", "published"}


async def test_ones_own_event_is_not_recommended_whichever_id_has_made_it(store: Store) -> None:
    everything = set(await events(store, "nobody"))
    for user, own in (("host-of-music", {"music-pune", "music-delhi"}), ("7", {"no-start"})):
        assert everything - set(await events(store, user)) == own
    await link(store, [("7", "seven")])
    for user in ("7", "seven"):
        assert everything - set(await events(store, user)) == {"no-start"}


async def test_a_user_nobody_knows_gets_what_is_popular(store: Store) -> None:
    found = await events(store, "nobody")
    assert next(iter(found)) == "sport-delhi"
    assert "9 have joined." in found["sport-delhi"]
    (most, *_) = await communities(store, "nobody")
    assert most == "large"


async def test_a_user_without_history_gets_what_is_where_they_are(store: Store) -> None:
    (best, *_) = await events(store, "colleague")
    assert best == "no-start"


async def test_communities_that_refuse_by_place_and_ones_own_are_not_recommended(store: Store) -> None:
    found = await communities(store, "ann")
    assert set(found) == {"large", "small", "indian"}
    assert next(iter(found)) == "small"
    assert found["small"][0] == "You have looked into it."
    assert "It is open to people from where you are." in found["indian"]
    # Joined, and got round the restriction.
    assert set(await communities(store, "bob-phone")) == {"small", "indian"}
    # Nobody from there was let in.
    await put(store, [Done("dev", "$pageview", NOW - DAY, {"city": "Delhi"})])
    assert set(await communities(store, "dev")) == {"large", "small", "indian"}
    # Somebody was.
    assert set(await communities(store, "colleague")) == {"large", "small", "indian", "german"}


async def test_events_of_a_community_that_refuses_by_place_are_not_recommended(store: Store) -> None:
    done = [
        made("open", "music", "Pune"),
        made("gated", "music", "Pune", community_id="german"),
        made("of-others", "music", "Pune", community_id="indian"),
        checked("ann-phone", "german", "blocked", "Pune"),
        checked("ann", "indian", "allowed", "Pune"),
        # Dev is in Pune, and where Eve is nobody knows.
        *(Done(user, "$pageview", NOW - DAY, {"city": "Pune"}) for user in ("ann", "dev")),
        # Let in after all, and got round the restriction.
        checked("fay", "german", "blocked", "Pune", ago=2 * DAY),
        checked("fay", "german", "allowed", "Pune"),
        checked("gil", "german", "allowed", "Pune", ago=2 * DAY),
        checked("gil", "german", "allowed", "Pune", bypass=True),
    ]
    await put(store, done, "gates")
    await link(store, [("ann-phone", "ann")], "gates")
    scope = Scope(project="gates", zone=UTC, now=NOW)
    everything = {"open", "gated", "of-others"}
    for user, refused in (("ann", True), ("ann-phone", True), ("eve", False), ("fay", False), ("gil", True)):
        found = await recommended_events(Shared(store), scope, user, 10)
        assert {item.id for item in found.items} == (everything - {"gated"} if refused else everything), user
    # Fay was let in there, so that others from there are not refused; before that they were.
    found = await recommended_events(Shared(store), scope, "dev", 10)
    assert {item.id for item in found.items} == everything
    before = Scope(project="gates", zone=UTC, now=NOW - DAY - HOUR)
    await put(store, [Done("dev", "$pageview", NOW - 2 * DAY, {"city": "Goa"})], "gates")
    await put(store, [checked("ida", "german", "blocked", "Goa", ago=3 * DAY)], "gates")
    found = await recommended_events(Shared(store), before, "dev", 10)
    assert {item.id for item in found.items} == everything - {"gated"}


async def test_a_project_without_items_recommends_nothing(store: Store) -> None:
    scope = Scope(project="none", zone=UTC, now=NOW)
    assert (await recommended_events(Shared(store), scope, "ann", 10)).items == ()
    assert (await recommended_communities(Shared(store), scope, "ann", 10)).items == ()
    assert await similar_communities(store, scope, "large", 10) is None
    assert await hints(Shared(store), scope) == []


async def test_what_is_like_an_event_is_open_and_has_something_in_common(store: Store) -> None:
    found = await similar_events(Shared(store), SCOPE, "begun", 10)
    assert found is not None
    assert {item.id: round(item.score, 6) for item in found} == {
        # Category, city, host and price; all but the city; the city; the price.
        "music-pune": 1.0,
        "music-delhi": 0.7,
        "sport-pune": 0.3,
        "no-start": 0.1,
        "left": 0.1,
        "published": 0.1,
    }
    assert found[0].why == ("Both are music.", "Both are in Pune.", "By the same host.", "Both are free.")
    assert await similar_events(Shared(store), SCOPE, "foreign", 10) is None


async def test_pieces_of_content_of_two_types_may_have_the_same_id(store: Store) -> None:
    """Thirty articles are seen nine times or ten, thirty posts with the same ids once or twice."""
    done = []
    for number in range(30):
        for kind, seen in (("article", 9), ("post", 1)):
            piece = {"content_type": kind, "object_id": str(number)}
            done.append(Done("author", "content_created", NOW - 9 * DAY, piece))
            done += [Done("reader", "content_viewed", NOW - 5 * DAY, piece)] * (seen + number % 2)
    await put(store, done, "papers")
    found = await hints(Shared(store), Scope(project="papers", zone=UTC, now=NOW))
    of_type = {hint.value: hint for hint in found if (hint.by, hint.measure) == ("content_type", "views")}
    assert {kind: (hint.mean, hint.others) for kind, hint in of_type.items()} == {
        "article": (9.5, 1.5),
        "post": (1.5, 9.5),
    }
    assert all((hint.items, hint.other_items) == (30, 30) for hint in of_type.values())
