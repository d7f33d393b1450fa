"""A rule of the store over history: what the watcher said while the same history happened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
import pytest_asyncio

from loopin_schemas.alert_rule import Absence, AlertRule, Change, Threshold
from loopin_schemas.event import EnrichedEvent
from loopin_sinks.alerts import recalculate
from loopin_sinks.alerts.backtest import backtest
from loopin_sinks.alerts.book import Book
from loopin_sinks.alerts.judge import Judge, Times
from loopin_sinks.alerts.measured import Measured
from loopin_sinks.alerts.numbers import Numbers
from loopin_sinks.alerts.totals import NOTHING
from loopin_sinks.metric_values.scope import Periods, Scope, from_epoch_ms
from loopin_sinks.store import Store, StoreSettings, open_store
from loopin_streams.alerts.lifecycle import Moment, Rule
from loopin_streams.alerts.rules import Rules
from loopin_streams.kafka.config_state import Configuration
from tests.migrated import fill
from tests.sinks.alerts.planted import DAY, HOUR, MINUTE, NOW, event, store_events
from tests.streams.alerts.world import configure

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.scenario]

BEGIN: Final = NOW - NOW % DAY
MINUTES: Final = 125

EVERY: Final = 5
"""Minutes between two looks."""

RULES: Final[dict[str, dict[str, Any]]] = {
    "failing_logins": {
        "metric": "login_failure_rate",
        "by": "city",
        "spans": (10,),
        "at_least": 8,
        "condition": Threshold(warning=0.3, critical=0.6),
    },
    "slow": {
        "metric": "slow_response_p95",
        "grain": "hour",
        "at_least": 30,
        "condition": Threshold(warning=400),
    },
    "few_searches": {
        "metric": "searches",
        "by": "city",
        "condition": Absence(windows=8),
        "at_least": 2,
    },
    "places": {
        "metric": "countries_of_one_user",
        "by": "user",
        "spans": (30,),
        "condition": Threshold(warning=3, critical=5),
    },
    "fewer_searches": {
        "metric": "searches",
        "by": "city",
        "condition": Change(direction="down", warning=0.5),
        "at_least": 1,
    },
}
"""One of each condition; what they judge is worse in some minutes than in others."""


def rule(name: str) -> AlertRule:
    return AlertRule(project="shop", name=name, quiet_s=300, **RULES[name])


def happened() -> list[list[EnrichedEvent]]:
    """The events of each minute."""
    dice, found = Random(11), []
    for minute in range(MINUTES):
        at, bad = BEGIN + minute * MINUTE, 30 <= minute < 45
        of: list[EnrichedEvent] = []

        def add(name: str, who: str, at: int = at, of: list[EnrichedEvent] = of, **more: Any) -> None:
            of.append(event(name, who, at + dice.randrange(MINUTE), **more))

        for city in ("Pune", "Berlin"):
            for _ in range(dice.randrange(1, 4)):
                failed = dice.random() < (0.7 if bad and city == "Pune" else 0.1)
                add("login_failed" if failed else "user_logged_in", f"u{dice.randrange(9)}", city=city)
        for _ in range(dice.randrange(1, 4)):
            add("api_request", "u1", duration_ms=dice.uniform(100, 900 if bad else 300), status=200)
        if minute % 2 == 0 and not 70 <= minute < 85:
            add("search_performed", "u2", city="Pune", query_length=4)
        if bad or minute % 20 == 0:
            add("$pageview", "u3", country=dice.choice(["IN", "DE", "FR", "JP", "BR", "US"]))
        found.append(of)
    return found


class Live:
    """One rule as the watcher judges it, and what it has told."""

    def __init__(self, store: Store, name: str) -> None:
        configuration = Configuration()
        self.rule = rule(name)
        configure(configuration, self.rule.id, self.rule)
        rules = Rules(lambda: configuration)
        self.of = rules.find("shop", name)
        self.book = Book(rules)
        measured = Measured(
            store, lambda project, now: Scope(project, UTC, from_epoch_ms(now)), lambda: configuration
        )
        self.judge = Judge(Numbers(store, measured, lambda _: NOTHING), self.book)
        self.told: list[tuple[str, str, int, float | None, str]] = []

    async def look(self, at: int) -> None:
        assert self.of is not None
        await self.judge.judge(self.of, "shop", Times(at, at))
        self.book.tick(Moment(at, at))
        for alert in self.book.take()[0]:
            who = next(iter(alert.dimensions.values()), "")
            self.told.append((alert.event, who, at, alert.value, alert.severity))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[_Watched]:
    """The store at the end of the history, and what was told meanwhile."""
    chosen = StoreSettings(data_dir=tmp_path_factory.mktemp("rehearsed") / "data")
    fill(chosen, migrated)
    store = open_store(chosen)
    live = {name: Live(store, name) for name in RULES}
    history = happened()
    for minute in range(0, MINUTES, EVERY):
        await store_events(store, [each for of in history[minute : minute + EVERY] for each in of])
        for each in live.values():
            await each.look(BEGIN + (minute + EVERY) * MINUTE)
    yield store, live
    await store.close()


_Watched = tuple[Store, dict[str, Live]]


@pytest.mark.parametrize("name", RULES)
async def test_a_back_test_says_what_the_watcher_said(
    watched: _Watched, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, live = watched
    monkeypatch.setattr(recalculate, "PACES", dict.fromkeys(recalculate.PACES, (EVERY * MINUTE,)))
    span = Periods((from_epoch_ms(BEGIN), from_epoch_ms(BEGIN + MINUTES * MINUTE)))
    scope = Scope("shop", UTC, from_epoch_ms(BEGIN + 365 * 24 * HOUR))
    found = await backtest(store, scope, Rule(rule(name), "1"), Configuration, span)
    told = live[name].told
    fired = [(who, at, value) for event, who, at, value, _ in told if event == "fired"]
    assert [(next(iter(e.dimensions.values()), ""), e.fired_at, e.value) for e in found.episodes] == fired
    over = sorted((who, at) for event, who, at, _, _ in told if event == "resolved")
    assert (
        sorted(
            (next(iter(e.dimensions.values()), ""), e.resolved_at)
            for e in found.episodes
            if e.resolved_at is not None
        )
        == over
    )
    worse = sum(event in ("fired", "worse") and severity == "critical" for event, _, _, _, severity in told)
    assert sum(each.severity == "critical" for each in found.episodes) == worse
    assert fired
    assert over
