"""``loopin alerts``: what fires, who looks after it, and by which rules; asked of the API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import typer

from loopin_deploy.commands.alert_tables import (
    alert_lines,
    alert_table,
    episode_table,
    rule_table,
    silence_table,
    silenced_text,
)
from loopin_deploy.commands.api_options import AsJson, Key, Project, Url, api_client, print_json
from loopin_deploy.commands.options import Data
from loopin_deploy.errors import DeployError
from loopin_deploy.screen import out, printable, verbatim

app = typer.Typer(help="Alerts: what fires, who looks after it, and by which rules.", no_args_is_help=True)

ALERTS: Final = "/api/analytics/alerts"
RULES: Final = "/api/analytics/alert-rules"
SILENCES: Final = "/api/analytics/silences"

AlertId = Annotated[str, typer.Argument(metavar="ALERT", help="As `loopin alerts list` shows it.")]
RuleName = Annotated[str, typer.Argument(metavar="RULE", help="As `loopin alerts rules` shows it.")]


@app.command("list")
def list_alerts(
    data: Data,
    state: Annotated[str, typer.Option(help="Only pending, firing, acknowledged or resolved ones.")] = "",
    severity: Annotated[str, typer.Option(help="Only warning or critical ones.")] = "",
    rule: Annotated[str, typer.Option(help="Only those of this rule.")] = "",
    since: Annotated[str, typer.Option(help="Those open since then: -7d, or a time.")] = "-30d",
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most this many, newest first.")] = 50,
    project: Project = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List alerts, those that opened last first."""
    given = {"state": state, "severity": severity, "rule": rule, "from": since, "page_size": str(limit)}
    query = urlencode({name: value for name, value in given.items() if value})
    found = api_client(data, project, url, key).ask("GET", f"{ALERTS}?{query}")
    if as_json:
        print_json(found["results"])
        return
    out.print(alert_table(found["results"], datetime.now(UTC)))
    if found["count"] > len(found["results"]):
        _say(f"{found['count'] - len(found['results'])} more: name what you look for, or raise --limit.")


@app.command()
def show(
    data: Data, alert: AlertId, project: Project = "", url: Url = "", key: Key = "", as_json: AsJson = False
) -> None:
    """Show an alert, all that happened to it, and the windows behind it."""
    found = api_client(data, project, url, key).ask("GET", _path(ALERTS, alert))
    if as_json:
        print_json(found)
        return
    for line in alert_lines(found):
        out.print(line, highlight=False, soft_wrap=True)


@app.command()
def ack(
    data: Data,
    alert: AlertId,
    comment: Annotated[str, typer.Option(help="What you do about it.")] = "",
    project: Project = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Say that you look after an alert: it is not told again."""
    path = f"{_path(ALERTS, alert)}/ack"
    found = api_client(data, project, url, key).ask("POST", path, {"comment": comment})
    _told(found, f"{found['acknowledged_by']} looks after {found['id']}.", as_json)


@app.command()
def silence(
    data: Data,
    length: Annotated[str, typer.Option("--for", metavar="TIME", help="For how long: 30m, 2h or 1d.")],
    rule: Annotated[str, typer.Option(help="Only alerts of this rule.")] = "",
    severity: Annotated[str, typer.Option(help="Only warning or critical ones.")] = "",
    where: Annotated[
        list[str] | None, typer.Option(help="Only those on this value, e.g. country=IN; may be repeated.")
    ] = None,
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    project: Project = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Let alerts not be delivered for a time; they are judged and listed all the same."""
    body: dict[str, Any] = {"duration": length, "rule": rule, "comment": comment}
    body |= {"dimensions": _dimensions(where or [])}
    if severity:
        body["severity"] = severity
    found = api_client(data, project, url, key).ask("POST", SILENCES, body)
    _told(found, f"Silent until {found['ends_at']}: {silenced_text(found)} ({found['id']}).", as_json)


@app.command()
def silences(
    data: Data, project: Project = "", url: Url = "", key: Key = "", as_json: AsJson = False
) -> None:
    """List silences, those that are over, too."""
    found = api_client(data, project, url, key).ask("GET", SILENCES)
    if as_json:
        print_json(found)
    else:
        out.print(silence_table(found))


@app.command()
def unsilence(
    data: Data,
    id: Annotated[str, typer.Argument(metavar="ID", help="As `loopin alerts silences` shows it.")],
    project: Project = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """End a silence; one that has not begun or is over is forgotten."""
    found = api_client(data, project, url, key).ask("DELETE", _path(SILENCES, id))
    _told(found, f"Not silent any more: {silenced_text(found)}.", as_json)


@app.command()
def rules(data: Data, project: Project = "", url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """List the rules, built-in ones and your own."""
    found = api_client(data, project, url, key).ask("GET", RULES)
    if as_json:
        print_json(found)
    else:
        out.print(rule_table(found))


@app.command()
def backtest(
    data: Data,
    rule: RuleName,
    since: Annotated[
        str,
        typer.Option(
            "--from",
            help="Start: -7d, or a time.",
            show_default="30 days, or as long as the rule is tried over",
        ),
    ] = "",
    until: Annotated[str, typer.Option("--to", help="End; now by default.", show_default=False)] = "",
    project: Project = "",
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Show when a rule would have fired."""
    body = {name: given for name, given in (("from", since), ("to", until)) if given}
    found = api_client(data, project, url, key).ask("POST", f"{_path(RULES, rule)}/backtest", body)
    if as_json:
        print_json(found)
        return
    covered = found["covered"]
    if covered is None:
        _say("There is no history of this time.")
        return
    out.print(episode_table(found["episodes"]))
    times = "once" if found["total"] == 1 else f"{found['total']} times"
    _say(f"{rule} would have fired {times}, from {covered['start']} to {covered['end']}.")


@app.command("test")
def raise_test(
    data: Data, project: Project = "", url: Url = "", key: Key = "", as_json: AsJson = False
) -> None:
    """Raise an alert that is over at once, to see whether alerts reach whoever is to be told."""
    found = api_client(data, project, url, key).ask("POST", f"{ALERTS}/test", {})
    _told(found, f"Raised {found['id']}: whoever is told of alerts is told of it now.", as_json)


def _path(start: str, name: str) -> str:
    return f"{start}/{quote(name, safe='')}"


def _dimensions(given: list[str]) -> dict[str, str]:
    parts = [each.partition("=") for each in given]
    wrong = next(
        (each for each, (name, equals, _) in zip(given, parts, strict=True) if not (name and equals)), None
    )
    if wrong is not None:
        raise DeployError(
            "where_invalid", "--where", f"{printable(wrong)} says no value: give --where country=IN."
        )
    return {name: value for name, _, value in parts}


def _told(found: Mapping[str, Any], sentence: str, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        _say(sentence)


def _say(sentence: str) -> None:
    out.print(verbatim(sentence), highlight=False, soft_wrap=True)
