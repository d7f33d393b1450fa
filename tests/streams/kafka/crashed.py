"""What a broker that has crashed may leave behind."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from aiokafka import AIOKafkaProducer, TopicPartition

from loopin_streams.kafka.job import Message
from loopin_streams.kafka.outbox import Outbox
from loopin_streams.kafka.reader import Reader

Place = tuple[str, int]

LEFT_OPEN: Message = (b"k", b"left open")


async def leave_open(
    bootstrap: str, transactional_id: str, places: Sequence[Place] | Mapping[Place, Sequence[Message]]
) -> None:
    """As the broker leaves it: records of a transaction of which the coordinator knows nothing."""
    records = places if isinstance(places, Mapping) else {place: [LEFT_OPEN] for place in places}
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=transactional_id, linger_ms=0)
    await producer.start()
    await producer.begin_transaction()
    for (topic, partition), messages in records.items():
        producer._txn_manager._txn_partitions.add(TopicPartition(topic, partition))
        for key, value in messages:
            await producer.send_and_wait(topic, value, key=key, partition=partition)
    await producer.stop()


async def open_records(bootstrap: str, places: Collection[Place]) -> dict[Place, list[Message]]:
    """The records of the transactions that are under way, by the places that hold any."""
    found: dict[Place, list[Message]] = {}
    every = list(places)
    async with Reader(bootstrap, every) as settled, Reader(bootstrap, every, committed=False) as written:
        for place, end in (await settled.ends()).items():
            blocks = written.blocks(*place, start=end)
            if messages := [(record.key, record.value) async for block in blocks for record in block]:
                found[place] = messages
    return found


async def end_in_part(
    bootstrap: str,
    transactional_id: str,
    records: Mapping[Place, Sequence[Message]],
    *,
    open_in: Collection[Place],
) -> None:
    """Commit these records of a transaction; in ``open_in`` they stay as a crashed broker leaves them."""
    outbox = Outbox(bootstrap, transactional_id)
    # Aborts the transaction of which they are a copy.
    await outbox.start()
    await outbox.commit(
        [(*place, list(messages)) for place, messages in records.items() if place not in open_in]
    )
    await outbox.stop()
    left = {place: messages for place, messages in records.items() if place in open_in}
    await leave_open(bootstrap, transactional_id, left)
