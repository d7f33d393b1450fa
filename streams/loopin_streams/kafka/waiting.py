"""Waiting for the broker and its topics, so that roles may start in any order."""

from __future__ import annotations

import asyncio

import structlog

from loopin_streams.kafka.errors import BrokerUnreachable
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin

log = structlog.get_logger(__name__)

RETRY_S = 1.0


async def wait_for_topic(settings: KafkaSettings, name: str, stop: asyncio.Event) -> str | None:
    """Kafka's id of a topic as soon as the broker has it; None when told to stop first.

    Says once in the log what it waits for.
    """
    admin = TopicAdmin(settings)
    said = ""
    while not stop.is_set():
        try:
            found = (await asyncio.to_thread(admin.describe)).get(name)
            if found is not None:
                return found.id
            reason = f"The topic {settings.topic(name)} does not exist: run `loopin topics apply`."
        except BrokerUnreachable as error:
            reason = str(error)
        if reason != said:
            log.warning("waiting", reason=reason)
            said = reason
        try:
            async with asyncio.timeout(RETRY_S):
                await stop.wait()
        except TimeoutError:
            continue
    return None
