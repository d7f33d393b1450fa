from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from loopin_deploy import readyz
from loopin_deploy.api_client import ApiClient
from loopin_deploy.commands import doctor
from loopin_deploy.data_folder import open_data_folder
from loopin_deploy.errors import DeployError
from loopin_deploy.stack_state import STATE_FILE, StackState
from loopin_schemas.topics import TOPICS
from loopin_streams.kafka.lag import Lag
from loopin_streams.kafka.settings import KafkaSettings
from tests.deploy.command_line import Loopin, Ran
from tests.deploy.role_server import Role

COMPONENTS = {
    **{"api": {"ok": True}, "store": {"ok": True, "version": "26.9.[/x]"}},
    **{"sink": {"ok": True}, "stream": {"ok": True}},
}


@pytest.fixture(autouse=True)
def usual_ports_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "port_taken", lambda *_: False)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StackState]:
    """What a system leaves that runs on the data folder, with a broker that does not answer."""
    with open_data_folder(tmp_path / "data") as folder:
        state = StackState(1, "127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:1")
        (folder.path / STATE_FILE).write_bytes(msgspec.json.encode(state))
        yield state


def table(ran: Ran) -> dict[str, tuple[str, str, str]]:
    """Mark, finding and advice by what was looked at."""
    rows: dict[str, tuple[str, str, str]] = {}
    name = ""
    for line in ran.out.splitlines():
        if line.startswith("      "):
            continue
        if line.startswith("    "):
            mark, found, _ = rows[name]
            rows[name] = (mark, found, line.strip())
        else:
            mark, rest = line.split("  ", 1)
            name, found = rest.split(": ", 1)
            rows[name] = (mark, found, "")
    return rows


def test_with_nothing_running_each_line_says_what_to_do(loopin: Loopin, nobody: str) -> None:
    ran = loopin("doctor")

    assert ran.code == 1
    assert ran.err == ""
    found = table(ran)
    assert found["Java"] == ("ok", "not needed: LOOPIN_KAFKA_BOOTSTRAP names a broker", "")
    assert found["ports"] == ("ok", "9092, 8000 and 8001 are free", "")
    assert found["disk"][0] == "ok"
    assert found["broker"][:2] == ("no", "no answer")
    assert found["broker"][2].startswith(f"No Kafka broker answers at {nobody}")
    assert found["topics"] == ("no", "unknown", "Start the broker first.")
    assert found["store and API"][:2] == ("no", "not running on this data folder")
    assert found["roles"] == (
        *("ok", "none on this data folder; `loopin status --url` asks those elsewhere"),
        "",
    )
    assert found["lag"][:2] == ("no", "unknown")
    assert list(found) == [name for name, _ in doctor.CHECKS]
    assert all(advice for mark, _, advice in found.values() if mark == "no")


def test_with_a_broker_that_lacks_topics_it_says_how_to_make_them(loopin: Loopin, broker: str) -> None:
    found = table(loopin("doctor"))

    assert found["broker"] == ("ok", f"answers at {broker}", "")
    assert found["topics"][1].endswith("differ from the table")
    assert found["topics"][2] == "Run `loopin topics apply`."


def test_with_everything_there_all_is_well(
    loopin: Loopin, broker: str, state: StackState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ApiClient, "health", lambda _: {"components": COMPONENTS})
    monkeypatch.setattr(readyz, "fetch", lambda _: (200, "{}"))
    loopin("topics", "apply")

    ran = loopin("doctor")

    assert ran.code == 0, ran.out
    found = table(ran)
    assert {mark for mark, _, _ in found.values()} == {"ok"}
    assert found["topics"][1] == "as the table says"
    assert found["store and API"][1] == f"answers at {state.api_url}, ClickHouse 26.9.[/x]"
    assert found["roles"][1] == "ready"
    sink = ("events", "metric_windows", "person_merges", "profiles", "config_history", "alerts", "anomalies")
    consumers = ("enrich", "merge", "identity", "train", *sink)
    limit = KafkaSettings().max_lag_s
    assert found["lag"][1] == f"none is more than {limit:g} s behind"
    lines = ran.out.splitlines()[-1 - len(consumers) :]
    assert lines[1:] == [f"      {name} 0 records (0 s)" for name in consumers]
    assert max(map(len, lines)) <= 80
    assert found["ports"][1] == "in use by the running system"


def test_a_system_that_was_killed_is_told(loopin: Loopin, nobody: str, state: StackState) -> None:
    mark, found, advice = table(loopin("doctor"))["store and API"]

    assert (mark, found) == ("no", "no answer")
    assert advice.startswith(f"The API at {state.api_url} does not answer")


def test_a_component_that_is_not_well_is_named(
    loopin: Loopin, nobody: str, state: StackState, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sink = {"ok": False, "reason": "Partition 1 is refused: act."}
    unwell: dict[str, Any] = COMPONENTS | {"sink": sink, "store": {"ok": False}}
    monkeypatch.setattr(ApiClient, "health", lambda _: {"components": unwell})

    mark, found, advice = table(loopin("doctor"))["store and API"]

    assert (mark, found) == ("no", "unwell: store, sink")
    assert advice == f"Partition 1 is refused: act. See {tmp_path / 'data' / 'logs'}."


REFUSAL = "Partition 1 is refused: its log has lost records; run `loopin [sink]`."


def test_a_role_that_refuses_a_partition_says_why_and_more_of_it_is_not_advised(
    loopin: Loopin, broker: str, role: Role, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loopin("topics", "apply")
    monkeypatch.setattr(doctor, "_lags", _behind)
    role.answers["/readyz?exclude=lag"] = (503, json.dumps({"reason": REFUSAL}).encode())
    with open_data_folder(tmp_path / "data") as folder:
        state = StackState(os.getpid(), broker, "http://127.0.0.1:1", role.url)
        (folder.path / STATE_FILE).write_bytes(msgspec.json.encode(state))
        found = table(loopin("doctor"))

    assert found["roles"] == (
        "no",
        "not ready: stream, store",
        f"stream: {REFUSAL} store: http://127.0.0.1:1 does not answer (Connection refused).",
    )
    late = f"more than {KafkaSettings().max_lag_s:g} s behind: enrich"
    assert found["lag"] == ("no", late, "Do first what the roles say above.")


def test_who_is_behind_and_refuses_nothing_needs_time_or_help(
    loopin: Loopin, broker: str, state: StackState, monkeypatch: pytest.MonkeyPatch
) -> None:
    loopin("topics", "apply")
    monkeypatch.setattr(doctor, "_lags", _behind)
    monkeypatch.setattr(readyz, "fetch", lambda _: (200, "{}"))

    assert table(loopin("doctor"))["lag"][2].endswith("wait until it has caught up, or start more of it.")


def test_who_is_behind_elsewhere_is_to_be_looked_at(
    loopin: Loopin, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loopin("topics", "apply")
    monkeypatch.setattr(doctor, "_lags", _behind)

    assert "is ready (`loopin status --url`)" in table(loopin("doctor"))["lag"][2]


async def _behind(_: KafkaSettings) -> dict[str, Lag]:
    return {"enrich": Lag(events=7, seconds=900.0)}


def test_another_partition_count_is_not_left_to_topics_apply_which_refuses_it(
    loopin: Loopin, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loopin("topics", "apply")
    monkeypatch.setenv("LOOPIN_PARTITIONS", "3")

    mark, found, advice = table(loopin("doctor"))["topics"]

    assert (mark, found) == (
        "no",
        f"{sum(topic.partitions == 'raw' for topic in TOPICS)} differ from the table",
    )
    assert "loopin topics apply" not in advice
    assert "set LOOPIN_PARTITIONS to the broker's count" in advice
    assert "`loopin state rebuild`" in advice


def test_missing_java_and_maven_are_told(
    loopin: Loopin, nobody: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LOOPIN_KAFKA_BOOTSTRAP")
    monkeypatch.setenv("LOOPIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    found = table(loopin("doctor"))

    assert found["Java"][:2] == ("no", "missing or too old")
    assert "apt install openjdk-17-jre-headless" in " ".join(found["Java"])
    assert found["Maven"][:2] == ("no", "missing")


def test_maven_is_found_where_the_packages_are_not(
    loopin: Loopin, nobody: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LOOPIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(doctor, "find_maven", lambda: "/opt/[maven]/mvn")

    assert table(loopin("doctor"))["Maven"] == ("ok", "/opt/[maven]/mvn", "")


def test_a_taken_port_is_told(loopin: Loopin, nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)):
        monkeypatch.setattr(doctor, "port_taken", lambda _, port: port != 8001)
        found = table(loopin("doctor"))["ports"]

    assert found[:2] == ("no", "9092, 8000 taken")
    assert "--api-port" in found[2]


def test_a_disk_that_is_nearly_full_is_told(
    loopin: Loopin, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**40, 2**40, 2**20))

    assert table(loopin("doctor"))["disk"][:2] == ("no", "0.0 GB free")


def test_an_api_that_refuses_is_told(
    loopin: Loopin, nobody: str, state: StackState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: ApiClient) -> None:
        raise DeployError("api_refused", "/", "The API answered 500.")

    monkeypatch.setattr(ApiClient, "health", refuse)

    assert table(loopin("doctor"))["store and API"][2].startswith("The API answered 500. See ")
