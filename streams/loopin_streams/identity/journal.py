"""The journal of merges and the persons as a reader from outside finds them, and how to undo a merge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from time import time
from typing import Final, TypeVar
from uuid import uuid4

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from loopin_schemas.codec import decode, encode
from loopin_schemas.identity import LinkRequest, Outcome, Person, PersonMerge
from loopin_schemas.topics import IDENTITY_LINKS, PERSON_MERGES, PERSONS, event_key
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.errors import BrokerUnreachable
from loopin_streams.kafka.marker import STATE_VERSION
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin

T = TypeVar("T", bound=msgspec.Struct)

SEND_S: Final = 10.0
SLACK: Final = 5_000
"""Records held beyond those asked for before the oldest are let go of."""


async def newest_merges(
    settings: KafkaSettings,
    *,
    project: str = "",
    outcomes: tuple[Outcome, ...] = ("merged", "unmerged"),
    distinct_ids: Collection[str] = (),
    limit: int,
) -> list[PersonMerge]:
    """What became of each request, the newest first, at most ``limit``; of everybody unless narrowed down."""
    found: dict[tuple[str, str], PersonMerge] = {}
    wanted = frozenset(distinct_ids)
    async with aclosing(_merges(settings)) as merges:
        async for merge in merges:
            of_whom = {merge.distinct_id, merge.other, *merge.moved, *merge.kept}
            if project not in ("", merge.project) or (wanted and wanted.isdisjoint(of_whom)):
                continue
            # Taken out first: what was undone counts from then on.
            found.pop((merge.project, merge.id), None)
            if merge.outcome in outcomes:
                found[merge.project, merge.id] = merge
            if len(found) >= limit + SLACK:
                found = dict([*found.items()][-limit:])
    return [*reversed(found.values())][:limit]


async def merge_of(settings: KafkaSettings, merge_id: str) -> PersonMerge | None:
    """The newest record of a merge."""
    last: PersonMerge | None = None
    async with aclosing(_merges(settings)) as merges:
        async for merge in merges:
            last = merge if merge.id == merge_id else last
    return last


async def person_of(settings: KafkaSettings, project: str, distinct_id: str) -> Person | None:
    """The person of an id; None where the id is alone and was never identified."""
    found: dict[bytes, Person] = {}
    async with aclosing(_records(settings, PERSONS.name)) as records:
        async for record in records:
            key = record.key or b""
            if not key.startswith(f"{project}:".encode()):
                continue
            found.pop(key, None)
            person = None if record.value is None else _decoded(record.value, Person)
            if person is not None and distinct_id in person.distinct_ids:
                found[key] = person
    return next(iter(found.values()), None)


async def ask_to_unmerge(settings: KafkaSettings, merge: PersonMerge) -> int:
    """Publish the request to take a merge back; its offset.

    Raises:
        BrokerUnreachable: it may not be there.
    """
    request = LinkRequest(
        id=str(uuid4()),
        project=merge.project,
        kind="unmerge",
        distinct_id=merge.distinct_id,
        other=merge.other,
        merge_id=merge.id,
        timestamp=int(time() * 1000),
        version=STATE_VERSION,
    )
    return await asyncio.to_thread(_send, settings, request)


async def decision_on(settings: KafkaSettings, offset: int) -> PersonMerge | None:
    """What the journal says of the request at ``offset``; None while it is not decided."""
    async with aclosing(_merges(settings)) as merges:
        async for merge in merges:
            if merge.link_offset == offset:
                return merge
    return None


def _send(settings: KafkaSettings, request: LinkRequest) -> int:
    sent: list[int] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is None:
            sent.append(message.offset() or 0)

    producer = Producer(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "enable.idempotence": True,
            "message.timeout.ms": int(SEND_S * 1000),
            "log_level": 0,
        }
    )
    topic = settings.topic(IDENTITY_LINKS.name)
    key = event_key(request.project, request.distinct_id)
    producer.produce(topic, encode(request), key, partition=0, on_delivery=delivered)
    producer.flush(SEND_S + 1)
    if not sent:
        raise BrokerUnreachable(
            f"The broker {settings.kafka_bootstrap} did not take the request within {SEND_S:.0f} s: see that "
            "it runs (`loopin doctor`), then run this again."
        )
    return sent[0]


async def _merges(settings: KafkaSettings) -> AsyncGenerator[PersonMerge, None]:
    async with aclosing(_records(settings, PERSON_MERGES.name)) as records:
        async for record in records:
            merge = _decoded(record.value or b"", PersonMerge)
            if merge is not None:
                yield merge


async def _records(settings: KafkaSettings, topic: str) -> AsyncGenerator[Record, None]:
    full = settings.topic(topic)
    if topic not in await asyncio.to_thread(TopicAdmin(settings).describe):
        return
    async with Reader(settings.kafka_bootstrap, [(full, 0)]) as reader:
        blocks = reader.blocks(full, 0)
        async with aclosing(blocks):
            async for block in blocks:
                for record in block:
                    yield record


def _decoded(body: bytes, of: type[T]) -> T | None:
    """None for what is of another release."""
    try:
        return decode(body, of)
    except (ValueError, RecursionError):
        return None
