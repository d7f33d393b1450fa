"""Transactions of one id on the real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from loopin_streams.kafka.errors import Fenced
from loopin_streams.kafka.job import Message
from loopin_streams.kafka.outbox import MAX_BATCH_BYTES, Outbox
from tests.streams.installation import Installation

pytestmark = pytest.mark.usefixtures("collected")

Connect = Callable[[], Outbox]


@pytest.fixture
def topic(installation: Installation) -> str:
    return installation.settings.topic("events.enriched")


@pytest.fixture
def connect(installation: Installation) -> Connect:
    settings = installation.settings
    return lambda: Outbox(settings.kafka_bootstrap, f"{settings.topic_prefix}job-0")


def values(installation: Installation, partition: int = 0) -> list[bytes | None]:
    found = installation.read("events.enriched", decided=True)
    return [message.value() for message in found[partition]]


async def test_what_is_committed_can_be_read_in_order(
    installation: Installation, connect: Connect, topic: str
) -> None:
    outbox = connect()
    await outbox.start()
    await outbox.commit([(topic, 0, [(b"k", b"1"), (None, b"2")]), (topic, 1, [(None, b"3")])])
    await outbox.commit([(topic, 0, [(None, b"4")])])
    await outbox.stop()
    assert (values(installation), values(installation, 1)) == ([b"1", b"2", b"4"], [b"3"])


async def test_the_former_owner_is_fenced_and_commits_nothing(
    installation: Installation, connect: Connect, topic: str
) -> None:
    former, owner = connect(), connect()
    await former.start()
    await former.commit([(topic, 0, [(None, b"former")])])
    await owner.start()
    with pytest.raises(Fenced, match="another worker has taken over"):
        await former.commit([(topic, 0, [(None, b"late")])])
    await former.abort()
    await former.stop()
    await owner.commit([(topic, 0, [(None, b"owner")])])
    await owner.stop()
    assert values(installation) == [b"former", b"owner"]


async def test_an_owner_who_was_fenced_before_it_began_is_told_so(
    installation: Installation, connect: Connect, topic: str
) -> None:
    former, owner = connect(), connect()
    await former.start()
    await owner.start()
    with pytest.raises(Fenced):
        await former.commit([(topic, 0, [(None, b"late")])])
    await former.stop()
    await owner.stop()
    assert values(installation) == []


@pytest.mark.parametrize("pause", [0, 0.05])
async def test_a_fenced_owner_is_told_so_however_much_it_sends(
    installation: Installation,
    connect: Connect,
    topic: str,
    pause: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    former, owner = connect(), connect()
    await former.start()
    await owner.start()
    known = former._producer.client._wait_on_metadata

    async def known_after_a_while(name: str) -> object:
        await asyncio.sleep(pause)
        return await known(name)

    # The refusal of the first batch arrives while a later one is being sent.
    monkeypatch.setattr(former._producer.client, "_wait_on_metadata", known_after_a_while)
    batches: list[Message] = [(None, b"x" * (MAX_BATCH_BYTES - 1000))] * 3
    with pytest.raises(Fenced):
        await former.commit([(topic, 0, batches), (topic, 1, batches)])
    await former.abort()
    await former.stop()
    await owner.stop()
    assert values(installation) == values(installation, 1) == []


async def test_a_new_owner_aborts_what_was_left_open(
    installation: Installation, connect: Connect, topic: str
) -> None:
    class Stopped(Exception):
        pass

    def stop_there(point: str) -> None:
        if point == "before_commit":
            raise Stopped

    settings = installation.settings
    former = Outbox(settings.kafka_bootstrap, f"{settings.topic_prefix}job-0", probe=stop_there)
    await former.start()
    with pytest.raises(Stopped):
        await former.commit([(topic, 0, [(None, b"open")])])
    owner = connect()
    await owner.start()
    # It would time out here if the open transaction still held the readers back.
    assert values(installation) == []
    await owner.stop()
    await former.stop()


async def test_a_fenced_owner_that_is_told_to_let_go_in_mid_commit_does_so_quietly(
    installation: Installation, connect: Connect, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    former, owner = connect(), connect()
    await former.start()
    fenced = asyncio.Event()
    commit = former._producer.commit_transaction

    async def commit_once_fenced() -> None:
        await owner.start()
        fenced.set()
        await commit()

    monkeypatch.setattr(former._producer, "commit_transaction", commit_once_fenced)
    committing = asyncio.create_task(former.commit([(topic, 0, [(None, b"late")])]))
    await fenced.wait()
    committing.cancel()
    await asyncio.gather(committing, return_exceptions=True)
    await former.abort()
    await former.stop()
    await owner.stop()
    assert values(installation) == []


async def test_an_aborted_transaction_leaves_the_outbox_usable(
    installation: Installation, topic: str
) -> None:
    calls = 0

    def fail_once(point: str) -> None:
        nonlocal calls
        calls += point == "before_commit"
        if point == "before_commit" and calls == 1:
            raise RuntimeError("as asked")

    settings = installation.settings
    outbox = Outbox(settings.kafka_bootstrap, f"{settings.topic_prefix}job-0", probe=fail_once)
    await outbox.start()
    with pytest.raises(RuntimeError, match="as asked"):
        await outbox.commit([(topic, 0, [(None, b"1")])])
    await outbox.abort()
    await outbox.abort()
    await outbox.commit([(topic, 0, [(None, b"2")])])
    await outbox.stop()
    assert values(installation) == [b"2"]


async def test_more_than_fits_one_batch_is_one_transaction_all_the_same(
    installation: Installation, connect: Connect, topic: str
) -> None:
    sent = [bytes([at % 251]) * 40_000 for at in range(60)]
    sent.insert(30, b"y" * (MAX_BATCH_BYTES + 50_000))
    outbox = connect()
    await outbox.start()
    await outbox.commit([(topic, 0, [(None, value) for value in sent])])
    await outbox.stop()
    assert values(installation) == sent


async def test_the_probe_passes_the_points_in_order(installation: Installation, topic: str) -> None:
    points: list[str] = []
    settings = installation.settings
    outbox = Outbox(settings.kafka_bootstrap, f"{settings.topic_prefix}job-0", probe=points.append)
    await outbox.start()
    await outbox.commit([(topic, 0, [(None, b"1")])])
    await outbox.stop()
    assert points == ["begun", f"sent:{topic}", "before_commit", "after_commit"]
