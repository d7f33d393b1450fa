"""Waiting for the broker and its topics, so that roles may start in any order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from loopin_streams.kafka.errors import BrokerUnreachable
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin, TopicInfo

log = structlog.get_logger(__name__)

RETRY_S = 1.0


async def wait_for_topics(
    settings: KafkaSettings, names: Iterable[str], stop: asyncio.Event
) -> dict[str, TopicInfo] | None:
    """What the broker says of the topics as soon as it has them all; None when told to stop first.

    Says once in the log what it waits for.
    """
    admin = TopicAdmin(settings)
    wanted = list(names)
    said = ""
    while not stop.is_set():
        try:
            found = await asyncio.to_thread(admin.describe)
            missing = [settings.topic(name) for name in wanted if name not in found]
            if not missing:
                return {name: found[name] for name in wanted}
            reason = f"Topics do not exist ({', '.join(missing)}): run `loopin topics apply`."
        except BrokerUnreachable as error:
            reason = str(error)
        if reason != said:
            log.warning("waiting", reason=reason)
            said = reason
        await pause(stop)
    return None


async def pause(stop: asyncio.Event) -> None:
    """Wait before the next try, or until told to stop."""
    try:
        async with asyncio.timeout(RETRY_S):
            await stop.wait()
    except TimeoutError:
        return
