"""What the roles with an API have in common: the client they publish with, and what health asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka.admin import AdminClient

from loopin_api.health import Component, Probe
from loopin_producers import Loopin
from loopin_schemas.topics import RAW
from loopin_streams.kafka.lag import Stall, group_lag
from loopin_streams.kafka.settings import KafkaSettings

_ANY_PROJECT = "loopin"
"""The API names the project with each event; the client needs one all the same."""


@contextmanager
def kafka_client(settings: KafkaSettings) -> Iterator[Loopin]:
    """A client of the broker, whose queue is flushed at the end."""
    client = Loopin(
        settings.kafka_bootstrap, project=_ANY_PROJECT, topic_prefix=settings.topic_prefix, disabled=False
    )
    try:
        yield client
    finally:
        client.shutdown()


def stream_probe(settings: KafkaSettings) -> Probe:
    """Health of the enrichment: how far its group is behind the broker, and whether it moves."""
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap, "log_level": 0})
    stall = Stall()

    async def ask() -> Component:
        lag = await asyncio.to_thread(
            group_lag, admin, settings.topic("enrich"), settings.topic(RAW.name), settings.partitions
        )
        if lag is None:
            return Component(ok=False)
        return Component(ok=not stall.stalled(lag), lag=lag.behind)

    return ask
