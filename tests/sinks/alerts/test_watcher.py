"""Watchers on the real broker and store: each alert is told once, whatever ends them, and wherever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from loopin_schemas.alert_rule import Acknowledgement, AlertRule, Threshold
from loopin_schemas.codec import encode
from loopin_sinks.alerts.book import Book
from loopin_sinks.alerts.journal import PROGRESS_KEY
from loopin_sinks.alerts.judge import Judge, Times
from loopin_sinks.alerts.measured import Measured
from loopin_sinks.alerts.numbers import Numbers
from loopin_sinks.alerts.totals import Total
from loopin_sinks.alerts.watcher import AlertWatcher
from loopin_sinks.store import StoreError
from loopin_streams.alerts.rules import Rules
from loopin_streams.kafka import settling
from loopin_streams.kafka.config_log import ConfigLog
from loopin_streams.kafka.config_state import Configuration
from loopin_streams.kafka.config_writer import config_writer
from loopin_streams.kafka.errors import Fenced
from loopin_streams.kafka.outbox import Outbox
from tests.sinks.alerts.planted import MINUTE, NOW, event, store_events, times
from tests.sinks.alerts.watched import RULE, Installation
from tests.sinks.repair.hooked_store import HookedStore
from tests.streams.kafka.crashed import leave_open

pytestmark = pytest.mark.usefixtures("collected")

STEPS = ["begun", "sent:watch.state", "sent:alerts", "before_commit", "after_commit"]


FAILED = list(times(12, NOW - 2 * MINUTE, NOW))


async def plant(installation: Installation) -> None:
    """A burst of failed logins, in the last two minutes."""
    await store_events(installation.store, [event("login_failed", "mallory", at) for at in FAILED])


async def look(watcher: AlertWatcher) -> None:
    await watcher.look(asyncio.Event(), everything=True)


async def end(watcher: AlertWatcher) -> None:
    await watcher._let_go()


async def test_it_fires_once_and_resolves_once_over_restarts(installation: Installation) -> None:
    await plant(installation)
    async with installation.config() as config:
        for at in (NOW, NOW + MINUTE, NOW + 15 * MINUTE, NOW + 16 * MINUTE):
            installation.at = at
            watcher = installation.watcher(config)
            await look(watcher)
            await look(watcher)
            await end(watcher)
    assert installation.events() == [(RULE, "fired", 1), (RULE, "resolved", 2)]
    fired, resolved = installation.alerts()
    assert fired["dimensions"] == {"user": "mallory"}
    number = sum(fired["window"]["start"] <= at < fired["window"]["end"] for at in FAILED)
    assert (fired["value"], fired["count"], fired["threshold"]) == (number, number, 10)
    assert fired["id"] == resolved["id"]
    assert {key for key, _ in installation.records("alerts")} == {f"shop:{RULE}".encode()}


@pytest.mark.scenario
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("of", ["fired", "resolved"])
async def test_killed_at_any_step_nothing_is_lost_or_told_twice(
    installation: Installation, step: str, of: str
) -> None:
    await plant(installation)
    name = step.replace("sent:", f"sent:{installation.settings.topic_prefix}")
    async with installation.config() as config:
        if of == "resolved":
            before = installation.watcher(config)
            await look(before)
            await end(before)
            installation.at += 15 * MINUTE
        watcher = installation.watcher(config, probe=_ending(name))
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(look(watcher))
        # Whatever it goes on to send is a former one's.
        successor = installation.watcher(config)
        for _ in range(2):
            await look(successor)
        await end(watcher)
        await end(successor)
    expected = [(RULE, "fired", 1), (RULE, "resolved", 2)]
    assert installation.events() == expected[: 1 if of == "fired" else 2]


def _ending(step: str) -> Callable[[str], None]:
    """Ends the task that began a transaction as soon as that passes a step."""
    task: asyncio.Task[Any] | None = None

    def probe(point: str) -> None:
        nonlocal task
        if point == "begun":
            task = asyncio.current_task()
        if point == step:
            assert task is not None
            # Passed in the task itself, that ends at its next pause, if there is one.
            task.cancel()
            if asyncio.current_task() is task:
                raise asyncio.CancelledError

    return probe


async def test_a_successor_shuts_its_predecessor_out(installation: Installation) -> None:
    await plant(installation)
    async with installation.config() as config:
        first, second = installation.watcher(config), installation.watcher(config)
        await look(first)
        await look(second)
        installation.at += 15 * MINUTE
        # The first look makes up for what was missed, the next one finds that all is well.
        await look(first)
        with pytest.raises(Fenced):
            await look(first)
        await look(second)
        await look(second)
        await end(first)
        await look(first)
        await end(first)
        await end(second)
    assert installation.events() == [(RULE, "fired", 1), (RULE, "resolved", 2)]


async def test_who_does_not_lead_says_nothing(installation: Installation) -> None:
    await plant(installation)
    installation.leads = False
    async with installation.config() as config:
        watcher = installation.watcher(config)
        await look(watcher)
        assert gauge(watcher, "loopin_alerts_firing") is None
    assert installation.alerts() == []


async def test_rules_that_are_not_known_yet_are_not_judged(installation: Installation) -> None:
    await plant(installation)
    watcher = installation.watcher(ConfigLog(installation.settings))
    await look(watcher)
    assert installation.alerts() == []


async def test_a_store_that_fails_ends_no_alert(installation: Installation) -> None:
    await plant(installation)
    failing = False

    async def fails(what: str, parameters: Mapping[str, object]) -> None:
        if failing and "since" not in parameters:
            raise StoreError("store_unreachable", "ClickHouse does not answer.")

    async with installation.config() as config:
        watcher = installation.watcher(config, store=HookedStore(installation.store, before=fails))
        await look(watcher)
        failing = True
        installation.at += 15 * MINUTE
        with capture_logs() as logs:
            await look(watcher)
            await look(watcher)
        assert installation.events() == [(RULE, "fired", 1)]
        said = [each["rule"] for each in logs if each["event"] == "alert_rule_not_judged"]
        assert RULE in said
        assert len(said) == len(set(said))
        assert gauge(watcher, "loopin_alert_judgement_failures_total", reason="store") == 2 * len(said)
        assert gauge(watcher, "loopin_alerts_firing") == 1
        failing = False
        await look(watcher)
        await look(watcher)
        await end(watcher)
    assert installation.events() == [(RULE, "fired", 1), (RULE, "resolved", 2)]


async def test_a_rule_of_a_projects_own_and_what_people_say(installation: Installation) -> None:
    await plant(installation)
    writer = config_writer(installation.settings)
    own = AlertRule(
        project="shop", name=RULE, metric=RULE, by="user", spans=(5,), condition=Threshold(warning=13)
    )
    odd = AlertRule(project="shop", name="odd", metric="no_such_metric", condition=Threshold(warning=1))
    for rule in (own, odd):
        await writer.put(rule.id, rule, replaces=None, by="ira")
    async with installation.config() as config:
        stop = asyncio.Event()
        watcher = installation.watcher(config)
        running = asyncio.create_task(watcher.run(stop))
        counted = "loopin_alert_judgement_failures_total"
        await installation.until(lambda: (gauge(watcher, counted, reason="rule") or 0) > 1, "judged twice")
        assert installation.alerts() == []
        version = config.configuration.version("alert_rule", own.id)
        lower = AlertRule(
            project="shop", name=RULE, metric=RULE, by="user", spans=(5,), condition=Threshold(warning=11)
        )
        await writer.put(lower.id, lower, replaces=version, by="ira")
        await installation.until(installation.alerts, "an alert")
        [fired] = installation.alerts()
        assert fired["threshold"] == 11
        await writer.put(
            fired["id"], Acknowledgement(project="shop", sequence=1, at=NOW), replaces=None, by="mira"
        )
        await installation.until(lambda: len(installation.alerts()) > 1, "an acknowledgement")
        assert installation.alerts()[1]["acknowledged_by"] == "mira"
        stop.set()
        await running


async def test_the_pipeline_is_watched_for_its_own_project_without_any_event(
    installation: Installation,
) -> None:
    async with installation.config() as config:
        watcher = installation.watcher(config)
        installation.lag = Total(70_000, 700.0)
        await look(watcher)
        installation.at += MINUTE
        await look(watcher)
        installation.lag = Total(0, 1.0)
        await look(watcher)
        await end(watcher)
    told = {(each["rule"], each["event"], each["severity"]) for each in installation.alerts()}
    assert told == {
        (rule, said, "critical")
        for rule in ("stream_lag", "sink_lag", "freshness")
        for said in ("pending", "fired", "resolved")
    }
    assert {each["project"] for each in installation.alerts()} == {"loopin"}
    assert len(installation.alerts()) == 9


async def test_the_pipeline_is_watched_while_the_store_is_away(installation: Installation) -> None:
    async def fails(what: str, parameters: Mapping[str, object]) -> None:
        raise StoreError("store_unreachable", "ClickHouse does not answer.")

    async with installation.config() as config:
        watcher = installation.watcher(config, store=HookedStore(installation.store, before=fails))
        installation.lag = Total(70_000, 700.0)
        for _ in range(2):
            with pytest.raises(StoreError, match="does not answer"):
                await look(watcher)
            installation.at += MINUTE
        await end(watcher)
    told = [(each["rule"], each["event"]) for each in installation.alerts()]
    rules = ("stream_lag", "sink_lag", "freshness")
    assert sorted(told) == sorted((rule, event) for rule in rules for event in ("pending", "fired"))


async def test_while_nobody_knows_what_is_queryable_nothing_is_judged(installation: Installation) -> None:
    await plant(installation)
    installation.lag = Total(0, None)
    async with installation.config() as config:
        watcher = installation.watcher(config)
        await look(watcher)
        await end(watcher)
    assert installation.alerts() == []


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("open_in", [("alerts",), ("watch.state",), ("alerts", "watch.state")])
async def test_what_a_broker_that_crashed_has_left_open_is_ended_as_it_was(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, open_in: tuple[str, ...], committed: bool
) -> None:
    """The first transaction of a watcher, ended in one of both topics and open in the other."""
    if committed and len(open_in) == 2:
        pytest.skip("what is committed nowhere is not")
    monkeypatch.setattr(settling, "SETTLES_S", 0.2)
    await plant(installation)
    written = await _first_transaction(installation)
    settings = installation.settings
    if committed:
        for topic in {"alerts", "watch.state"} - set(open_in):
            await _write(installation, topic, written[topic])
    left = {(settings.topic(topic), 0): written[topic] for topic in open_in}
    await leave_open(settings.kafka_bootstrap, f"{settings.topic_prefix}watcher", left)
    async with installation.config() as config:
        watcher = installation.watcher(config)
        await look(watcher)
        await look(watcher)
        await end(watcher)
    assert installation.events() == [(RULE, "fired", 1)]


async def _first_transaction(installation: Installation) -> dict[str, list[Any]]:
    """What a watcher writes first, by topic."""
    unused: Any = None
    rules = Rules()
    book = Book(rules)
    judge = Judge(Numbers(installation.store, Measured(unused, unused, Configuration), unused), book)
    of = rules.find("shop", RULE)
    assert of is not None
    await judge.judge(of, "shop", Times(NOW, NOW))
    alerts, changes = book.take()
    progress = (PROGRESS_KEY, encode([1, [[each.id, each.sequence] for each in alerts]]))
    key = f"shop:{RULE}".encode()
    return {"alerts": [(key, encode(each)) for each in alerts], "watch.state": [*changes, progress]}


async def _write(installation: Installation, topic: str, records: list[Any]) -> None:
    outbox = Outbox(installation.settings.kafka_bootstrap, f"{installation.settings.topic_prefix}watcher")
    await outbox.start()
    await outbox.commit([(installation.settings.topic(topic), 0, records)])
    await outbox.stop()


def gauge(watcher: AlertWatcher, name: str, **labels: str) -> float | None:
    registry = CollectorRegistry()
    collector: Any = watcher
    registry.register(collector)
    return registry.get_sample_value(name, labels)
