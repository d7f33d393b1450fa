"""The system on one machine: local Kafka, stream worker, trainer, and store and API in one process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import msgspec

from loopin_deploy import readyz
from loopin_deploy.child import Child
from loopin_deploy.data_folder import DataFolder
from loopin_deploy.errors import DeployError
from loopin_deploy.kafka import LocalKafka
from loopin_deploy.own_secrets import Secrets, load_or_create_secrets, write_keys_file
from loopin_deploy.ports import free_port, port_taken
from loopin_deploy.roles.notify import configured_channels
from loopin_deploy.setting_faults import check_settings
from loopin_deploy.stack_state import HOST, STATE_FILE, StackState
from loopin_deploy.supervisor import Supervisor
from loopin_schemas.validation import check_project
from loopin_sinks.notify.settings import NotifySettings
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin


@dataclass(frozen=True)
class Ports:
    """Ports of the system's processes; 0 takes a free one."""

    kafka: int
    api: int
    worker: int


@dataclass(frozen=True)
class Plan:
    """What to run.

    Args:
        folder: keeps everything.
        ports: where to listen.
        projects: each gets keys of its own.
        retention_days: days by project where they differ; None leaves that to the environment.
        host_metrics: False keeps the roles from publishing what they measure of themselves.
    """

    folder: DataFolder
    ports: Ports
    projects: tuple[str, ...] = ("default",)
    retention_days: dict[str, int] | None = None
    host_metrics: bool = True


@dataclass(frozen=True)
class Stack:
    """A running system."""

    state: StackState
    secrets: Secrets
    supervisor: Supervisor


@asynccontextmanager
async def running_stack(
    plan: Plan, *, on_line: Callable[[str, str], None], on_notice: Callable[[str], None]
) -> AsyncIterator[Stack]:
    """Start the processes one after the other, and stop them all at the end.

    A broker named by ``LOOPIN_KAFKA_BOOTSTRAP`` is used instead of a local one.

    Raises:
        InvalidEvent: a project's name is none.
        ValidationError, SettingsError: a setting of the environment is wrong.
        NotifyError: the file of channels for alerts cannot be used.
        DeployError: a port is taken, Java is missing, or a process does not come up.
        BrokerUnreachable: the broker named by the environment does not answer.
    """
    check_settings()
    configured_channels(NotifySettings())
    for project in plan.projects:
        check_project(project)
    api_port = _port("LOOPIN_API_PORT", plan.ports.api, "--api-port")
    worker_port = _port("LOOPIN_HEALTH_PORT", plan.ports.worker, "--worker-port")
    own_secrets = load_or_create_secrets(plan.folder.secrets, plan.projects)
    keys_file = plan.folder.path / "keys.json"
    write_keys_file(keys_file, own_secrets.keys)
    kafka_child, bootstrap = await asyncio.to_thread(_kafka, plan)
    trainer_port = free_port(HOST)
    state = StackState(
        os.getpid(),
        bootstrap,
        f"http://{HOST}:{api_port}",
        f"http://{HOST}:{worker_port}",
        f"http://{HOST}:{trainer_port}",
    )
    environment = {
        "LOOPIN_KAFKA_BOOTSTRAP": bootstrap,
        "LOOPIN_DATA_DIR": str(plan.folder.path),
        "LOOPIN_JWT_SECRET": own_secrets.jwt_secret,
        "LOOPIN_KEYS_FILE": str(keys_file),
        "LOOPIN_API_HOST": HOST,
        "LOOPIN_API_PORT": str(api_port),
        "LOOPIN_HEALTH_HOST": HOST,
        "LOOPIN_HEALTH_PORT": str(worker_port),
    }
    if plan.retention_days is not None:
        environment["LOOPIN_PROJECT_RETENTION_DAYS"] = msgspec.json.encode(plan.retention_days).decode()
    if not plan.host_metrics:
        environment["LOOPIN_HOST_METRICS_INTERVAL_S"] = "0"
    children = [
        *([kafka_child] if kafka_child else []),
        _role("store", environment, state.api_url),
        _role("stream", environment, state.worker_url),
        _role("trainer", environment | {"LOOPIN_HEALTH_PORT": str(trainer_port)}, state.trainer_url),
    ]
    if kafka_child is None:
        await asyncio.to_thread(TopicAdmin(_settings(bootstrap)).apply)
    state_path = plan.folder.path / STATE_FILE
    supervisor = Supervisor(children, plan.folder.logs, on_line=on_line, on_notice=on_notice)
    async with supervisor:
        state_path.write_bytes(msgspec.json.encode(state))
        try:
            yield Stack(state, own_secrets, supervisor)
        finally:
            state_path.unlink(missing_ok=True)


def _kafka(plan: Plan) -> tuple[Child | None, str]:
    if named := os.environ.get("LOOPIN_KAFKA_BOOTSTRAP"):
        return None, named
    kafka = LocalKafka(plan.folder.kafka, port=plan.ports.kafka)
    try:
        command = kafka.prepare()
    except DeployError as error:
        running = kafka.status().bootstrap
        if error.code != "kafka_already_running" or running is None:
            raise
        # `loopin kafka start` runs it, and it stays when this system stops.
        return None, running
    bootstrap = kafka.bootstrap

    def ready() -> bool:
        # The roles wait for their topics, so the broker counts as ready once it has them.
        if not kafka.ready():
            return False
        TopicAdmin(_settings(bootstrap)).apply()
        return True

    child = Child("kafka", command, cwd=kafka.data_dir, started=kafka.record, ready=ready, guarded=True)
    return child, bootstrap


def _settings(bootstrap: str) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap=bootstrap)


def _role(name: str, environment: dict[str, str], url: str) -> Child:
    return Child(
        name,
        [sys.executable, "-m", "loopin_deploy", "run", name],
        env=environment,
        # A backlog of hours, or a partition that waits for somebody to act, must not keep the system from
        # starting: at work is enough.
        ready=readyz.at_work(url),
        opening=partial(readyz.opening, url),
        remark=partial(readyz.refused, url),
    )


def _port(setting: str, wanted: int, option: str) -> int:
    if not wanted:
        return free_port(HOST)
    if port_taken(HOST, wanted):
        raise DeployError(
            "port_taken",
            setting,
            f"Port {wanted} on {HOST} is taken: stop what uses it, or choose another with {option}.",
        )
    return wanted
