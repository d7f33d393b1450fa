from __future__ import annotations

import errno
import platform
import re
import subprocess
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import pytest
import typer
from aiokafka.errors import KafkaConnectionError
from confluent_kafka import KafkaError, KafkaException
from typer.testing import CliRunner

from loopin_deploy.cli import app
from loopin_deploy.failures import EXPECTED, told
from tests.deploy.command_line import Loopin, run_process

COMMANDS = [
    *("demo", "up", "down", "replay", "simulate", "doctor", "run", "status", "watch", "migrate", "version"),
    *("keys", "keys create", "keys list", "keys revoke"),
    *("topics", "topics list", "topics apply", "dlq", "dlq list", "dlq show", "dlq replay"),
    *("notify", "notify channels", "notify test", "notify log"),
    *("tasks", "tasks list", "tasks runs", "tasks run", "tasks pause", "tasks resume", "tasks set"),
    *("tasks add", "tasks remove", "tasks cancel", "project", "project show", "project set"),
    *("models", "models list", "models show", "models promote", "models rollback", "models unpin"),
    *("persons", "persons merges", "persons warnings", "persons show", "persons unmerge"),
    *("alerts", "alerts list", "alerts show", "alerts ack", "alerts silence", "alerts silences"),
    *("alerts unsilence", "alerts rules", "alerts backtest", "alerts test"),
    *(
        "state",
        "state rebuild",
        "sink",
        "sink accept-loss",
        "kafka",
        "kafka start",
        "kafka stop",
        "kafka status",
        "kafka logs",
    ),
]


def test_version_tells_the_programs_and_pythons(loopin: Loopin) -> None:
    told = f"loopin {version_of('loopin-analytics')}, Python {platform.python_version()}\n"

    assert loopin("version") == (0, told, "")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_each_command_has_help(command: str, option: str) -> None:
    shown = CliRunner().invoke(app, [*command.split(), option])

    assert shown.exit_code == 0
    assert re.search(r"Usage: loopin " + command, re.sub(r"\s+", " ", shown.output.replace("root", "loopin")))


def test_no_command_is_left_out_of_these_tests() -> None:
    group: Any = typer.main.get_command(app)

    for name, command in group.commands.items():
        assert name in COMMANDS
        assert command.name == name
        for inner in getattr(command, "commands", ()):
            assert f"{name} {inner}" in COMMANDS


@pytest.mark.parametrize(
    ("command", "foreign"),
    [
        ("kafka", ["aiokafka", "chdb", "fastapi", "faust", "loopin_sinks"]),
        ("version", ["aiokafka", "chdb", "fastapi", "faust", "loopin_streams"]),
        ("run", ["aiokafka", "chdb", "fastapi", "faust", "loopin_streams"]),
        ("topics", ["chdb", "fastapi", "faust", "loopin_sinks"]),
        ("migrate", ["fastapi", "faust", "loopin_producers"]),
    ],
)
def test_a_command_waits_for_no_library_of_another(command: str, foreign: list[str]) -> None:
    """A command of a second would otherwise take several, and so would the start of each role."""
    script = f"""
import sys
from typer.testing import CliRunner
from loopin_deploy.cli import app
assert CliRunner().invoke(app, ["{command}", "--help"]).exit_code == 0
print([name for name in {foreign} if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout == "[]\n"


def test_a_wrong_name_is_answered_with_a_like_one(loopin: Loopin) -> None:
    ran = loopin("topic")

    assert ran.code == 2
    assert "Did you mean 'topics'?" in ran.err


@pytest.mark.parametrize("arguments", [[], ["topics"], ["keys"], ["dlq"], ["state"], ["kafka"]])
def test_nothing_asked_shows_help(arguments: list[str], loopin: Loopin) -> None:
    ran = loopin(*arguments)

    assert ran.code == 2
    assert "Usage: loopin" in ran.out + ran.err


@pytest.mark.parametrize("arguments", [["nonsense"], ["up", "--nonsense"], ["run"], ["dlq", "show"]])
def test_wrong_usage_is_refused(arguments: list[str], loopin: Loopin) -> None:
    ran = loopin(*arguments)

    assert ran.code == 2
    assert "Usage: loopin" in ran.err


@pytest.mark.parametrize("option", ["--kafka-port", "--api-port", "--worker-port"])
@pytest.mark.parametrize("port", ["-1", "65536", "http"])
@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_port_that_cannot_be_is_refused(command: str, option: str, port: str, loopin: Loopin) -> None:
    ran = loopin(command, option, port)

    assert ran.code == 2
    assert option in ran.err


def test_a_role_that_does_not_exist_is_named_with_those_that_do(loopin: Loopin) -> None:
    ran = loopin("run", "[red]sinks[/]")

    assert (
        ran.refused()
        == "There is no role [red]sinks[/]: give one of stream, trainer, sink, api, store, notify."
    )


WRONG_SETTINGS = [
    ("run api", "LOOPIN_API_PORT", "abc", "input should be a valid integer"),
    ("run api", "LOOPIN_API_PORT", "65536", "less than or equal to 65535"),
    ("run api", "LOOPIN_PROJECT_TIMEZONE", "Mars/Olympus", "such as UTC or Asia/Kolkata"),
    ("run api", "ANALYTICS_ENABLED", "perhaps", "valid boolean"),
    ("run stream", "LOOPIN_PARTITIONS", "0", "greater than or equal to 1"),
    ("run stream", "LOOPIN_TEXT_PROPERTIES", "review", "give JSON"),
    ("run stream", "LOOPIN_TEXT_PROPERTIES", "[1]", "0: input should be a valid string"),
    ("run stream", "AI_SERVICES_ENABLED", "2", "valid boolean"),
    ("run sink", "LOOPIN_BATCH_SIZE", "0", "greater than or equal to 1"),
    ("run sink", "ANALYTICS_BATCH_SIZE", "60000", "less than or equal to 50000"),
    ("run store", "LOOPIN_STORE_MEMORY_MB", "1", "greater than or equal to 256"),
    ("run sink", "ANALYTICS_RETENTION_DAYS", "0", "greater than or equal to 1"),
    ("run sink", "LOOPIN_RETENTION_DAYS", "many", "valid integer"),
    ("run sink", "LOOPIN_PROJECT_RETENTION_DAYS", '{"[/]": 0}', "[/]: input should be greater"),
    ("run sink", "LOOPIN_PROJECT_RETENTION_DAYS", "{", "give JSON"),
    ("migrate", "LOOPIN_CLICKHOUSE_URL", "ftp://host", "give http://host:port"),
    ("topics list", "LOOPIN_PARTITIONS", "1e3", "valid integer"),
    ("doctor", "LOOPIN_TOPIC_PREFIX", "a b", "match pattern"),
]


@pytest.mark.parametrize(("command", "name", "value", "words"), WRONG_SETTINGS)
def test_a_wrong_setting_is_named_as_it_was_set(
    command: str, name: str, value: str, words: str, loopin: Loopin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    sentence = loopin(*command.split()).refused()

    assert sentence.startswith(f"Set {name} right: ")
    assert words in sentence
    assert set(re.findall(r"LOOPIN_\w+|ANALYTICS_\w+|AI_\w+", sentence)) == {name}


def test_of_two_names_the_one_that_counts_is_told(loopin: Loopin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYTICS_RETENTION_DAYS", "0")
    monkeypatch.setenv("LOOPIN_RETENTION_DAYS", "-1")

    assert loopin("run", "sink").refused().startswith("Set LOOPIN_RETENTION_DAYS right")


def test_a_name_in_small_letters_counts_too(loopin: Loopin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("analytics_retention_days", "0")

    assert loopin("run", "sink").refused().startswith("Set ANALYTICS_RETENTION_DAYS right")


def test_the_value_of_a_wrong_secret_is_not_shown(loopin: Loopin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPIN_JWT_SECRET", "tooshort")

    sentence = loopin("run", "api").refused()

    assert "LOOPIN_JWT_SECRET" in sentence
    assert "tooshort" not in sentence


def test_a_process_says_a_wrong_setting_in_one_sentence(tmp_path: Path) -> None:
    ran = run_process("run", "api", env={"LOOPIN_API_PORT": "abc", "LOOPIN_DATA_DIR": str(tmp_path)})

    assert ran.refused().startswith("Set LOOPIN_API_PORT right: input should be a valid integer")
    assert ran.out == ""


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (KafkaConnectionError("no route"), "Kafka: KafkaConnectionError: no route. Check LOOPIN_KAFKA_"),
        (KafkaException(KafkaError(KafkaError._TIMED_OUT)), "Local: Timed out"),
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full: free some space"),
        (OSError(errno.EADDRINUSE, "in use"), "set LOOPIN_HEALTH_PORT to another one."),
        (PermissionError(errno.EACCES, "Permission denied", "/x[/y]"), "/x[/y]: Permission denied: put"),
        (TimeoutError(), "Kafka did not answer in time: check LOOPIN_KAFKA_BOOTSTRAP and the broker's log."),
    ],
)
def test_what_nobody_foresaw_of_broker_and_machine_is_a_sentence_too(
    error: Exception, sentence: str, loopin: Loopin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: str) -> None:
        raise error

    monkeypatch.setattr("loopin_deploy.cli.app", fail)

    assert sentence in loopin().refused()


def test_a_defect_of_ours_is_no_sentence(loopin: Loopin, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: str) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("loopin_deploy.cli.app", fail)

    assert RuntimeError not in EXPECTED
    assert told(RuntimeError()) is None
    with pytest.raises(RuntimeError, match="a defect"):
        loopin()


def test_migrate_brings_a_folder_up_to_date_once(loopin: Loopin, tmp_path: Path) -> None:
    first = loopin("migrate")
    second = loopin("migrate")

    assert first.code == 0
    assert [line.split()[0] for line in first.out.splitlines()] == ["applied"] * len(first.out.splitlines())
    assert "applied 0001_events" in first.out
    assert second == (0, "The store is up to date.\n", "")
    assert (tmp_path / "data" / "store").is_dir()


def test_migrate_on_a_file_says_so(loopin: Loopin, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert str(tmp_path / "file") in loopin("migrate", "--data", tmp_path / "file").refused()


def test_a_tilde_means_the_home_folder_for_every_command(
    loopin: Loopin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOOPIN_DATA_DIR", "~/mine")
    monkeypatch.chdir(tmp_path)

    assert loopin("migrate").code == 0

    assert (tmp_path / "mine" / "store").is_dir()
    assert not (tmp_path / "~").exists()


def test_the_app_is_a_typer_app_without_pretty_tracebacks() -> None:
    assert isinstance(app, typer.Typer)
    assert not app.pretty_exceptions_enable
