"""Segments over HTTP against a plain computation over the same users."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio

from loopin_api.app import create_app
from loopin_api.predictions.segment_rules import SEGMENTS, Person, segment_of
from loopin_api.settings import ApiSettings
from loopin_sinks.store import Store
from tests.api.config_in_memory import Log
from tests.migrated import migrated_store
from tests.sinks.personas.stored_events import link
from tests.sinks.scored_profiles import Scored, put_scored

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker

pytestmark = pytest.mark.asyncio(loop_scope="module")

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]

PATH = "/api/analytics/predictions"
NOW = datetime.now(UTC).replace(hour=10, minute=30, second=0, microsecond=0)
DAY = timedelta(days=1)
EUR = 1.25
"""Dollars that a euro is worth."""


def people() -> list[Scored]:
    """Of all kinds; amounts that are quarters, so that sums of them are exact."""
    dice = random.Random(6)
    found = []
    for number in range(300):
        chances = {"churn": round(dice.random(), 4)}
        if number % 5:
            chances["conversion"] = round(dice.random() ** 2, 4)
        revenue: Mapping[str, str] = {}
        if number % 3 == 0:
            amount = dice.randint(1, 400) / 4
            revenue = {("", "USD", "EUR", "XXX")[dice.randrange(4)]: str(amount), "USD": "0.25"}
        found.append(Scored(f"user-{number:03}", chances, revenue))
    # On the edges, a refund, and somebody of whom only something else is predicted.
    found += [
        Scored("edge-high", {"churn": 0.7}),
        Scored("edge-low", {"churn": 0.4}),
        Scored("edge-buyer", {"churn": 0.5, "conversion": 0.5}),
        Scored("refunded", {"churn": 0.2}, {"USD": "-4"}),
        Scored("all-given-back", {"churn": 0.2}, {"USD": "0"}, tickets={"USD": "4"}),
        Scored("in-yen", {"churn": 0.9}, {"JPY": "4000.5"}, tickets={"JPY": "4000.5"}),
        Scored("more-yen", {"churn": 0.8}, {"JPY": "-100", "CHF": "8"}, tickets={"JPY": "100", "CHF": "8"}),
        Scored("free", {"churn": 0.9}, {"USD": "0"}, tickets={"USD": "0"}),
        Scored("unknown", {"conversion": 0.9}, {"USD": "900"}),
    ]
    return found


PERSONAS = {f"user-{number:03}": ("power_user", "buyer")[number // 4 % 2] for number in range(0, 300, 4)}


def spent(of: Scored) -> float:
    worth = {"": 1.0, "USD": 1.0, "EUR": EUR}
    return sum(float(amount) * worth.get(code, 0.0) for code, amount in of.revenue.items())


def bought(of: Scored) -> bool:
    """Whether they ever paid for a ticket."""
    paid = [*of.revenue.values(), *of.tickets.values()]
    return any(float(amount) > 0 for amount in paid)


def unconverted(of: list[Scored]) -> dict[str, float]:
    """What they spent in currencies without a rate."""
    totals: Counter[str] = Counter()
    for each in of:
        totals.update({code: float(amount) for code, amount in each.revenue.items()})
    return {code: total for code, total in totals.items() if code not in ("", "USD", "EUR")}


def plain_segment(churn: float, conversion: float | None, has_bought: bool, money: float, top: float) -> str:
    """As the documentation has it."""
    if churn > 0.7:
        if money > 0 and money >= top:
            return "top_customers_at_risk"
        return "customers_at_risk" if has_bought else "visitors_at_risk"
    if conversion is not None and conversion >= 0.5:
        return "ready_to_buy"
    if money > 0 and money >= top:
        return "top_customers"
    if churn <= 0.4:
        return "loyal_customers" if has_bought else "loyal_visitors"
    return "undecided"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("segments"), migrated) as store:
        await put_scored(store, people(), NOW - timedelta(hours=1))
        await put_scored(store, [Scored("stranger", {"churn": 0.9})], NOW, project="other")
        for user, persona in PERSONAS.items():
            await store.command(
                "INSERT INTO personas (project, distinct_id, persona, version) "
                "VALUES ('shop', {user:String}, {persona:String}, toUnixTimestamp(now()) * 1000)",
                {"user": user, "persona": persona},
            )
        yield store


@pytest_asyncio.fixture(loop_scope="module")
async def client(settings: ApiSettings, store: Store, broker: Broker) -> AsyncIterator[httpx.AsyncClient]:
    rates = {"EUR": {date(2020, 1, 1): EUR}}
    own = settings.model_copy(update={"currency": "USD", "exchange_rates": rates})
    app = create_app(own, store, broker, config=Log(), clock=lambda: NOW)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


async def get(client: httpx.AsyncClient, bearer: Bearer, project: str = "shop", **asked: Any) -> Any:
    response = await client.get(
        PATH, params={"kind": "segments", **asked}, headers=bearer("read", project=project)
    )
    assert response.status_code == 200, response.text
    return response.json()["data"]


def assert_placed(found: Any, people: list[Scored], personas: Mapping[str, str]) -> None:
    """The answer is that of a plain computation over these people."""
    known = [each for each in people if "churn" in each.chances]
    buyers = sorted(money for each in known if (money := spent(each)) > 0)
    top = buyers[int(0.8 * len(buyers))]
    members: dict[str, list[Scored]] = defaultdict(list)
    for each in known:
        chances = each.chances
        conversion = chances.get("conversion")
        segment = plain_segment(chances["churn"], conversion, bought(each), spent(each), top)
        members[segment].append(each)
    assert len(members) == len(SEGMENTS), "each has somebody"

    assert (found["scored"], found["currency"], found["top_spent"]) == (len(known), "USD", top)
    assert [each["name"] for each in found["segments"]] == [segment.name for segment in SEGMENTS]
    for row in found["segments"]:
        theirs = members[row["name"]]
        assert row["users"] == len(theirs)
        assert row["share"] == pytest.approx(len(theirs) / len(known))
        assert row["churn"] == pytest.approx(fmean(each.chances["churn"] for each in theirs))
        buying = [each.chances["conversion"] for each in theirs if "conversion" in each.chances]
        assert row["conversion"] == (pytest.approx(fmean(buying)) if buying else None)
        assert row["revenue"] == pytest.approx(sum(map(spent, theirs)))
        assert row["other_revenue"] == pytest.approx(unconverted(theirs))
        assert row["personas"] == Counter(personas.get(each.user, "none") for each in theirs)
        by_risk = sorted(theirs, key=lambda each: (-each.chances["churn"], each.user))
        assert row["user_ids"] == [each.user for each in by_risk]


async def test_every_scored_user_is_in_one_segment_as_a_plain_computation_has_it(
    client: httpx.AsyncClient, bearer: Bearer
) -> None:
    assert_placed(await get(client, bearer, limit=1000), people(), PERSONAS)


def merged(ids: list[tuple[datetime, Scored]], links: Mapping[str, str]) -> list[Scored]:
    """One for each person: of each target what the id seen last has, and all that was spent."""
    chances: dict[str, dict[str, float]] = defaultdict(dict)
    money: dict[str, Counter[str]] = defaultdict(Counter)
    tickets: dict[str, dict[str, str]] = defaultdict(dict)
    for _, each in sorted(ids, key=lambda seen: (seen[0], seen[1].user)):
        person = links.get(each.user, each.user)
        chances[person] |= each.chances
        # Sums of quarters are exact. Whoever has paid something stays a buyer when it is given back.
        money[person].update({code: float(amount) for code, amount in each.revenue.items()})
        if bought(each):
            tickets[person] = {"USD": "1"}
    return [
        Scored(person, of, {code: str(sum_) for code, sum_ in money[person].items()}, tickets=tickets[person])
        for person, of in chances.items()
    ]


async def test_persons_of_several_ids_are_in_the_segment_of_what_is_put_together(
    client: httpx.AsyncClient, store: Store, bearer: Bearer
) -> None:
    dice = random.Random(11)
    ids = [(NOW - dice.randrange(3) * DAY, each) for each in people()]
    names = [each.user for _, each in ids]
    # Many of one person, persons whose own name nothing is stored of, and many who are linked to nobody.
    links = {name: dice.choice([*names[:20], "gone-1", "gone-2"]) for name in names[20:200:2]}
    for at in {at for at, _ in ids}:
        await put_scored(store, [each for seen, each in ids if seen == at], at, project="merged")
    await link(store, [*links.items()], project="merged")
    found = await get(client, bearer, project="merged", limit=1000)
    assert_placed(found, merged(ids, links), {})


async def test_users_of_one_segment_in_pages(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused
) -> None:
    whole = {each["name"]: each["user_ids"] for each in (await get(client, bearer, limit=1000))["segments"]}
    name = "visitors_at_risk"
    pages: list[str] = []
    while len(pages) < 100:
        page = await get(client, bearer, segment=name, limit=7, offset=len(pages))
        rows = {each["name"]: each for each in page["segments"]}
        assert not any(each["user_ids"] for each in rows.values() if each["name"] != name)
        assert rows[name]["users"] == len(whole[name])
        if not rows[name]["user_ids"]:
            break
        pages += rows[name]["user_ids"]
    assert pages == whole[name]
    asked = {"kind": "segments", "segment": "nobody"}
    refused(await client.get(PATH, params=asked, headers=bearer("read")), 422, "VALIDATION_ERROR")
    asked = {"kind": "churn", "segment": name}
    refused(await client.get(PATH, params=asked, headers=bearer("read")), 422, "VALIDATION_ERROR")


async def test_ids_of_one_person_count_once_with_all_they_spent(
    client: httpx.AsyncClient, store: Store, bearer: Bearer
) -> None:
    await put_scored(store, [Scored("web", {"churn": 0.9}, {"USD": "2"})], NOW - DAY, project="linked")
    await put_scored(store, [Scored("phone", {"churn": 0.1}, {"USD": "3"})], NOW, project="linked")
    await link(store, [("phone", "web")], project="linked")
    found = await get(client, bearer, project="linked")
    [row] = [each for each in found["segments"] if each["users"]]
    assert (found["scored"], row["user_ids"], row["revenue"], row["churn"]) == (1, ["web"], 5.0, 0.1)


async def test_of_ids_seen_at_once_the_last_by_name_counts_and_what_is_said_of_a_person_before_what_is_found(
    client: httpx.AsyncClient, store: Store, bearer: Bearer
) -> None:
    for user, chance in (("b", 0.1), ("c", 0.9), ("a", 0.2)):
        await put_scored(store, [Scored(user, {"churn": chance})], NOW, project="said")
    await link(store, [("b", "a"), ("c", "a")], project="said")
    await store.command(
        "INSERT INTO personas (project, distinct_id, persona, version) VALUES ('said', 'a', 'buyer', 1)"
    )
    await store.command(
        "INSERT INTO person_properties (project, distinct_id, property, register, value, at, rank) "
        "VALUES ('said', 'b', 'persona', 'set', '\"host\"', now64(3), 1)"
    )
    found = await get(client, bearer, project="said")
    [row] = [each for each in found["segments"] if each["users"]]
    assert (row["user_ids"], row["churn"], row["personas"]) == (["a"], 0.9, {"host": 1})


async def test_a_project_without_scores_has_empty_segments(client: httpx.AsyncClient, bearer: Bearer) -> None:
    found = await get(client, bearer, project="nobody")
    assert (found["scored"], found["top_spent"]) == (0, None)
    assert {each["users"] for each in found["segments"]} == {0}
    assert {each["churn"] for each in found["segments"]} == {None}


async def test_the_rules_leave_nobody_out() -> None:
    grid = [0.0, 0.4, 0.41, 0.5, 0.7, 0.71, 1.0]
    for churn in grid:
        for conversion in (None, *grid):
            for paid, money in ((False, 0.0), (True, -1.0), (True, 0.0), (True, 1.0), (True, 10.0)):
                found = segment_of(Person(churn, conversion, paid, money), 10.0)
                assert found == plain_segment(churn, conversion, paid, money, 10.0)
                assert segment_of(Person(churn, conversion, paid, money), None)
