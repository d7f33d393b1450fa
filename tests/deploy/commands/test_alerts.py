"""``loopin alerts`` against the API on a real port, with alerts in its store."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from loopin_api.app import create_app
from loopin_api.auth import hash_key
from loopin_api.server import serving
from loopin_api.settings import ApiSettings
from loopin_deploy.commands.alert_tables import condition_text
from loopin_deploy.data_folder import open_data_folder
from loopin_deploy.own_secrets import load_or_create_secrets
from loopin_deploy.ports import free_port
from loopin_deploy.stack_state import STATE_FILE, StackState
from loopin_schemas.alert_rule import Acknowledgement, Silence
from loopin_schemas.window import MetricWindow
from loopin_sinks.store import StoreSettings, open_store
from tests.api.alerts_stored import store_alerts, store_windows
from tests.api.config_in_memory import Log
from tests.api.conftest import SECRET, Broker
from tests.deploy.command_line import Loopin
from tests.deploy.commands.test_dead_letters import HOSTILE, swept
from tests.migrated import fill
from tests.sinks.alerts.recorded import MINUTE_MS, some_alert

KEY, READER = "lk_personal", "lk_reader"
NOW_MS = int(time.time() * 1000) // MINUTE_MS * MINUTE_MS
OPENED = {"opened_at": NOW_MS - 125 * MINUTE_MS, "at": NOW_MS - 125 * MINUTE_MS}
ALERTS = [
    some_alert(id="shop:payment_failure_rate:1", severity="critical", **OPENED),
    some_alert(id=HOSTILE, rule="events_absent", message=HOSTILE, **OPENED | {"opened_at": NOW_MS - 130}),
]
OF_A_MINUTE: tuple[dict[str, Any], ...] = (
    {"metric": "events", "count": 9},
    {"metric": "payment_failure_rate", "count": 9, "sum": 3_000_000},
)
FAILURES = [
    MetricWindow(project="shop", grain="minute", start=NOW_MS - ago * MINUTE_MS, revision=1, **of)
    for ago in range(60, 50, -1)
    for of in OF_A_MINUTE
]

__all__ = ["swept"]


class Api(NamedTuple):
    url: str
    log: Log
    broker: Broker


@pytest.fixture
def api(tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch, loopin: Loopin) -> Iterator[Api]:
    monkeypatch.setenv("LOOPIN_KEY", KEY)
    # A proxy that nobody listens at must not come between.
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    keys = tmp_path / "keys.json"
    given = [("desk", KEY, ["read", "write"]), ("reader", READER, ["read"])]
    keys.write_text(
        json.dumps([{"name": n, "project": "shop", "scopes": s, "sha256": hash_key(k)} for n, k, s in given])
    )
    settings = ApiSettings.model_validate({"jwt_secret": SECRET, "keys_file": keys})
    stored = StoreSettings(data_dir=tmp_path / "stored")
    fill(stored, migrated)
    log, broker, ready = Log(), Broker(), list[str]()
    begun, ended = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        store = open_store(stored)
        try:
            await store_alerts(store, ALERTS)
            await store_windows(store, FAILURES)
            app = create_app(settings, store, broker, config=log, writer=log)
            async with serving(app, "127.0.0.1", 0) as url:
                ready.append(url)
                begun.set()
                await ended.wait()
        finally:
            begun.set()
            await store.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    begun.wait()
    try:
        state = StackState(os.getpid(), "127.0.0.1:1", ready[0], ready[0])
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / STATE_FILE).write_bytes(msgspec.json.encode(state))
        yield Api(ready[0], log, broker)
    finally:
        loops[0].call_soon_threadsafe(ended.set)
        thread.join()


def test_alerts_are_listed_shown_and_acknowledged(loopin: Loopin, api: Api) -> None:
    listed = [alert["id"] for alert in json.loads(loopin("alerts", "list", "--json").out)]
    assert listed == [HOSTILE, "shop:payment_failure_rate:1"]
    table = loopin("alerts", "list", "--severity", "critical").out
    assert "critical" in table
    assert "firing" in table
    assert "2h" in table
    assert "shop:payment_failure_rate:1" in table
    assert "events_absent" not in loopin("alerts", "list", "--rule", "payment_failure_rate", "--json").out
    more = loopin("alerts", "list", "--limit", "1")
    assert "1 more: name what you look for" in more.out
    shown = loopin("alerts", "show", "shop:payment_failure_rate:1").out
    assert "fired" in shown
    assert "nobody" in shown
    told = loopin("alerts", "ack", "shop:payment_failure_rate:1", "--comment", "On it.")
    assert told.out.endswith(" looks after shop:payment_failure_rate:1.\n")
    item = api.log.configuration.of(Acknowledgement)["shop:payment_failure_rate:1"]
    assert (item.by[:4], item.body.comment) == ("key ", "On it.")
    assert told.out.startswith(item.by)


def test_what_was_sent_does_not_steer_the_terminal(loopin: Loopin, api: Api) -> None:
    for arguments in (["list"], ["list", "--json"], ["show", HOSTILE], ["ack", HOSTILE]):
        ran = loopin("alerts", *arguments)
        assert ran.code == 0, ran
        assert "\x1b" not in ran.out


def test_alerts_are_silenced(loopin: Loopin, api: Api) -> None:
    rule = ("--rule", "payment_failure_rate", "--where", "country=IN", "--where", "city=Pune=East")
    made = loopin("alerts", "silence", "--for", "2h", *rule, "--comment", "Moving.")
    assert "payment_failure_rate, country=IN, city=Pune=East" in made.out
    [item] = api.log.configuration.of(Silence).values()
    body = item.body
    assert (body.ends_at - body.starts_at, body.rule, body.comment) == (
        7_200_000,
        "payment_failure_rate",
        "Moving.",
    )
    assert body.dimensions == {"country": "IN", "city": "Pune=East"}
    [listed] = json.loads(loopin("alerts", "silences", "--json").out)
    assert (listed["state"], listed["rule"]) == ("active", "payment_failure_rate")
    assert "Moving." in loopin("alerts", "silences").out
    assert loopin("alerts", "unsilence", listed["id"]).code == 0
    assert json.loads(loopin("alerts", "silences", "--json").out)[0]["state"] == "expired"
    wrong = loopin("alerts", "silence", "--for", "2h", "--where", "country")
    assert wrong.refused() == "country says no value: give --where country=IN."
    assert loopin("alerts", "silence", "--for", "soon").refused().startswith("duration: ")


def test_rules_are_listed_and_tried(loopin: Loopin, api: Api) -> None:
    listed = json.loads(loopin("alerts", "rules", "--json").out)
    assert "payment_failure_rate" in [rule["name"] for rule in listed]
    table = loopin("alerts", "rules").out
    assert "above: warning 0.1, critical 0.2" in table
    assert "built in" in table
    rule = ("alerts", "backtest", "payment_failure_rate")
    found = json.loads(loopin(*rule, "--from", "-2h", "--json").out)
    assert (found["total"], found["episodes"][0]["severity"]) == (1, "critical")
    shown = loopin(*rule, "--from", "-2h").out
    assert "payment_failure_rate would have fired once" in shown
    assert "critical" in shown
    assert json.loads(loopin("alerts", "backtest", "login_failures_of_one_user", "--json").out)["total"] == 0
    long = loopin("alerts", "backtest", "login_failures_of_one_user", "--from", "-7d").refused()
    assert long.endswith("give at most 7 hours.")
    assert "There is no history" in loopin(*rule, "--from", "-9d", "--to", "-8d").out
    assert loopin("alerts", "backtest", "nothing").refused().startswith("There is no rule of this name;")


def test_a_test_alert_is_raised(loopin: Loopin, api: Api) -> None:
    assert loopin("alerts", "test").out.startswith("Raised test:")
    assert api.broker.topics == ["alerts", "alerts"]
    refusal = loopin("alerts", "test", "--key", READER).refused()
    assert refusal == "This needs the scope write; use a token or key that has it."


def test_another_api_can_be_named(loopin: Loopin, api: Api, tmp_path: Path) -> None:
    (tmp_path / "data" / STATE_FILE).unlink()
    assert loopin("alerts", "rules").refused().startswith("Nothing runs on the data folder")
    assert loopin("alerts", "rules", "--url", "10.0.0.5").refused().startswith("10.0.0.5 is no address: give")
    assert loopin("alerts", "rules", "--url", f"{api.url}/").code == 0


def test_how_to_get_a_key_of_a_project_without_one_is_said(
    loopin: Loopin, nobody: str, tmp_path: Path
) -> None:
    with open_data_folder(tmp_path / "data") as folder:
        (folder.path / STATE_FILE).write_bytes(
            msgspec.json.encode(StackState(1, "", "http://127.0.0.1:1", ""))
        )
        assert loopin("alerts", "list").refused() == f"There is no key in {folder.path}: give one with --key."
        load_or_create_secrets(folder.secrets, ("shop", "demo"))
        said = loopin("alerts", "list", "--project", "loopin").refused()
    make = "loopin keys create --project loopin --kind personal --scopes read,write"
    assert said == (
        f"There is no key of project loopin on the data folder: make one with `{make}` and give it with "
        "--key, or name one of demo, shop."
    )
    # It is a command that there is: only a broker is missing.
    assert nobody in loopin(*make.split()[1:]).refused()


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ({"type": "absence", "windows": 15, "least": 1}, "fewer than 1 in 15 windows"),
        (
            {"type": "change", "direction": "down", "against": "week", "warning": 0.5, "critical": None},
            "change down against week: warning 0.5",
        ),
        ({"type": "anomaly", "direction": "both", "warning": 4.0, "critical": 6.0},
         "anomaly both: warning 4, critical 6"),
    ],
)  # fmt: skip
def test_conditions_in_words(condition: dict[str, Any], text: str) -> None:
    assert condition_text(condition) == text
