"""The topics of an identity job, so that another can be restored from them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from loopin_schemas.codec import encode
from loopin_schemas.identity import LinkKind, LinkRequest
from loopin_streams.identity.absorber import IdentityAbsorber
from loopin_streams.identity.job import IdentityJob
from loopin_streams.kafka.job import Message, Output
from loopin_streams.kafka.marker import Marker
from loopin_streams.state.keyed_store import MemoryStore
from tests.streams.enrich.drafts import RECEIVED_MS, TOPIC_ID, RawRecord


def merge_id(number: int) -> str:
    return str(UUID(int=number))


@dataclass
class Journal:
    """What a job has committed."""

    marker: Marker = field(default_factory=lambda: Marker(topic_id=TOPIC_ID, position=0))
    persons: list[Message] = field(default_factory=list)
    merges: list[dict[str, Any]] = field(default_factory=list)
    absorber: IdentityAbsorber = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self, *, compacted: bool = False) -> None:
        """Another job, restored from the topic as it is, or as compaction leaves it."""
        if compacted:
            newest = {key: at for at, (key, _) in enumerate(self.persons)}
            self.persons = [
                (key, value)
                for at, (key, value) in enumerate(self.persons)
                if newest[key] == at and value is not None
            ]
        self.absorber = IdentityJob(lambda name: MemoryStore()).open(0, TOPIC_ID)
        self.absorber.restore("persons", [RawRecord(value, 0, 0, key) for key, value in self.persons])
        self.absorber.opened(self.marker, {})

    def absorb(self, *bodies: bytes | None, at: int = RECEIVED_MS) -> Output:
        start = self.marker.position
        records = [RawRecord(body, start + number, at) for number, body in enumerate(bodies)]
        output = self.absorber.absorb(records, start + len(records))
        self.persons += output.messages.get("persons", [])
        self.merges += [json.loads(value or b"") for _, value in output.messages.get("person.merges", [])]
        self.marker = Marker(
            topic_id=TOPIC_ID,
            position=start + len(records),
            counts=self.marker.counts.plus(output.counts),
            held=output.held,
        )
        return output

    def ask(
        self,
        kind: LinkKind,
        distinct_id: str,
        other: str | None = None,
        *,
        project: str = "demo",
        **fields: Any,
    ) -> dict[str, Any] | None:
        """One request; what the journal says of it."""
        before = len(self.merges)
        number = self.marker.position + 1
        request = LinkRequest(
            id=merge_id(number),
            project=project,
            kind=kind,
            distinct_id=distinct_id,
            other=other,
            timestamp=RECEIVED_MS - 1000,
            **fields,
        )
        self.absorb(encode(request))
        return self.merges[before] if len(self.merges) > before else None

    def held(self) -> dict[str, dict[str, Any]]:
        """The topic ``persons`` as a plain reader finds it, by key."""
        found: dict[str, dict[str, Any]] = {}
        for key, value in self.persons:
            name = (key or b"").decode()
            if value is None:
                found.pop(name, None)
            else:
                found[name] = json.loads(value)
        return found

    def mapping(self) -> dict[tuple[str, str], str]:
        """By project and distinct_id the person's name, from the journal alone: what the store will hold."""
        found: dict[tuple[str, str], tuple[int, str]] = {}
        for merge in self.merges:
            for each in merge.get("moved", []):
                at = (merge["project"], each)
                assert at not in found or found[at][0] < merge["revision"]
                found[at] = (merge["revision"], merge["person"])
        return {at: name for at, (_, name) in found.items()}
