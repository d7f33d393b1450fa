"""``loopin doctor``: what is needed, what is there, and what to do about the rest."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import typer
from rich.text import Text

from loopin_deploy import readyz
from loopin_deploy.api_client import ApiClient
from loopin_deploy.commands.options import Data, kafka_settings
from loopin_deploy.commands.topics import refused_advice
from loopin_deploy.consumers import watch_from_broker
from loopin_deploy.data_folder import MIN_FREE_BYTES, holder
from loopin_deploy.errors import DeployError
from loopin_deploy.kafka import DEFAULT_PORT, default_cache, find_java, find_maven, java_version
from loopin_deploy.kafka.jars import jars_folder
from loopin_deploy.ports import port_taken
from loopin_deploy.screen import out, verbatim
from loopin_deploy.stack_state import HOST, StackState, read_state
from loopin_streams.kafka.errors import BrokerRefused, BrokerUnreachable
from loopin_streams.kafka.lag import Lag
from loopin_streams.kafka.logs import Logs
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin
from loopin_streams.readiness import LAG


class Finding(NamedTuple):
    """Whether it is well, what was found, what to do if it is not, and what was found of each part."""

    ok: bool
    found: str
    advice: str = ""
    parts: tuple[str, ...] = ()


Check = Callable[[Path], Finding]


def doctor(data: Data) -> None:
    """Check everything the system needs; each line says what to do. Exit code 1 if anything is wrong."""
    findings = [(name, check(data)) for name, check in CHECKS]
    for name, finding in findings:
        mark = ("ok", "green") if finding.ok else ("no", "red")
        out.print(Text.assemble(mark, f"  {name}: ", verbatim(finding.found)), soft_wrap=True)
        for part in finding.parts:
            out.print(Text.assemble("      ", verbatim(part)), soft_wrap=True)
        if finding.advice:
            out.print(Text.assemble("    ", verbatim(finding.advice)), soft_wrap=True)
    if not all(finding.ok for _, finding in findings):
        raise typer.Exit(1)


def _java(_: Path) -> Finding:
    if os.environ.get("LOOPIN_KAFKA_BOOTSTRAP"):
        return Finding(True, "not needed: LOOPIN_KAFKA_BOOTSTRAP names a broker")
    try:
        java = find_java()
    except DeployError as error:
        return Finding(False, "missing or too old", error.reason)
    return Finding(True, f"Java {java_version(java)}")


def _maven(_: Path) -> Finding:
    if jars_folder(default_cache()).is_dir():
        return Finding(True, "not needed: Kafka's packages are in the cache")
    try:
        return Finding(True, find_maven())
    except DeployError as error:
        return Finding(False, "missing", error.reason)


def _ports(data: Path) -> Finding:
    if holder(data) is not None:
        return Finding(True, "in use by the running system")
    taken = [port for port in (DEFAULT_PORT, 8000, 8001) if port_taken(HOST, port)]
    if taken:
        names = ", ".join(map(str, taken))
        return Finding(
            False, f"{names} taken", "Stop what uses it, or give --kafka-port, --api-port, --worker-port."
        )
    return Finding(True, f"{DEFAULT_PORT}, 8000 and 8001 are free")


def _disk(data: Path) -> Finding:
    place = next(folder for folder in (data.absolute(), *data.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    found = f"{free / 2**30:.1f} GB free"
    return Finding(
        free >= MIN_FREE_BYTES,
        found,
        "" if free >= MIN_FREE_BYTES else "Free some space, or set LOOPIN_DATA_DIR.",
    )


def _broker(data: Path) -> Finding:
    settings = kafka_settings(data)
    try:
        TopicAdmin(settings).describe()
    except (BrokerUnreachable, BrokerRefused) as error:
        return Finding(False, "no answer", str(error))
    return Finding(True, f"answers at {settings.kafka_bootstrap}")


def _topics(data: Path) -> Finding:
    try:
        differences = TopicAdmin(kafka_settings(data)).differences()
    except (BrokerUnreachable, BrokerRefused):
        return Finding(False, "unknown", "Start the broker first.")
    if differences:
        advice = refused_advice(differences)
        if not all(change.refused for change in differences):
            advice.insert(0, "Run `loopin topics apply`.")
        return Finding(False, f"{len(differences)} differ from the table", " ".join(advice))
    return Finding(True, "as the table says")


def _store(data: Path) -> Finding:
    state = read_state(data)
    if state is None and holder(data) is not None:
        return Finding(False, "starting", "Ask again in a moment.")
    if state is None:
        return Finding(
            False, "not running on this data folder", "Run `loopin up`, or `loopin run sink` and `api`."
        )
    try:
        components = ApiClient(state.api_url, "").health()["components"]
    except DeployError as error:
        return Finding(False, "no answer", f"{error} See {data / 'logs' / 'store.log'}.")
    unwell = [name for name, component in components.items() if not component["ok"]]
    if unwell:
        reasons = [reason for name in unwell if (reason := components[name].get("reason"))]
        return Finding(False, f"unwell: {', '.join(unwell)}", " ".join([*reasons, f"See {data / 'logs'}."]))
    return Finding(True, f"answers at {state.api_url}, ClickHouse {components['store']['version']}")


def _roles(data: Path) -> Finding:
    state = read_state(data)
    if state is None:
        return Finding(True, "none on this data folder; `loopin status --url` asks those elsewhere")
    unready = _unready(state)
    if unready:
        said = " ".join(f"{role}: {reason}" for role, reason in unready.items())
        return Finding(False, f"not ready: {', '.join(unready)}", said)
    return Finding(True, "ready")


def _unready(state: StackState) -> dict[str, str]:
    """What each role says that is not at work on all that it should be; how far it is behind is left out."""
    reasons = {role: readyz.heard(url, LAG) for role, url in state.urls.items()}
    return {role: reason for role, reason in reasons.items() if reason is not None}


def _lag(data: Path) -> Finding:
    settings = kafka_settings(data)
    try:
        TopicAdmin(settings).describe()
        lags = asyncio.run(_lags(settings))
    except (BrokerUnreachable, BrokerRefused):
        return Finding(False, "unknown", "Start the broker first, and run `loopin topics apply`.")
    parts = tuple(f"{name} {lag.events:,} records ({lag.seconds:,.0f} s)" for name, lag in lags.items())
    late = [name for name, lag in lags.items() if lag.seconds > settings.max_lag_s]
    if late:
        found = f"more than {settings.max_lag_s:g} s behind: {', '.join(late)}"
        return Finding(False, found, _behind(data), parts)
    return Finding(True, f"none is more than {settings.max_lag_s:g} s behind", parts=parts)


def _behind(data: Path) -> str:
    """What to do about a consumer that is behind: more of a role helps no partition that it refuses."""
    state = read_state(data)
    if state is None:
        return "Check that its role runs and is ready (`loopin status --url`), or start more of it."
    if _unready(state):
        return "Do first what the roles say above."
    return "Its role is at work: wait until it has caught up, or start more of it."


async def _lags(settings: KafkaSettings) -> dict[str, Lag]:
    logs = Logs(settings.kafka_bootstrap)
    try:
        watch = watch_from_broker(settings, logs)
        await watch.look()
        return {consumer: watch.lag(consumer) or Lag() for consumer in watch.consumers}
    finally:
        logs.close()


CHECKS: tuple[tuple[str, Check], ...] = (
    ("Java", _java),
    ("Maven", _maven),
    ("ports", _ports),
    ("disk", _disk),
    ("broker", _broker),
    ("topics", _topics),
    ("store and API", _store),
    ("roles", _roles),
    ("lag", _lag),
)
