"""docker-compose.yml: what the specification allows, what our own code reads, and no privilege too many."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import typer
import yaml
from jsonschema import Draft202012Validator

from loopin_api.settings import ApiSettings
from loopin_deploy.cli import app
from loopin_deploy.kafka.config import server_properties
from loopin_deploy.kafka.jars import KAFKA_VERSION
from loopin_deploy.roles import ROLES
from loopin_deploy.settings_docs import SECTIONS, names_of, variables_of
from loopin_sinks.store.settings import StoreSettings
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.projects.settings import ProjectDefaults

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).parent / "data"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
ROLE_SERVICES = ("stream", "trainer", "sink", "api", "notify")
OURS = ("setup", *ROLE_SERVICES)
SETUP_READS = (KafkaSettings, StoreSettings)
GIVEN = {"LOOPIN_CLICKHOUSE_PASSWORD": "p$w", "LOOPIN_JWT_SECRET": "s" * 32}
"""What a person has to put into the environment."""


def filled_in(text: str, given: dict[str, str]) -> str:
    """Compose's interpolation, as far as this file uses it."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.group(1), match.group(2), match.group(3)
        if name in given:
            return given[name]
        if kind == ":?":
            raise LookupError(f"{name}: {rest}")
        return str(rest)

    return re.sub(r"\$\{(\w+)(:[-?])([^}]*)\}", value, text)


def environment(service: str, given: dict[str, str] = GIVEN) -> dict[str, str]:
    """The variables that a container sees; those without a value come from the host, if they are there."""
    declared: dict[str, str | None] = SERVICES[service]["environment"]
    passed = {name: given[name] for name, value in declared.items() if value is None and name in given}
    return passed | {name: filled_in(value, given) for name, value in declared.items() if value is not None}


def commands(service: str) -> Iterator[list[str]]:
    """Command lines that a service of ours runs, without the program's name."""
    if "entrypoint" not in SERVICES[service]:
        yield SERVICES[service]["command"]
        return
    assert SERVICES[service]["entrypoint"] == ["/bin/sh", "-ec"], (
        "-e: the first command that fails is the last"
    )
    (script,) = SERVICES[service]["command"]
    for line in script.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "loopin"
        yield arguments


def test_satisfies_the_compose_specification() -> None:
    text = (DATA / "compose-spec.json").read_bytes()
    assert hashlib.sha256(text).hexdigest() in (DATA / "README.md").read_text(encoding="utf-8")
    schema = json.loads(text)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(COMPOSE)] == []
    assert not validator.is_valid(COMPOSE | {"services": {"api": {"imagee": "x"}}})


@pytest.mark.parametrize("service", OURS)
def test_runs_commands_that_the_command_line_knows(service: str) -> None:
    for arguments in commands(service):
        command: Any = typer.main.get_command(app)
        rest = list(arguments)
        while hasattr(command, "commands"):
            command = command.commands[rest.pop(0)]
        with command.make_context(command.name, rest) as context:
            if arguments[0] == "run":
                assert context.params["role"] == service
                assert service in ROLES


def test_setup_makes_topics_and_tables() -> None:
    assert list(commands("setup")) == [["topics", "apply"], ["migrate"]]


@pytest.mark.parametrize("service", ROLE_SERVICES)
def test_a_role_gets_names_that_it_reads(service: str) -> None:
    assert set(SERVICES[service]["environment"]) <= variables_of(service)


def test_setup_gets_names_that_it_reads() -> None:
    read = {
        name
        for settings in SETUP_READS
        for field in settings.model_fields
        for name in names_of(settings, field)
    }
    assert set(SERVICES["setup"]["environment"]) <= read


@pytest.mark.parametrize("service", ROLE_SERVICES)
def test_a_role_starts_with_these_values(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(service).items():
        monkeypatch.setenv(name, value)
    for section in SECTIONS:
        if service in section.roles:
            settings: Any = section.settings()
            assert not isinstance(settings, KafkaSettings) or settings.kafka_bootstrap == "kafka:9092"
            if isinstance(settings, StoreSettings):
                assert not settings.embedded
                assert settings.clickhouse_password.get_secret_value() == "p$w"


def test_settings_of_the_host_are_passed_on() -> None:
    given = GIVEN | {"ANALYTICS_RETENTION_DAYS": "30", "LOOPIN_PARTITIONS": "8"}
    assert environment("sink", given)["ANALYTICS_RETENTION_DAYS"] == "30"
    assert {environment(service, given)["LOOPIN_PARTITIONS"] for service in OURS} == {"8"}
    assert "LOOPIN_PARTITIONS" not in environment("sink")


@pytest.mark.parametrize(("service", "missing"), [("clickhouse", 0), ("setup", 0), ("sink", 0), ("api", 1)])
def test_a_missing_secret_is_named(service: str, missing: int) -> None:
    name = list(GIVEN)[missing]
    without = {key: value for key, value in GIVEN.items() if key != name}
    with pytest.raises(LookupError, match=f"{name}: Set {name} to "):
        environment(service, without)


def test_no_secret_is_in_the_file() -> None:
    for service in SERVICES.values():
        for name, value in service["environment"].items():
            if re.search(r"PASSWORD|SECRET|_KEY$|TOKEN", name):
                assert value is None or re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), name


def test_both_sides_mean_the_same_store() -> None:
    server, ours = environment("clickhouse"), environment("sink")
    assert server["CLICKHOUSE_USER"] == ours["LOOPIN_CLICKHOUSE_USER"]
    assert server["CLICKHOUSE_DB"] == ours["LOOPIN_CLICKHOUSE_DATABASE"]
    assert server["CLICKHOUSE_PASSWORD"] == ours["LOOPIN_CLICKHOUSE_PASSWORD"]
    url = urlsplit(ours["LOOPIN_CLICKHOUSE_URL"])
    assert (url.scheme, url.hostname, url.port) == ("http", "clickhouse", 8123)
    assert f"http://{url.netloc}/ping" in SERVICES["clickhouse"]["healthcheck"]["test"]


def test_only_the_api_is_published_and_on_this_host_only() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["api"]
    port = ApiSettings.model_fields["api_port"].default
    (published,) = SERVICES["api"]["ports"]
    assert filled_in(published, {}) == f"127.0.0.1:{port}:{port}"
    assert filled_in(published, {"LOOPIN_API_PORT": "9000"}) == f"127.0.0.1:9000:{port}"
    assert "LOOPIN_API_PORT" not in SERVICES["api"]["environment"]
    assert environment("api")["LOOPIN_API_HOST"] == "0.0.0.0"
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert [name for name, service in SERVICES.items() if service["networks"] != ["inside"]] == [
        "api",
        "notify",
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_bounds_and_no_privilege_too_many(service: str) -> None:
    declared = SERVICES[service]
    assert declared["cap_drop"] == ["ALL"]
    assert "cap_add" not in declared
    assert declared["security_opt"] == ["no-new-privileges:true"]
    assert declared["mem_limit"]
    assert declared["pids_limit"]
    assert declared["logging"]["options"]["max-size"]
    assert declared["restart"] == ("no" if service == "setup" else "unless-stopped")
    assert not {"privileged", "network_mode", "pid", "ipc", "devices"} & declared.keys()


@pytest.mark.parametrize("service", OURS)
def test_our_containers_cannot_change_their_image(service: str) -> None:
    assert SERVICES[service]["read_only"] is True
    assert SERVICES[service]["tmpfs"] == ["/tmp"]
    assert all(mount["read_only"] for mount in SERVICES[service].get("volumes", ()))
    assert "user" not in SERVICES[service], "the image names its user"


@pytest.mark.parametrize("service", ROLE_SERVICES)
def test_roles_start_after_setup_and_report_readiness(service: str) -> None:
    assert SERVICES[service]["depends_on"]["setup"] == {"condition": "service_completed_successfully"}
    assert SERVICES[service]["healthcheck"]["test"][-1] == "/readyz"


def test_setup_waits_for_broker_and_store() -> None:
    healthy = {"condition": "service_healthy"}
    assert SERVICES["setup"]["depends_on"] == {"kafka": healthy, "clickhouse": healthy}
    assert SERVICES["setup"]["healthcheck"] == {"disable": True}


def test_data_outlives_the_containers() -> None:
    kept = {name: SERVICES[name]["volumes"][0].split(":") for name in COMPOSE["volumes"]}
    assert kept == {
        "kafka": ["kafka", SERVICES["kafka"]["environment"]["KAFKA_LOG_DIRS"]],
        "clickhouse": ["clickhouse", "/var/lib/clickhouse"],
    }


def test_mounted_files_are_there() -> None:
    source, target, mode = SERVICES["clickhouse"]["volumes"][1].split(":")
    assert ElementTree.parse(ROOT / source).getroot().tag == "clickhouse"
    assert (Path(target).parent, mode) == (Path("/etc/clickhouse-server/config.d"), "ro")


def test_the_notifier_runs_where_it_is_asked_for_and_reads_the_hosts_file() -> None:
    """The file holds passwords: it is mounted for the notifier alone."""
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["notify"]
    assert [name for name in OURS if "volumes" in SERVICES[name]] == ["notify"]
    (mount,) = SERVICES["notify"]["volumes"]
    assert environment("notify")["LOOPIN_NOTIFY_FILE"] == mount["target"]
    assert (
        environment("notify", GIVEN | {"LOOPIN_NOTIFY_FILE": "/etc/n.json"})["LOOPIN_NOTIFY_FILE"]
        == mount["target"]
    )
    assert filled_in(mount["source"], {}) == "./notify.json"
    assert filled_in(mount["source"], {"LOOPIN_NOTIFY_FILE": "/etc/n.json"}) == "/etc/n.json"
    assert mount["bind"] == {"create_host_path": False}, "a missing file is an error, not an empty folder"


def test_the_broker_is_set_up_as_the_local_one() -> None:
    """The local broker's names are known to be right: tests boot Kafka with them."""
    declared = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in environment("kafka").items()
        if name != "KAFKA_HEAP_OPTS"
    }
    local = dict(line.split("=", 1) for line in server_properties(9092, 9093, "data").splitlines())
    own = {"listener.security.protocol.map", "controller.quorum.voters"}
    addresses = {"listeners", "advertised.listeners", "log.dirs"}
    assert declared.keys() - local.keys() == own
    assert [name for name in declared.keys() - own - addresses if declared[name] != local[name]] == []


def test_clients_find_the_broker_at_its_own_address() -> None:
    declared = environment("kafka")
    assert declared["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://kafka:9092"
    assert "PLAINTEXT://:9092" in declared["KAFKA_LISTENERS"].split(",")
    assert (
        f"CONTROLLER://{declared['KAFKA_CONTROLLER_QUORUM_VOTERS'].split('@')[1]}"
        in declared["KAFKA_LISTENERS"]
    )


def test_images_have_the_versions_of_the_code() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {SERVICES[name]["image"] for name in OURS} == {f"{project['name']}:{project['version']}"}
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"
    assert SERVICES["clickhouse"]["image"] == "clickhouse/clickhouse-server:26.8"


def test_the_workflow_gives_what_the_file_asks_for() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["image"]["env"].keys() == GIVEN.keys()
    assert len(workflow["jobs"]["image"]["env"]["LOOPIN_JWT_SECRET"]) >= 32
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    assert {"make check", "make test", "make scenarios"} <= {step.get("run") for step in steps}


def test_what_counts_is_the_same_for_all_who_count() -> None:
    names = {f"LOOPIN_{name}".upper() for name in ProjectDefaults.model_fields}
    assert len(names) == 8
    for service in ("stream", "sink", "api"):
        assert names <= SERVICES[service]["environment"].keys()
