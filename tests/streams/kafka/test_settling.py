"""What a crashed broker has left open: a transaction that ended without a word to its partitions."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.outbox import Outbox
from loopin_streams.kafka.settling import left_open, settle
from tests.streams.installation import Installation
from tests.streams.kafka.crashed import leave_open

REBUILD = "loopin state rebuild enrich"


@pytest.fixture
def places(installation: Installation) -> dict[str, tuple[str, int]]:
    topics = ("enrich.state", "events.enriched", "seen")
    return {name: (installation.settings.topic(name), 0) for name in topics}


@pytest.fixture
async def owner(installation: Installation) -> AsyncIterator[Outbox]:
    outbox = Outbox(installation.settings.kafka_bootstrap, owner_id(installation))
    yield outbox
    await outbox.stop()


def owner_id(installation: Installation) -> str:
    """The transactional.id of whoever owns the partition."""
    return f"{installation.settings.topic_prefix}job-0"


def enriched(installation: Installation) -> list[bytes | None]:
    return [message.value() for message in installation.read("events.enriched")[0]]


async def test_the_next_commit_would_make_it_count(
    trusting: None, installation: Installation, places: dict[str, tuple[str, int]], owner: Outbox
) -> None:
    bootstrap = installation.settings.kafka_bootstrap
    await leave_open(bootstrap, owner_id(installation), list(places.values()))
    await owner.start()
    await owner.commit([(*places["events.enriched"], [(b"k", b"mine")])])
    assert enriched(installation) == [b"left open", b"mine"]


async def test_it_is_found_and_aborted(
    trusting: None, installation: Installation, places: dict[str, tuple[str, int]], owner: Outbox
) -> None:
    bootstrap = installation.settings.kafka_bootstrap
    every = list(places.values())
    await owner.start()
    await owner.commit([(*place, [(b"k", b"before")]) for place in every])
    assert await left_open(bootstrap, every) == set()

    stuck = [places["enrich.state"], places["events.enriched"]]
    await leave_open(bootstrap, owner_id(installation), stuck)
    successor = Outbox(bootstrap, owner_id(installation))
    await successor.start()
    assert await left_open(bootstrap, every) == set(stuck)
    await settle(bootstrap, successor, every, state=places["enrich.state"], rebuild=REBUILD)
    assert await left_open(bootstrap, every) == set()
    await successor.commit([(*places["events.enriched"], [(b"k", b"after")])])
    await successor.stop()
    assert enriched(installation) == [b"before", b"after"]


async def test_where_the_marker_is_not_open_somebody_has_to_decide(
    trusting: None, installation: Installation, places: dict[str, tuple[str, int]], owner: Outbox
) -> None:
    bootstrap = installation.settings.kafka_bootstrap
    every = list(places.values())
    await leave_open(bootstrap, owner_id(installation), [places["events.enriched"]])
    await owner.start()
    with pytest.raises(RefusedToOpen, match=f"events.enriched-0, .* run `{REBUILD}`") as refusal:
        await settle(bootstrap, owner, every, state=places["enrich.state"], rebuild=REBUILD)
    assert refusal.value.code == "transaction_left_open"
    # A rebuild makes it all again, whatever became of it.
    await settle(bootstrap, owner, every, state=None, rebuild=REBUILD)
    await owner.commit([(*places["events.enriched"], [(b"k", b"after")])])
    assert enriched(installation) == [b"after"]
