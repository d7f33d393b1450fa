"""The persons of an installation, and what a batch of requests makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import structlog

from loopin_schemas import topics
from loopin_schemas.codec import decode, encode, version_of
from loopin_schemas.identity import LinkRequest, PersonMerge
from loopin_schemas.topics import event_key
from loopin_schemas.uuids import uuid8
from loopin_streams.identity.decision import Decision, decide
from loopin_streams.identity.persons import Persons
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.job import Output
from loopin_streams.kafka.marker import STATE_VERSION, Marker

log = structlog.get_logger(__name__)

MERGED = "merged"
UNMERGED = "unmerged"


class IdentityAbsorber:
    """Decides requests in the order of their arrival on ``identity.links``.

    What is refused counts as dropped, by its reason.
    """

    def __init__(self, persons: Persons) -> None:
        self.persons = persons

    def restore(self, topic: str, records: Sequence[Record]) -> None:
        """Take in records of ``persons``."""
        self.persons.restore(records)

    def opened(self, marker: Marker, state: Mapping[bytes, bytes]) -> None:
        """See that all persons are there."""
        self.persons.check()
        found = len(self.persons)
        if marker.held not in (None, found):
            raise RefusedToOpen(
                "state_incomplete",
                f"The topic persons holds {found} distinct_ids and should hold {marker.held}: stop the "
                "workers and run `loopin state rebuild identity`.",
            )

    def absorb(self, records: Sequence[Record], position: int) -> Output:
        """Decide; persons that changed, and the journal."""
        output = Output()
        output.counts.read = len(records)
        for record in records:
            request = _readable(record)
            if request is None:
                _drop(output, "unreadable")
            else:
                self._decide(request, record, output)
        output.held = len(self.persons)
        return output

    def idle(self, position: int, caught_up_ms: int | None) -> Output | None:
        """Nothing happens by itself."""
        return None

    def holds(self) -> Mapping[str, int]:
        """Distinct_ids that are identified, or not alone."""
        return {"distinct_ids": len(self.persons)}

    def close(self) -> None:
        """Let go of the persons."""
        self.persons.close()

    def _decide(self, request: LinkRequest, record: Record, output: Output) -> None:
        into = self.persons.of(request.project, request.distinct_id)
        other = self.persons.of(request.project, request.other) if request.other is not None else None
        decision = decide(request, into, other)
        # Beyond every revision of these persons; by the broker's clock, so that it also outranks what a state
        # that was lost has left in the store.
        before = max(into.revision, other.revision if other is not None else 0)
        revision = max(before + 1, record.timestamp)
        if decision.gone is not None:
            # First: the id is among those of the person that follows.
            output.add(topics.PERSONS.name, event_key(request.project, decision.gone), None)
        for person in decision.persons:
            person.revision, person.link_offset = revision, record.offset
            output.add(topics.PERSONS.name, *self.persons.save(request.project, person))
        if decision.outcome is not None:
            merge = _journaled(request, decision, record, revision)
            key = f"{merge.project}:{merge.id}".encode()
            output.add(topics.PERSON_MERGES.name, key, encode(merge))
        if decision.reason is not None:
            _drop(output, decision.reason)
        else:
            output.counts.passed += 1


def _journaled(request: LinkRequest, decision: Decision, record: Record, revision: int) -> PersonMerge:
    assert decision.outcome is not None
    return PersonMerge(
        id=_merge_id(request, decision),
        project=request.project,
        kind=request.kind,
        outcome=decision.outcome,
        reason=decision.reason,
        distinct_id=request.distinct_id,
        other=request.other or "",
        person=decision.person,
        moved=list(decision.moved),
        kept=list(decision.kept),
        event_uuid=request.event_uuid,
        event_at=request.timestamp,
        decided_at=record.timestamp,
        revision=revision,
        link_offset=record.offset,
        version=STATE_VERSION,
    )


def _merge_id(request: LinkRequest, decision: Decision) -> str:
    """That of the request; the same each time for a refusal that repeats."""
    if decision.outcome == UNMERGED:
        return request.merge_id or request.id
    if decision.outcome == MERGED:
        return request.id
    about = (request.project, request.kind, request.distinct_id, request.other, request.merge_id)
    return uuid8(blake2b(encode((*about, decision.reason)), digest_size=16).digest())


def _drop(output: Output, reason: str) -> None:
    output.counts.dropped[reason] = output.counts.dropped.get(reason, 0) + 1


def _readable(record: Record) -> LinkRequest | None:
    body = record.value or b""
    # First: a newer version may have changed what the other fields are.
    if version_of(body) > STATE_VERSION:
        raise RefusedToOpen(
            "state_version",
            "The topic identity.links was written by a newer version of this program: run that version here "
            "too.",
        )
    try:
        return decode(body, LinkRequest)
    except (ValueError, RecursionError) as error:
        log.error("link_unreadable", offset=record.offset, reason=str(error)[:200])
        return None
