"""The topic ``models``, read to its end at start and followed from there."""

from __future__ import annotations

from loopin_schemas.topics import MODELS
from loopin_streams.kafka.followed_log import FollowedLog
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.learning.models import Models


async def read_models(settings: KafkaSettings) -> Models:
    """What all committed records of the topic add up to now.

    Raises:
        KafkaError: the broker does not answer, or refuses.
    """
    topic = settings.topic(MODELS.name)
    found = Models()
    async with Reader(settings.kafka_bootstrap, [(topic, 0)]) as reader:
        async for block in reader.blocks(topic, 0):
            for record in block:
                found.apply(record)
    return found


class ModelLog(FollowedLog[Models]):
    """Models and how they stand, followed."""

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__(settings, MODELS.name, Models, "what the models are")
