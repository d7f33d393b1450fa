"""What ``loopin up`` and ``loopin demo`` show: where everything is, and what came out."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from loopin_api.auth import issue_jwt
from loopin_deploy.demo import Result, Sample
from loopin_deploy.screen import out, printable, verbatim
from loopin_deploy.stack import Stack

TOKEN_TTL_S = 86_400


def summary_table(result: Result) -> Table:
    """The numbers of a demo run."""
    table = Table(title="What happened", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    rows = [
        ("published", f"{result.published:,}"),
        ("enriched", f"{result.enriched:,}"),
        ("stored", f"{result.stored:,}"),
        ("dead-lettered", f"{result.dead_lettered:,}"),
        *((f"dropped: {reason}", f"{number:,}") for reason, number in result.dropped.items()),
        ("events/s", f"{result.events_per_s:,.0f}"),
        ("p50, send to queryable", _ms(result.p50_ms)),
        ("p99, send to queryable", _ms(result.p99_ms)),
    ]
    for name, value in rows:
        table.add_row(name, value)
    return table


def samples_table(samples: Sequence[Sample]) -> Table:
    """What came out, a column a project."""
    table = Table(title="What came out", title_justify="left")
    table.add_column("project", style="bold")
    for sample in samples:
        table.add_column(verbatim(sample.project))
    rows = [
        ("events", [f"{sample.events:,}" for sample in samples]),
        ("users", [f"{sample.users:,}" for sample in samples]),
        ("active today", [f"{sample.active_today:,}" for sample in samples]),
        ("revenue", [f"{sample.revenue:,.2f}" for sample in samples]),
        ("sentiment", [_sentiments(sample) for sample in samples]),
        ("top events", [_top(sample) for sample in samples]),
    ]
    for name, values in rows:
        table.add_row(name, *(Text(value) for value in values))
    return table


def show_addresses(stack: Stack, projects: Sequence[str]) -> None:
    """Where everything listens, and keys to try it with."""
    state = stack.state
    out.print(
        f"[bold]API[/]      {state.api_url}   (OpenAPI: {state.api_url}/docs)",
        highlight=False,
        soft_wrap=True,
    )
    out.print(f"[bold]Worker[/]   {state.worker_url}/metrics", highlight=False, soft_wrap=True)
    out.print(f"[bold]Kafka[/]    {state.bootstrap}", highlight=False, soft_wrap=True)
    for project in projects:
        heading = (f"Keys of project {printable(project)}", "bold")
        out.print(Text.assemble(heading, ": admin may do everything in it, ingest only send events"))
        out.print(f"  admin  {stack.secrets.personal_key(project)}", highlight=False, soft_wrap=True)
        out.print(f"  ingest {stack.secrets.write_key(project)}", highlight=False, soft_wrap=True)
    token = issue_jwt(
        stack.secrets.jwt_secret, sub="owner", project=projects[0], scopes=["read"], ttl_s=TOKEN_TTL_S
    )
    out.print(Text.assemble((f"JWT of project {printable(projects[0])}", "bold"), ", read, valid for a day"))
    out.print(f"  {token}", highlight=False, soft_wrap=True)
    key = stack.secrets.personal_key(projects[0])
    out.print("[bold]Try[/]", highlight=False)
    out.print(
        f"  curl -H 'Authorization: Bearer {key}' '{state.api_url}/api/analytics/overview?days=7'",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} ms"


def _sentiments(sample: Sample) -> str:
    if not sample.sentiments:
        return "-"
    return "\n".join(f"{label} {number}" for label, number in sorted(sample.sentiments.items()))


def _top(sample: Sample) -> str:
    return "\n".join(f"{printable(name)} {number:,}" for name, number in sample.top_events)
