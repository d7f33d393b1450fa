"""The command ``loopin``."""

from __future__ import annotations

import asyncio
import platform
from importlib.metadata import version as version_of
from typing import Annotated

import typer
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException
from pydantic import ValidationError
from pydantic_settings import SettingsError

from loopin_api.settings import ConfigurationError
from loopin_deploy.commands import dead_letters, kafka, keys, persons, sink, state, system, topics
from loopin_deploy.commands.doctor import doctor
from loopin_deploy.commands.options import Data
from loopin_deploy.commands.replay import replay
from loopin_deploy.commands.simulate import simulate
from loopin_deploy.commands.status import status
from loopin_deploy.data_folder import holder
from loopin_deploy.errors import DeployError, machine_fault
from loopin_deploy.roles import ROLES, run_role
from loopin_deploy.screen import fail, out
from loopin_deploy.setting_faults import setting_fault
from loopin_producers.errors import LoopinError
from loopin_producers.replay import ReplayError
from loopin_producers.simulator import SimulationError
from loopin_schemas.errors import InvalidEvent
from loopin_sinks.migrate import MigrationError, migrate
from loopin_sinks.store import StoreError, StoreSettings, open_store
from loopin_streams.kafka.errors import (
    EXIT_REFUSED,
    BrokerRefused,
    BrokerUnreachable,
    ConfigBusy,
    RefusedToOpen,
)

EXPECTED = (
    BrokerRefused,
    BrokerUnreachable,
    ConfigBusy,
    ConfigurationError,
    DeployError,
    InvalidEvent,
    LoopinError,
    MigrationError,
    ReplayError,
    SimulationError,
    StoreError,
)
"""Errors whose text is one sentence that says what to do."""

app = typer.Typer(
    help="Event analytics on Kafka and ClickHouse.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(system.demo)
app.command()(system.up)
app.command()(system.down)
app.command()(status)
app.command()(replay)
app.command()(simulate)
app.add_typer(topics.app, name="topics")
app.add_typer(keys.app, name="keys")
app.add_typer(dead_letters.app, name="dlq")
app.add_typer(persons.app, name="persons")
app.add_typer(state.app, name="state")
app.add_typer(sink.app, name="sink")
app.add_typer(kafka.app, name="kafka")
app.command()(doctor)


@app.command()
def run(role: Annotated[str, typer.Argument(help=f"One of {', '.join(ROLES)}.")]) -> None:
    """Run one role in this process; everything else comes from the environment (docs/settings.md)."""
    if role not in ROLES:
        raise DeployError("role_unknown", "role", f"There is no role {role}: give one of {', '.join(ROLES)}.")
    run_role(role)


@app.command("migrate")
def migrate_store(data: Data) -> None:
    """Bring the store's tables up to date."""
    settings = StoreSettings(data_dir=data)
    if settings.embedded and (pid := holder(data)) is not None:
        raise DeployError(
            "data_folder_in_use",
            str(data),
            f"The store of {data} belongs to process {pid}, which has brought it up to date when it started: "
            "to do it now, stop that process first (`loopin down`).",
        )

    async def work() -> list[str]:
        store = open_store(settings)
        try:
            return await migrate(store, settings)
        finally:
            await store.close()

    applied = asyncio.run(work())
    for name in applied:
        out.print(f"applied {name}", highlight=False)
    if not applied:
        out.print("The store is up to date.")


@app.command("version")
def show_version() -> None:
    """Show the versions of this program and of Python."""
    out.print(f"loopin {version_of('loopin-analytics')}, Python {platform.python_version()}", highlight=False)


def main() -> None:
    """Run the command line: errors are one sentence and a non-zero exit code, never a traceback."""
    try:
        app(prog_name="loopin")
    except RefusedToOpen as error:
        fail(error)
        raise SystemExit(EXIT_REFUSED) from None
    except EXPECTED as error:
        fail(error)
        raise SystemExit(1) from None
    except (ValidationError, SettingsError) as error:
        fail(setting_fault(error))
        raise SystemExit(1) from None
    except TimeoutError:
        fail(
            BrokerUnreachable(
                "Kafka did not answer in time: check LOOPIN_KAFKA_BOOTSTRAP and the broker's log."
            )
        )
        raise SystemExit(1) from None
    except OSError as error:
        fail(machine_fault(error))
        raise SystemExit(1) from None
    except (KafkaError, KafkaException) as error:
        fail(BrokerUnreachable(f"Kafka: {error}. Check LOOPIN_KAFKA_BOOTSTRAP and the broker's log."))
        raise SystemExit(1) from None
