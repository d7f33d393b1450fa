"""Records that a foreign partitioner put into another partition than their user's."""

from __future__ import annotations

from collections.abc import Sequence
from struct import unpack_from

from loopin_schemas.codec import encode
from loopin_schemas.event import Event
from loopin_schemas.topics import event_key
from loopin_streams.enrich.draft import Context, Draft, Drop

MOVED = Drop("moved")


def move_misplaced(drafts: Sequence[Draft], context: Context) -> None:
    """Mark records of users of other partitions, to be published there; gives every draft its key.

    A user who has a profile here has been checked before, so that most records cost one look-up.
    """
    for draft in drafts:
        draft.key = event_key(draft.event.project, draft.event.distinct_id)
    partitions: dict[bytes, int] = {}
    for draft, known in zip(drafts, context.profiles.known([d.key for d in drafts]), strict=True):
        if known:
            continue
        right = partitions.get(draft.key)
        if right is None:
            right = partitions[draft.key] = partition_of(draft.key, context.partitions)
        if right != context.origin.partition:
            draft.outcome = MOVED
            draft.moved_to = right
            draft.body = encode(_as_it_stands(draft))


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Kafka's default partitioner (Java) gives a key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(key: bytes) -> int:
    """Kafka's 32-bit hash of a key (``Utils.murmur2``), in half the time of aiokafka's."""
    length = len(key)
    words, left = divmod(length, 4)
    found = 0x9747B28C ^ length
    for word in unpack_from(f"<{words}I", key):
        mixed = word * 0x5BD1E995 & 0xFFFFFFFF
        mixed = (mixed ^ mixed >> 24) * 0x5BD1E995
        found = (found * 0x5BD1E995 ^ mixed) & 0xFFFFFFFF
    if left:
        found = (found ^ int.from_bytes(key[-left:], "little")) * 0x5BD1E995 & 0xFFFFFFFF
    found = (found ^ found >> 13) * 0x5BD1E995 & 0xFFFFFFFF
    return found ^ found >> 15


def _as_it_stands(draft: Draft) -> Event:
    """The event with its identity and its corrected time, which must not be judged by a second arrival."""
    event, enriched = draft.event, draft.enriched
    return Event(
        project=event.project,
        event=event.event,
        distinct_id=event.distinct_id,
        uuid=draft.uuid,
        timestamp=enriched.timestamp,
        queued_at=enriched.sent_at,
        session_id=event.session_id,
        properties=event.properties,
        source=event.source,
        parent_uuid=event.parent_uuid,
        origin=event.origin,
    )
