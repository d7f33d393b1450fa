"""Whether there is a topic to publish to."""

from __future__ import annotations

from loopin_deploy.errors import DeployError
from loopin_schemas.topics import RAW
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin


def check_raw_topic(settings: KafkaSettings) -> None:
    """Find out at once what the client, which waits for a broker to come back, says after minutes.

    Raises:
        DeployError: ``topic_missing``.
        BrokerUnreachable: no broker answers.
    """
    if RAW.name not in TopicAdmin(settings).describe():
        topic = settings.topic(RAW.name)
        raise DeployError("topic_missing", topic, f"There is no topic {topic}: run `loopin topics apply`.")
