"""What a broker that has crashed may leave behind."""

from __future__ import annotations

from collections.abc import Sequence

from aiokafka import AIOKafkaProducer, TopicPartition


async def leave_open(bootstrap: str, transactional_id: str, places: Sequence[tuple[str, int]]) -> None:
    """As the broker leaves it: records of a transaction of which the coordinator knows nothing."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=transactional_id, linger_ms=0)
    await producer.start()
    await producer.begin_transaction()
    for topic, partition in places:
        producer._txn_manager._txn_partitions.add(TopicPartition(topic, partition))
        await producer.send_and_wait(topic, b"left open", key=b"k", partition=partition)
    await producer.stop()
