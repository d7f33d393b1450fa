"""``loopin topics``: what the broker has, against the table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final

import typer
from rich.table import Column, Table

from loopin_deploy.commands.options import Data, kafka_settings
from loopin_deploy.screen import err, out
from loopin_schemas.topics import TOPICS, Topic
from loopin_streams.kafka.topic_admin import Difference, TopicAdmin

_REFUSED: Final = {
    "partitions": "Partition counts decide where a user's events are and stay as they are: set "
    "LOOPIN_PARTITIONS to the broker's count. If topics were given more partitions since, stop the workers, "
    "give all of them the same number with the broker's own tools, and run `loopin state rebuild`.",
    "replication": "Replicas are placed by whoever runs the brokers: give these topics more with Kafka's own "
    "tool (kafka-reassign-partitions) and run `loopin topics apply` again, or lower LOOPIN_REPLICATION.",
}

app = typer.Typer(help="Kafka topics of this installation.", no_args_is_help=True)


@app.command("list")
def list_topics(data: Data) -> None:
    """Show every topic of the table, and how the broker's differ."""
    settings = kafka_settings(data)
    admin = TopicAdmin(settings)
    found, differences = admin.describe(), admin.differences()
    # What a topic carries stands below its name: beside it a narrow terminal has room for a word a line.
    table = Table(
        Column("topic", ratio=2),
        "partitions",
        "keeps",
        Column("differs", ratio=1),
        expand=True,
        show_lines=True,
    )
    for topic in TOPICS:
        info = found.get(topic.name)
        mine = [change for change in differences if change.topic == topic.name]
        table.add_row(
            f"[bold]{settings.topic(topic.name)}[/]\n{topic.help}",
            str(info.partitions) if info else "-",
            _keeps(topic),
            "\n".join(f"{change.kind}: {change.detail}" for change in mine) or "no",
        )
    out.print(table)


@app.command("apply")
def apply_topics(
    data: Data, dry_run: Annotated[bool, typer.Option(help="Only show the difference.")] = False
) -> None:
    """Create what is missing and set what differs; partition counts and replicas are never changed."""
    admin = TopicAdmin(kafka_settings(data))
    differences = admin.differences() if dry_run else admin.apply()
    for change in differences:
        text = f"{_verb(change, dry_run):8} {change.topic}: {change.detail}"
        out.print(text, highlight=False, markup=False, soft_wrap=True)
    if not differences:
        out.print("All topics are as the table says.")
    for advice in refused_advice(differences):
        err.print(advice, highlight=False, markup=False, soft_wrap=True)
    if any(change.refused for change in differences):
        raise typer.Exit(1)


def refused_advice(differences: Iterable[Difference]) -> list[str]:
    """What to do about the differences that ``apply`` leaves alone, a sentence for each kind."""
    kinds = {change.kind for change in differences}
    return [advice for kind, advice in _REFUSED.items() if kind in kinds]


def _verb(change: Difference, dry_run: bool) -> str:
    if change.refused:
        return "refused"
    if dry_run:
        return "would create" if change.kind == "missing" else "would set"
    return "created" if change.kind == "missing" else "set"


def _keeps(topic: Topic) -> str:
    if topic.retention_ms is None:
        return "newest by key"
    hours = topic.retention_ms // 3_600_000
    return f"{hours // 24} days" if hours % 24 == 0 else f"{hours} h"
