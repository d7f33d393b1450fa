"""The topic ``config``, read to its end at start and followed from there."""

from __future__ import annotations

from loopin_schemas.topics import CONFIG
from loopin_streams.kafka.config_state import Configuration
from loopin_streams.kafka.followed_log import FollowedLog
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings


async def read_config(settings: KafkaSettings) -> Configuration:
    """What is configured now.

    Raises:
        KafkaError: the broker does not answer, or refuses.
    """
    topic = settings.topic(CONFIG.name)
    async with Reader(settings.kafka_bootstrap, [(topic, 0)]) as reader:
        return await read_to_end(reader, topic)


async def read_to_end(reader: Reader, topic: str) -> Configuration:
    """What all committed records of the topic add up to."""
    found = Configuration()
    async for block in reader.blocks(topic, 0):
        for record in block:
            found.apply(record)
    return found


class ConfigLog(FollowedLog[Configuration]):
    """What is configured, followed."""

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__(settings, CONFIG.name, Configuration, "what is configured")

    @property
    def configuration(self) -> Configuration:
        """All of it; empty until it has been read for the first time."""
        return self.held
