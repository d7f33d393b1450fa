"""The journal's topic of one installation, as the identity job writes it, and the store behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from loopin_schemas.codec import encode
from loopin_schemas.identity import LinkKind, PersonMerge
from loopin_sinks.persons.sink import PersonSink
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store, StoreSettings
from tests.transactions import Out, Transactions

DECIDED_MS = 1_800_000_000_000


def merge(
    number: int,
    person: str,
    moved: list[str],
    kept: list[str],
    *,
    revision: int = 0,
    kind: LinkKind = "identify",
    project: str = "demo",
) -> PersonMerge:
    """What the job says of a merge, or of its end."""
    return PersonMerge(
        id=str(UUID(int=number)),
        project=project,
        kind=kind,
        outcome="unmerged" if kind == "unmerge" else "merged",
        distinct_id=kept[0],
        other=moved[0],
        person=person,
        moved=moved,
        kept=kept,
        event_uuid=str(UUID(int=1000 + number)),
        event_at=DECIDED_MS - 5000,
        decided_at=DECIDED_MS,
        revision=DECIDED_MS + revision,
        link_offset=number,
    )


def refusal(number: int, distinct_id: str, other: str) -> PersonMerge:
    return PersonMerge(
        id=str(UUID(int=number)),
        project="demo",
        kind="identify",
        outcome="refused",
        reason="already_identified",
        distinct_id=distinct_id,
        other=other,
        person=distinct_id,
        event_at=DECIDED_MS - 5000,
        decided_at=DECIDED_MS,
        revision=DECIDED_MS,
        link_offset=number,
    )


def moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


@dataclass
class Journal:
    settings: SinkSettings
    store_settings: StoreSettings
    store: Store
    topic_ids: dict[str, str]
    writer: Transactions
    ends: dict[int, int] = field(default_factory=lambda: {0: 0})

    def publish(self, *merges: PersonMerge) -> None:
        """In one transaction, whose mark comes behind them."""
        self.send([encode(one) for one in merges])

    def send(self, bodies: list[bytes]) -> None:
        topic = self.settings.topic("person.merges")
        self.writer.write([Out(topic, 0, None, body) for body in bodies])
        self.ends[0] += len(bodies) + 1

    def sink(self, store: Store | None = None) -> PersonSink:
        return PersonSink(self.settings, store or self.store, self.topic_ids["person.merges"])

    async def person_of(self) -> dict[tuple[str, str], str]:
        rows = await self.store.query("SELECT project, distinct_id, person FROM person_distinct_ids FINAL")
        return {(row["project"], row["distinct_id"]): row["person"] for row in rows}
