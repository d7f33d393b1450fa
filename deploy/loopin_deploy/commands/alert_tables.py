"""How ``loopin alerts`` shows alerts, rules, silences and back-tests to a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rich.table import Column, Table
from rich.text import Text

from loopin_deploy.screen import printable, verbatim

Answer = Mapping[str, Any]

SEVERITY_STYLES: Final = {"critical": "bold red", "warning": "yellow"}
_STATE_STYLES: Final = {"firing": "red", "acknowledged": "cyan", "pending": "dim", "resolved": "green"}
_AGES: Final = ((86_400, "d"), (3600, "h"), (60, "m"))


def alert_table(alerts: Iterable[Answer], now: datetime) -> Table:
    """The alerts, one a row: what is wrong, and the id that the other commands take."""
    table = Table(
        Column("severity", no_wrap=True),
        Column("state", max_width=12),
        Column("age", justify="right", no_wrap=True),
        Column("alert", overflow="fold"),
    )
    for alert in alerts:
        table.add_row(
            _severity(alert),
            _state(alert),
            age(now - _moment(alert["opened_at"])),
            Text.assemble(printable(alert["message"]), "\n", (printable(alert["id"]), "dim")),
        )
    return table


def alert_lines(alert: Answer) -> Iterator[Text]:
    """One alert with its history and the windows behind it."""
    yield Text.assemble(_severity(alert), " ", _state(alert), " ", printable(alert["message"]))
    facts = {
        "id": alert["id"],
        "rule": f"{alert['rule']} ({alert['rule_version']})",
        "value": f"{_number(alert['value'])} of {alert['count']} (limit {_number(alert['threshold'])})",
        "window": f"{_time(alert['window']['start'])} to {_time(alert['window']['end'])} UTC",
        "looked after by": alert["acknowledged_by"] or "nobody",
    }
    for name, value in facts.items():
        yield Text(f"{name:16}{printable(value)}")
    for record in alert["history"]:
        yield Text.assemble(f"{_time(record['at'])}  {record['event']:13}", printable(record["message"]))
    for window in alert["window_numbers"]:
        count = "not stored" if window["count"] is None else f"{window['count']:,}"
        total = "" if window["sum"] is None else f", sum {_number(window['sum'])}"
        yield Text(f"  {printable(window['name'])}: {count}{total}")


def rule_table(rules: Iterable[Answer]) -> Table:
    """The rules, one a row; the metric is named where the rule does not have its name."""
    table = Table(
        Column("rule", no_wrap=True),
        Column("when", overflow="fold"),
        Column("over", overflow="fold"),
        Column("state", min_width=8),
    )
    for rule in rules:
        spans = " or ".join(str(span) for span in rule["spans"])
        over = f"{spans} {rule['grain']}" + ("" if rule["spans"] == [1] else "s")
        longer = [f"{each['windows']} {each['grain']}s" for each in rule["longer"]]
        source = "built in" if rule["built_in"] else "your copy" if rule["replaces_built_in"] else "your own"
        table.add_row(
            Text.assemble(printable(rule["name"]), (printable(_judged(rule), keep="\n"), "dim")),
            verbatim(condition_text(rule["condition"])),
            ", ".join([over, *longer]),
            Text.assemble(source, ("" if rule["enabled"] else ", off", "bold")),
        )
    return table


def _judged(rule: Answer) -> str:
    metric = "" if rule["metric"] == rule["name"] else f"on {rule['metric']}"
    by = f"by {rule['by']}" if rule["by"] else ""
    return "".join(f"\n {part}" for part in (metric, by) if part)


def condition_text(condition: Answer) -> str:
    """When a rule is true, in a few words."""
    kind = condition["type"]
    if kind == "absence":
        return f"fewer than {condition['least']} in {condition['windows']} windows"
    limits = ", ".join(
        f"{name} {_number(condition[name])}"
        for name in ("warning", "critical")
        if condition[name] is not None
    )
    if kind == "threshold":
        return f"{condition['direction']}: {limits}"
    against = f" against {condition['against']}" if kind == "change" else ""
    return f"{kind} {condition['direction']}{against}: {limits}"


def silence_table(silences: Iterable[Answer]) -> Table:
    """The silences, one a row; times are UTC."""
    table = Table(
        Column("state", no_wrap=True),
        Column("until (UTC)", no_wrap=True),
        Column("silence", overflow="fold"),
    )
    for silence in silences:
        of = Text.assemble(printable(silenced_text(silence)), "\nby ", printable(silence["changed_by"]))
        if silence["comment"]:
            of.append(f": {printable(silence['comment'])}")
        of.append(f"\n{printable(silence['id'])}", "dim")
        table.add_row(silence["state"], _time(silence["ends_at"]), of)
    return table


def silenced_text(silence: Answer) -> str:
    """What a silence is of."""
    named = [silence["rule"], silence["severity"], *(f"{k}={v}" for k, v in silence["dimensions"].items())]
    return ", ".join(filter(None, named)) or "all alerts"


def episode_table(episodes: Iterable[Answer]) -> Table:
    """When a rule would have fired, one alert a row; times are UTC."""
    table = Table(
        Column("fired (UTC)", no_wrap=True),
        Column("ended", no_wrap=True),
        Column("severity", no_wrap=True),
        Column("of", overflow="fold"),
        Column("value", justify="right"),
        Column("peak", justify="right"),
        Column("limit", justify="right"),
    )
    for each in episodes:
        table.add_row(
            _time(each["fired_at"]),
            "-" if each["resolved_at"] is None else _time(each["resolved_at"]),
            _severity(each),
            verbatim(", ".join(f"{k}={v}" for k, v in each["dimensions"].items()) or "-"),
            *(_number(each[name]) for name in ("value", "peak", "threshold")),
        )
    return table


def age(since: Any) -> str:
    """A length of time in its greatest unit."""
    seconds = max(0, int(since.total_seconds()))
    for size, unit in _AGES:
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _severity(alert: Answer) -> Text:
    return Text(alert["severity"], style=SEVERITY_STYLES.get(alert["severity"], ""))


def _state(alert: Answer) -> Text:
    said = alert["state"] + (" (silenced)" if alert["silenced"] else "")
    return Text(said, style=_STATE_STYLES.get(alert["state"], ""))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _time(text: str) -> str:
    return _moment(text).strftime("%Y-%m-%d %H:%M:%S")
