"""The identity job's state: the persons of the journal's merges, in their order."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from loopin_schemas.codec import decode, encode
from loopin_schemas.identity import Person, PersonMerge
from loopin_schemas.topics import IDENTITY_LINKS, IDENTITY_STATE, PERSON_MERGES, PERSONS
from loopin_streams.identity.components import identified, join, split
from loopin_streams.identity.job import PARTITIONS, IdentityJob
from loopin_streams.identity.persons import Persons
from loopin_streams.kafka.job import Message
from loopin_streams.kafka.marker import STATE_VERSION, Counts, Marker
from loopin_streams.kafka.outbox import Probe, no_probe
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.rebuild.old_state import (
    BEGUN_KEY,
    commit_all,
    last_messages,
    own_outbox,
    readable_marker,
    stale_keys,
)
from loopin_streams.state.keyed_store import MemoryStore


class RebuiltPersons(NamedTuple):
    """How many persons there are, and from which offset of ``identity.links`` on requests are decided."""

    persons: int
    position: int


async def rebuild_identity(
    settings: KafkaSettings,
    topic_ids: Mapping[str, str],
    users: AsyncIterable[tuple[str, str]],
    probe: Probe = no_probe,
) -> RebuiltPersons:
    """Replace the state, the marker last.

    ``users`` are project and distinct_id of those that an ``$identify`` was about. Requests that were decided
    without a word in the journal are decided again, with the same result.

    Raises:
        Fenced: a worker was started meanwhile.
    """
    names = (IDENTITY_STATE.name, PERSONS.name, PERSON_MERGES.name, IDENTITY_LINKS.name)
    state, persons, journal, links = map(settings.topic, names)
    held: dict[bytes, Person] = {}
    async with Reader(settings.kafka_bootstrap, [(settings.topic(name), 0) for name in names]) as reader:
        known = Persons(MemoryStore())
        last = -1
        async for block in reader.blocks(journal, 0):
            for record in block:
                merge = _readable(record.value)
                if merge is not None:
                    last = max(last, merge.link_offset)
                    _apply(known, merge, held)
        async for project, distinct_id in users:
            person = known.of(project, distinct_id)
            _keep(known, project, identified(person, distinct_id), person.revision, person.link_offset, held)
        marker = await _marker(reader, (state, links), topic_ids, last, len(known))
        async with own_outbox(settings, IdentityJob.name, 0, probe) as outbox:

            def gone(keys: Sequence[bytes]) -> list[bytes]:
                return [key for key in keys if key not in held]

            await commit_all(outbox, persons, 0, stale_keys(reader, persons, 0, gone))
            await commit_all(outbox, persons, 0, _messages(held))

            def left_over(keys: Sequence[bytes]) -> list[bytes]:
                return [key for key in keys if key != BEGUN_KEY]

            await commit_all(outbox, state, 0, stale_keys(reader, state, 0, left_over))
            await outbox.commit([(state, 0, last_messages(marker))])
    return RebuiltPersons(len(held), marker.position)


def _apply(known: Persons, merge: PersonMerge, held: dict[bytes, Person]) -> None:
    """Do once more what the journal says was done."""
    project = merge.project
    into = known.of(project, merge.distinct_id)
    if merge.outcome == "merged":
        other = known.of(project, merge.other)
        if other.distinct_ids[0] != into.distinct_ids[0]:
            held.pop(f"{project}:{other.distinct_ids[0]}".encode(), None)
            user = identified(into, merge.distinct_id)
            one = join(user, other, merge.id, merge.distinct_id, merge.other)
            _keep(known, project, one, merge.revision, merge.link_offset, held)
    elif merge.outcome == "unmerged" and any(link.id == merge.id for link in into.links):
        for part in split(into, merge.id):
            _keep(known, project, part, merge.revision, merge.link_offset, held)


def _keep(
    known: Persons,
    project: str,
    person: Person,
    revision: int,
    link_offset: int,
    held: dict[bytes, Person],
) -> None:
    kept = replace(person, revision=revision, link_offset=link_offset)
    key, _ = known.save(project, kept)
    held[key or b""] = kept


async def _marker(
    reader: Reader, topics: tuple[str, str], topic_ids: Mapping[str, str], last: int, held: int
) -> Marker:
    """After the last request that is known to be decided, or at the log's start."""
    state, links = topics
    log = await reader.log(links, 0)
    before = await readable_marker(reader, state, 0)
    topic_id = topic_ids[IDENTITY_LINKS.name]
    remade = before is not None and before.topic_id != topic_id
    follows = log.start <= last + 1 <= log.end and not remade
    return Marker(
        topic_id=topic_id,
        position=last + 1 if follows else log.start,
        counts=before.counts if before is not None and not remade else Counts(),
        partitions=PARTITIONS,
        stores={name: topic_ids[name] for name in (IDENTITY_STATE.name, PERSONS.name)},
        held=held,
        version=STATE_VERSION,
    )


async def _messages(held: Mapping[bytes, Person]) -> AsyncIterator[Message]:
    for key, person in held.items():
        yield key, encode(person)


def _readable(value: bytes | None) -> PersonMerge | None:
    try:
        return decode(value or b"", PersonMerge)
    except (ValueError, RecursionError):
        return None
