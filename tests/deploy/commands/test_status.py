"""``loopin status`` where little runs; the real system is in tests/e2e/test_status.py."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

from loopin_deploy.data_folder import open_data_folder
from loopin_deploy.ports import free_port
from loopin_deploy.stack_state import STATE_FILE, StackState
from tests.deploy.command_line import Loopin


def test_where_nothing_runs_it_says_so(loopin: Loopin, tmp_path: Path) -> None:
    sentence = loopin("status").refused()
    assert sentence == (
        f"Nothing runs on the data folder {tmp_path / 'data'}: start it with `loopin up`, or name roles with "
        "--url."
    )


def test_a_system_that_is_starting_is_told(loopin: Loopin, tmp_path: Path) -> None:
    with open_data_folder(tmp_path / "data"):
        assert "is starting the system: ask again in a moment." in loopin("status").refused()


def test_roles_that_do_not_answer_are_named(loopin: Loopin) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    assert loopin("status", "--url", f"{gone}/").refused() == f"{gone} does not answer (Connection refused)."


def test_a_url_must_be_one(loopin: Loopin) -> None:
    assert (
        loopin("status", "--url", "10.0.0.5:8001").refused().startswith("10.0.0.5:8001 is no address: give")
    )


def test_a_system_whose_roles_are_gone_is_told_by_both(loopin: Loopin, tmp_path: Path) -> None:
    gone = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    with open_data_folder(tmp_path / "data") as folder:
        state = StackState(os.getpid(), "127.0.0.1:1", *gone)
        (folder.path / STATE_FILE).write_bytes(msgspec.json.encode(state))
        sentence = loopin("status").refused()
    assert all(f"{url} does not answer" in sentence for url in gone)


def test_the_broker_alone_tells_how_far_each_consumer_is_behind(loopin: Loopin, broker: str) -> None:
    assert loopin("topics", "apply").code == 0
    ran = loopin("status", "--from-broker", "--json")
    assert ran.code == 0, ran
    (line,) = ran.out.splitlines()
    told = {
        one["consumer"]: (role["role"], role["ready"], one["lag_events"], one["lag_s"])
        for role in json.loads(line)["roles"]
        for one in role["consumers"]
    }
    assert told == {
        "enrich": ("stream", True, 0, 0.0),
        "merge": ("stream", True, 0, 0.0),
        "identity": ("stream", True, 0, 0.0),
        "train": ("trainer", True, 0, 0.0),
        "events": ("sink", True, 0, 0.0),
        "metric_windows": ("sink", True, 0, 0.0),
        "person_merges": ("sink", True, 0, 0.0),
        "profiles": ("sink", True, 0, 0.0),
        "config_history": ("sink", True, 0, 0.0),
        "alerts": ("sink", True, 0, 0.0),
        "anomalies": ("sink", True, 0, 0.0),
    }
    table = loopin("status", "--from-broker").out
    assert "lag, records" in table
    assert "all ready" in table


def test_without_a_broker_it_says_so(loopin: Loopin, nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopin_streams.kafka.logs.TIMEOUT_S", 0.2)
    sentence = loopin("status", "--from-broker").refused()
    assert sentence.startswith(f"No Kafka broker answers at {nobody}")
