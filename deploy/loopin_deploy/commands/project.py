"""``loopin project``: a project's zone, money, people and retention; asked of the API."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.table import Table

from loopin_deploy.commands.api_options import AsJson, Project, Url, api_client, print_json
from loopin_deploy.commands.options import Data
from loopin_deploy.errors import DeployError
from loopin_deploy.screen import out, printable

app = typer.Typer(
    help="A project: its time zone, its money, its people, and how long what is stored is kept.",
    no_args_is_help=True,
)

PATH: Final = "/api/analytics/project"

Key = Annotated[
    str,
    typer.Option(envvar="LOOPIN_KEY", help="Key with the scope read, or admin to set, for an API elsewhere."),
]

_RETENTION: Final = {
    "raw_retention_days": "events and minutes kept",
    "hourly_retention_days": "hours kept",
    "daily_retention_days": "days and longer kept",
}


@app.command()
def show(data: Data, project: Project = "", url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """Show what holds of a project, and what of it is its own."""
    _shown(api_client(data, project, url, key).ask("GET", PATH), as_json)


@app.command("set")
def set_project(
    data: Data,
    timezone: Annotated[
        str | None, typer.Option(help="Where its days begin, e.g. Asia/Kolkata.", show_default=False)
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="Of its money, ISO 4217, e.g. INR.", show_default=False)
    ] = None,
    rates: Annotated[
        Path | None,
        typer.Option(
            help='File of what other currencies are worth, as JSON: {"EUR": {"2026-01-01": 98.5}}.',
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    internal_user: Annotated[
        list[str] | None,
        typer.Option(
            help="A distinct_id of one of its own people; once for each, in place of all before.",
            show_default=False,
        ),
    ] = None,
    raw_days: Annotated[
        int | None,
        typer.Option(min=1, max=3650, help="Days that events and minutes are kept.", show_default=False),
    ] = None,
    hourly_days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Days that hours are kept.", show_default=False)
    ] = None,
    daily_days: Annotated[
        int | None,
        typer.Option(min=1, max=3650, help="Days that days and longer are kept.", show_default=False),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE: what a metric is to reach; once for each, in place of all before.",
            show_default=False,
        ),
    ] = None,
    forecast: Annotated[
        list[str] | None,
        typer.Option(
            help="A metric to be forecast each night, too; once for each, in place of all before.",
            show_default=False,
        ),
    ] = None,
    holidays: Annotated[
        str | None,
        typer.Option(help="Country whose holidays matter to forecasts, ISO 3166: IN.", show_default=False),
    ] = None,
    default: Annotated[
        list[str] | None,
        typer.Option(
            help="A setting to be as the processes are set to again, e.g. timezone.", show_default=False
        ),
    ] = None,
    project: Project = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Change settings of a project, in force within a second."""
    given: dict[str, Any] = {
        "timezone": timezone,
        "currency": currency,
        "rates": None if rates is None else _table(rates),
        "internal_users": internal_user or None,
        "raw_retention_days": raw_days,
        "hourly_retention_days": hourly_days,
        "daily_retention_days": daily_days,
        "targets": _targets(target) if target else None,
        "forecasts": forecast or None,
        "holidays": holidays,
    }
    fields = {name: value for name, value in given.items() if value is not None}
    fields |= dict.fromkeys(default or ())
    if not fields:
        raise DeployError(
            "nothing_to_set", "--timezone", "Say what to set, e.g. --timezone Asia/Kolkata or --raw-days 365."
        )
    _shown(api_client(data, project, url, key, "read,admin").ask("PATCH", PATH, fields), as_json)


def _targets(given: list[str]) -> dict[str, float]:
    found = {}
    for each in given:
        name, _, value = each.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            raise DeployError(
                "target_invalid", "--target", "Give --target a metric and a number: event_rating=4.8."
            ) from None
    return found


def _table(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (msgspec.DecodeError, OSError):
        raise DeployError(
            "rates_invalid", "--rates", 'Give --rates a file of JSON: {"EUR": {"2026-01-01": 98.5}}.'
        ) from None


def _shown(found: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    table = Table("setting", "value", "of", title=f"Project {printable(found['project'])}")
    for name, label, value in _rows(found):
        table.add_row(label, printable(value), "its own" if name in found["own"] else "as set")
    out.print(table)


def _rows(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    rates = [
        f"{code} {worth:g} from {day}"
        for code, worths in found["rates"].items()
        for day, worth in worths.items()
    ]
    return [
        ("timezone", "time zone", found["timezone"]),
        ("currency", "currency", found["currency"]),
        ("rates", "rates", ", ".join(rates) or "-"),
        ("internal_users", "internal users", ", ".join(found["internal_users"]) or "-"),
        (
            "targets",
            "targets",
            ", ".join(f"{name} {value:g}" for name, value in found["targets"].items()) or "-",
        ),
        ("forecasts", "forecasts", ", ".join(found["forecasts"]) or "-"),
        ("holidays", "holidays", found["holidays"] or "-"),
        *((name, label, f"{found[name]} days") for name, label in _RETENTION.items()),
    ]
