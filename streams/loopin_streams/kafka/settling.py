"""Transactions that the broker has ended without telling all partitions.

A broker that comes back from a crash ends the transactions that it finds under way. Where it knows no leader
of a partition yet, it takes that for deleted and skips its marker ("Couldn't find leader endpoint ... likely
deleted already", Kafka's TransactionMarkerChannelManager; seen on 4.3.1). The records there stay open, nobody
reads them, and the next commit of the same ``transactional.id`` would commit them too. So whoever opens a
partition looks first, and ends what is open by a transaction of its own that touches the same partitions and
is aborted.

That loses nothing: the marker of the job's position is the first record of each transaction, so where it is
open itself, nobody has read anything of that transaction, and its input is absorbed anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from time import monotonic

import structlog

from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.outbox import Outbox
from loopin_streams.kafka.reader import Reader

log = structlog.get_logger(__name__)

Place = tuple[str, int]
"""Full name of a topic, and a partition."""

SETTLES_S = 2.0
"""How long the end of a transaction may take to reach all replicas; what is open for longer is stuck."""

POLL_S = 0.1


async def left_open(bootstrap: str, places: Sequence[Place]) -> set[Place]:
    """Where records lie that no transaction has committed or aborted, and still do after ``SETTLES_S``.

    Only for partitions to which nobody else writes in transactions.
    """
    async with Reader(bootstrap, places) as settled, Reader(bootstrap, places, committed=False) as written:
        deadline = monotonic() + SETTLES_S
        while True:
            ends = await settled.ends()
            found = {place for place, end in (await written.ends()).items() if end > ends[place]}
            if not found or monotonic() > deadline:
                return found
            await asyncio.sleep(POLL_S)


async def settle(
    bootstrap: str, outbox: Outbox, places: Sequence[Place], *, state: Place | None, rebuild: str
) -> None:
    """End what is left open in the partitions that ``outbox``'s transactions alone write to.

    ``state`` is where the markers are; None ends whatever is open, for a rebuild, which makes it all again.

    Raises:
        RefusedToOpen: ``transaction_left_open``: the marker is not among what is open, so the transaction may
            have been committed; ``rebuild`` is the command that makes it good.
    """
    found = await left_open(bootstrap, places)
    if not found:
        return
    if state is not None and state not in found:
        raise RefusedToOpen(
            "transaction_left_open",
            f"The broker has ended a transaction but not in {_named(found)}, so nobody can tell whether its "
            f"records count: stop the workers and run `{rebuild}`.",
        )
    log.warning("transaction_left_open", partitions=_named(found))
    await outbox.abort_in(found)


def _named(places: Collection[Place]) -> str:
    return ", ".join(f"{topic}-{partition}" for topic, partition in sorted(places))
