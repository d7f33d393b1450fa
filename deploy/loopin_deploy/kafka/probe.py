"""Whether a broker is up, by asking it."""

from __future__ import annotations

import socket

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient


def answers(bootstrap: str, timeout: float = 2.0) -> bool:
    """Whether the broker at ``host:port`` answers a metadata request within ``timeout`` seconds."""
    host, _, port = bootstrap.rpartition(":")
    try:
        # Cheaper than a client, which logs and waits while nobody listens.
        socket.create_connection((host, int(port)), timeout=timeout).close()
    except OSError:
        return False
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "log.connection.close": False})
    try:
        return bool(client.list_topics(timeout=timeout).brokers)
    except KafkaException:
        return False
