"""The command ``loopin``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

PLACES = {
    "demo": "system:demo",
    "up": "system:up",
    "down": "system:down",
    "status": "status:status",
    "watch": "watch:watch",
    "replay": "replay:replay",
    "simulate": "simulate:simulate",
    "doctor": "doctor:doctor",
    "run": "run:run",
    "migrate": "migrate:migrate_store",
    "version": "version:show_version",
    "topics": "topics:app",
    "keys": "keys:app",
    "dlq": "dead_letters:app",
    "persons": "persons:app",
    "notify": "notify:app",
    "alerts": "alerts:app",
    "tasks": "tasks:app",
    "models": "models:app",
    "project": "project:app",
    "state": "state:app",
    "sink": "sink:app",
    "kafka": "kafka:app",
}
"""The function of each command, or the app of a group of them, in the folder ``commands``."""


class _Commands(Mapping[str, Any]):
    """The commands by name, imported when they are used: all of them together need the whole program."""

    def __getitem__(self, name: str) -> Any:
        module, _, attribute = PLACES[name].partition(":")
        found = getattr(import_module(f"loopin_deploy.commands.{module}"), attribute)
        if not isinstance(found, typer.Typer):
            function, found = found, typer.Typer(add_completion=False)
            found.command(name)(function)
        command = typer.main.get_command(found)
        command.name = name
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(PLACES)

    def __len__(self) -> int:
        return len(PLACES)


class _Group(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        vars(self)["commands"] = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, for which no command needs to be imported."""
        return list(PLACES)


app = typer.Typer(
    cls=_Group,
    help="Event analytics on Kafka and ClickHouse.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def loopin() -> None:
    """Event analytics on Kafka and ClickHouse."""


def main() -> None:
    """Run the command line: errors are one sentence and a non-zero exit code, never a traceback."""
    try:
        app(prog_name="loopin")
    except Exception as error:
        # Imported now: what may fail is known in every part of the program.
        from loopin_deploy.failures import exit_code, told
        from loopin_deploy.screen import fail

        if (sentence := told(error)) is None:
            raise
        fail(sentence)
        raise SystemExit(exit_code(error)) from None
