"""Offsets of consumer groups on a broker that has just started."""

from __future__ import annotations

import time

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException
from confluent_kafka.admin import AdminClient

TIMEOUT_S = 30.0


def wait_for_coordinator(bootstrap: str, group: str) -> None:
    """Return once the broker answers for the group: at first it makes and loads its own topics."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(TIMEOUT_S)
        except KafkaException as error:
            if time.monotonic() > deadline:
                pytest.fail(f"the group's coordinator is not ready: {error}")
            time.sleep(0.02)
        else:
            return
