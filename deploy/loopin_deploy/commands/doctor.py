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

from loopin_deploy.api_client import ApiClient
from loopin_deploy.commands.options import Data, kafka_settings
from loopin_deploy.consumers import watch_from_broker
from loopin_deploy.data_folder import MIN_FREE_BYTES, holder
from loopin_deploy.errors import DeployError
from loopin_deploy.kafka import DEFAULT_PORT, default_cache, find_java, find_maven, java_version
from loopin_deploy.kafka.jars import jars_folder
from loopin_deploy.ports import port_taken
from loopin_deploy.screen import out, verbatim
from loopin_deploy.stack import HOST, read_state
from loopin_streams.kafka.errors import BrokerRefused, BrokerUnreachable
from loopin_streams.kafka.lag import Lag
from loopin_streams.kafka.logs import Logs
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin


class Finding(NamedTuple):
    """One line: whether it is well, what was found, and what to do if it is not."""

    ok: bool
    found: str
    advice: str = ""


Check = Callable[[Path], Finding]


def doctor(data: Data) -> None:
    """Check everything the system needs; each line says what to do. Exit code 1 if anything is wrong."""
    findings = [(name, check(data)) for name, check in CHECKS]
    for name, finding in findings:
        mark = ("ok", "green") if finding.ok else ("no", "red")
        out.print(Text.assemble(mark, f"  {name}: ", verbatim(finding.found)), soft_wrap=True)
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
        return Finding(False, f"{len(differences)} differ from the table", "Run `loopin topics apply`.")
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
        return Finding(False, f"unwell: {', '.join(unwell)}", f"See {data / 'logs'}.")
    return Finding(True, f"answers at {state.api_url}, ClickHouse {components['store']['version']}")


def _lag(data: Path) -> Finding:
    settings = kafka_settings(data)
    try:
        TopicAdmin(settings).describe()
        lags = asyncio.run(_lags(settings))
    except (BrokerUnreachable, BrokerRefused):
        return Finding(False, "unknown", "Start the broker first, and run `loopin topics apply`.")
    found = ", ".join(f"{name} {lag.events:,} records ({lag.seconds:,.0f} s)" for name, lag in lags.items())
    well = all(lag.seconds <= settings.max_lag_s for lag in lags.values())
    return Finding(well, found, "" if well else "Check that its role runs, or start more of it.")


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
    ("lag", _lag),
)
