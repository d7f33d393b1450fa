"""The topic ``models``, read to its end at start and followed from there."""

from __future__ import annotations

from loopin_schemas.topics import MODELS
from loopin_streams.kafka.followed_log import FollowedLog
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.learning.models import Models


class ModelLog(FollowedLog[Models]):
    """Models and how they stand, followed."""

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__(settings, MODELS.name, Models, "what the models are")
