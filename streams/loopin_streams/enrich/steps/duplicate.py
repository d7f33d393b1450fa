"""What a client sent twice, dropped before anything counts it."""

from __future__ import annotations

from collections.abc import Sequence

from loopin_streams.enrich.draft import Context, Draft, Drop
from loopin_streams.enrich.seen import uuid_hash

DUPLICATE = Drop("duplicate")


def drop_duplicates(drafts: Sequence[Draft], context: Context) -> None:
    """Mark drafts whose uuid was seen before, in an earlier batch or earlier in this one."""
    hashes = [uuid_hash(draft.event.project, draft.uuid) for draft in drafts]
    known = context.seen.known(hashes)
    here: set[int] = set()
    for draft, found, before in zip(drafts, hashes, known, strict=True):
        if before or found in here:
            draft.outcome = DUPLICATE
        else:
            draft.uuid_hash = found
            here.add(found)
