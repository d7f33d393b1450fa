"""Settings of the stream worker."""

from __future__ import annotations

from pydantic import AliasChoices, Field

from loopin_streams.kafka.settings import KafkaSettings
from loopin_text.sentiment import TEXT_PROPERTIES


class StreamSettings(KafkaSettings):
    """The enrichment worker (environment: ``LOOPIN_...``)."""

    ai_enabled: bool = Field(
        True,
        description="score the sentiment of texts",
        validation_alias=AliasChoices("LOOPIN_AI_ENABLED", "AI_SERVICES_ENABLED"),
    )
    text_properties: tuple[str, ...] = Field(
        TEXT_PROPERTIES, description="event properties whose text is scored, as a JSON list"
    )
