"""Profiles with scores in a store, as the stream publishes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import uuid4

from loopin_schemas.habits import Habits, Prices, Spending
from loopin_schemas.profile import MILLION, Profile, Score, Session
from loopin_sinks.persons.profile_rows import PROFILES, Known, profiles_to_arrow
from loopin_sinks.store import Store

DAY_MS = 86_400_000


class Scored(NamedTuple):
    """A user's probabilities by target, what they have spent by currency, and prices of tickets they took."""

    user: str
    chances: Mapping[str, float]
    revenue: Mapping[str, str] = {}
    version: int = 7
    reasons: tuple[int, ...] = (0, -3, 4)
    tickets: Mapping[str, str] = {}


async def put_scored(store: Store, users: list[Scored], at: datetime, project: str = "shop") -> None:
    """Store these profiles, in place of former ones; their scores are of that time."""
    ms = round(at.timestamp() * 1000)
    known = [Known(project, each.user, _profile(each, ms), ms) for each in users]
    if known:
        await store.insert(PROFILES, profiles_to_arrow(known, str(uuid4()), ms), token=str(uuid4()))


def _profile(of: Scored, ms: int) -> Profile:
    return Profile(
        first_seen=ms - 40 * DAY_MS,
        last_seen=ms - DAY_MS,
        events=10,
        session=Session(ms - DAY_MS, ms - DAY_MS, 1),
        active_day=ms // DAY_MS - 1,
        active_days=b"\x01",
        revenue={code: int(Decimal(amount) * MILLION) for code, amount in of.revenue.items()},
        scores={name: Score(chance, ms, of.version, of.reasons) for name, chance in of.chances.items()},
        habits=Habits(0, bytearray(), spending=Spending(bought=_prices(of.tickets))) if of.tickets else None,
    )


def _prices(of: Mapping[str, str]) -> dict[str, Prices]:
    exact = {code: int(Decimal(price) * MILLION) for code, price in of.items()}
    return {code: Prices(price, price, 1, price) for code, price in exact.items()}
