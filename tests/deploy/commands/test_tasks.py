"""``loopin tasks`` against the API on a real port, with the runner that makes what is asked for."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import pytest

from loopin_api.app import create_app
from loopin_api.auth import hash_key
from loopin_api.server import serving
from loopin_api.settings import ApiSettings
from loopin_deploy.ports import free_port
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.store import Store, StoreSettings, open_store
from loopin_sinks.tasks import runner as running
from loopin_sinks.tasks.calculate_metrics import CalculateArguments
from loopin_sinks.tasks.runner import TaskRunner
from loopin_sinks.tasks.task import Context, Task
from loopin_sinks.tasks.when import Every
from tests.api.config_in_memory import Log
from tests.api.conftest import SECRET, Broker
from tests.deploy.command_line import Loopin
from tests.migrated import fill

ADMIN, READER = "lk_admin", "lk_reader"


class Api(NamedTuple):
    url: str
    log: Log


async def _calculate(context: Context) -> int:
    if context.arguments.names == ("broken",):
        raise ZeroDivisionError
    if context.arguments.names == ("held",):
        await asyncio.Event().wait()
    return 4321


@pytest.fixture
def api(tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch, loopin: Loopin) -> Iterator[Api]:
    """One with the tasks that there are, of which `calculate_metrics` does as the test wants it."""
    monkeypatch.setattr(running, "SETTLE_S", 0.0)
    monkeypatch.setattr(running, "POLL_S", 0.01)
    monkeypatch.setattr("loopin_deploy.commands.tasks.POLL_S", 0.01)
    monkeypatch.setenv("LOOPIN_KEY", ADMIN)
    # A proxy that nobody listens at must not come between.
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    keys = tmp_path / "keys.json"
    given = [("admin", ADMIN, ["admin"]), ("reader", READER, ["read"])]
    keys.write_text(
        json.dumps([{"name": n, "project": "shop", "scopes": s, "sha256": hash_key(k)} for n, k, s in given])
    )
    settings = ApiSettings.model_validate({"jwt_secret": SECRET, "keys_file": keys})
    stored = StoreSettings(data_dir=tmp_path / "stored")
    fill(stored, migrated)
    log, ready = Log(), []
    begun, ended = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        store = open_store(stored)
        try:
            runner = asyncio.create_task(_runner(store, log).run(ended))
            app = create_app(settings, store, Broker(), config=log, writer=log)
            async with serving(app, "127.0.0.1", 0) as url:
                ready.append(url)
                begun.set()
                await runner
        finally:
            begun.set()
            await store.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    begun.wait()
    yield Api(ready[0], log)
    loops[0].call_soon_threadsafe(ended.set)
    thread.join()


def _runner(store: Store, log: Log) -> TaskRunner:
    task = Task(
        name="calculate_metrics",
        when=Every(86_400),
        description="As the test wants it.",
        run=_calculate,
        arguments=CalculateArguments,
    )
    return TaskRunner(
        store,
        log,
        scope=lambda project, now: Scope(project=project, zone=UTC, now=now),
        zone=UTC,
        leads=lambda: True,
        tasks=[task],
    )


def test_schedules_are_listed_changed_paused_resumed_added_and_taken_away(loopin: Loopin, api: Api) -> None:
    def shown(*arguments: str) -> str:
        ran = loopin("tasks", *arguments, "--url", api.url)
        assert ran.code == 0, ran
        return ran.out

    listed = shown("list")
    assert "calculate_metrics" in listed
    assert "5 * * * *" in listed
    assert "every 15 min" in shown("set", "calculate_metrics", "--every", "15m")
    assert "*/20 * * * *" in shown("set", "calculate_metrics", "--crontab", "*/20 * * * *")
    assert "paused" in shown("pause", "calculate_metrics")
    assert "paused" not in shown("resume", "calculate_metrics")
    hourly = ("--task", "calculate_metrics", "--every", "1h")
    added = shown("add", "often", *hourly, "--arguments", '{"names": ["dau"]}')
    assert "│ often " in added
    assert "│ (calculate_metrics) " in added
    told = {each["name"]: each for each in json.loads(shown("list", "--json"))}
    assert told["often"]["arguments"] == {"names": ["dau"]}
    assert told["calculate_metrics"]["crontab"] == "*/20 * * * *"
    assert shown("remove", "often") == "often is taken away.\n"
    assert shown("remove", "calculate_metrics") == "calculate_metrics is as its task comes.\n"
    assert json.loads(shown("list", "--json"))[0]["crontab"] == "5 * * * *"


def test_a_run_is_cancelled_by_its_id(loopin: Loopin, api: Api) -> None:
    held = ("--arguments", '{"names": ["held"]}', "--json", "--wait", "0")
    run = json.loads(
        loopin("tasks", "run", "calculate_metrics", *held, "--url", api.url).out.splitlines()[-1]
    )
    said = loopin("tasks", "cancel", run["id"], "--url", api.url)
    assert said.code == 0, said
    assert said.out.splitlines()[-1].startswith("calculate_metrics is being cancelled: ")
    deadline = monotonic() + 120
    while monotonic() < deadline:
        told = json.loads(loopin("tasks", "runs", "--json", "--url", api.url).out.splitlines()[-1])
        [found] = [each for each in told if each["id"] == run["id"]]
        if found["state"] == "cancelled":
            break
    assert (found["state"], found["error"]) == ("cancelled", "It was cancelled.")
    assert run["id"] in loopin("tasks", "runs", "--url", api.url).out
    again = loopin("tasks", "cancel", run["id"], "--url", api.url)
    assert again.refused() == "This run is cancelled: there is nothing to cancel."


def test_a_run_is_waited_for_and_recorded(loopin: Loopin, api: Api) -> None:
    ran = loopin("tasks", "run", "calculate_metrics", "--url", api.url)
    assert ran.code == 0, ran
    # Before it stands what the runner says in its log, which is this process's here.
    assert ran.out.splitlines()[-1].startswith("calculate_metrics is done: 4,321 rows in ")
    broken = ("--arguments", '{"names": ["broken"]}', "--json")
    failing = loopin("tasks", "run", "calculate_metrics", *broken, "--url", api.url)
    assert failing.code == 1
    run = json.loads(failing.out.splitlines()[-1])
    assert (run["state"], run["by"][:4]) == ("failed", "key ")
    assert run["error"].startswith("It failed (ZeroDivisionError)")
    listed = loopin("tasks", "runs", "calculate_metrics", "--url", api.url)
    assert listed.code == 0
    assert "4,321" in listed.out
    assert "ZeroDivisionError" in listed.out
    newest = json.loads(loopin("tasks", "runs", "--limit", "1", "--url", api.url, "--json").out)
    assert newest == [run]
    assert datetime.fromisoformat(run["started_at"]) <= datetime.fromisoformat(run["ended_at"])


def test_what_the_api_refuses_is_said_in_its_words(
    loopin: Loopin, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: str) -> str:
        return loopin("tasks", *arguments, "--url", api.url).refused()

    assert refused("pause", "nothing").startswith("There is no schedule of this name;")
    assert refused("set", "calculate_metrics", "--crontab", "daily").startswith("crontab: Give five fields")
    assert refused("add", "often", "--task", "nothing").startswith("task: There is no such task; use one of")
    api.log.down = True
    assert refused("pause", "calculate_metrics") == "Kafka did not answer in time: look, and try again."
    monkeypatch.setenv("LOOPIN_KEY", READER)
    assert refused("list") == "This needs the scope admin; use a token or key that has it."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["set", "x"], "Give --crontab, --every or --arguments."),
        (["set", "x", "--every", "often"], "often is no time: give --every such as 15m, 6h or 1d."),
        (["run", "x", "--arguments", "[1]"], 'Give --arguments as a JSON object: {"names": ["dau"]}.'),
    ],
)
def test_what_is_given_wrong_is_said(loopin: Loopin, arguments: list[str], sentence: str) -> None:
    assert loopin("tasks", *arguments, "--url", "http://127.0.0.1:1").refused() == sentence


def test_where_nothing_runs_it_says_so(loopin: Loopin, tmp_path: Path) -> None:
    sentence = loopin("tasks", "list").refused()
    assert sentence == (
        f"Nothing runs on the data folder {tmp_path / 'data'}: start it with `loopin up`, or name an API "
        "with --url."
    )


def test_a_url_must_be_one(loopin: Loopin) -> None:
    sentence = loopin("tasks", "list", "--url", "foo").refused()
    assert sentence == "foo is no address: give one like http://10.0.0.5:8000."
