"""Why the sink leaves a partition alone: its committed offset does not fit the topic."""

from __future__ import annotations

from aiokafka import TopicPartition

from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.reader import Log


def recreated(topic: str, group: str) -> RefusedToOpen:
    """The offset is of another topic of that name."""
    return RefusedToOpen(
        "topic_recreated",
        f"The topic {topic} was deleted and created again since the sink last stored it: stop the sinks and "
        f"delete the consumer group {group} to store the new one from its start.",
    )


def outside(at: TopicPartition, offset: int, kept: Log, group: str) -> RefusedToOpen:
    """The log starts after the offset, or ends before it."""
    return RefusedToOpen(
        "log_starts_after_marker" if offset < kept.start else "marker_beyond_log",
        f"The sink has come to offset {offset} of partition {at.partition} of {at.topic}, which holds "
        f"{kept.start} to {kept.end}: records were lost; to go on without them, stop the sinks and delete "
        f"the consumer group {group}.",
    )


def removed_unread(topic: str, group: str) -> RefusedToOpen:
    """Records were removed from under a sink at work."""
    return RefusedToOpen(
        "log_starts_after_marker",
        f"Records of {topic} were removed before the sink stored them: to go on without them, stop the sinks "
        f"and delete the consumer group {group}.",
    )
