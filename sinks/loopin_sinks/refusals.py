"""Why the sink leaves a partition alone: its committed offset does not fit the topic."""

from __future__ import annotations

from aiokafka import TopicPartition

from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.reader import Log

_GO_ON = "stop the sinks and run `loopin sink accept-loss`"


def recreated(topic: str) -> RefusedToOpen:
    """The offset is of another topic of that name."""
    return RefusedToOpen(
        "topic_recreated",
        f"The topic {topic} was deleted and created again since the sink last stored it: to store the new "
        f"one from its start, {_GO_ON}.",
    )


def outside(at: TopicPartition, offset: int, kept: Log) -> RefusedToOpen:
    """The log starts after the offset, or ends before it."""
    return RefusedToOpen(
        "log_starts_after_marker" if offset < kept.start else "marker_beyond_log",
        f"The sink has come to offset {offset} of partition {at.partition} of {at.topic}, which holds "
        f"{kept.start} to {kept.end}: records were lost; to go on without them, {_GO_ON}.",
    )


def unnoted(at: TopicPartition, stored_up_to: int, kept: Log) -> RefusedToOpen:
    """As :func:`outside`, where the store has to say how far the sink has come, because its note is gone."""
    return RefusedToOpen(
        "log_starts_after_marker" if stored_up_to < kept.start else "marker_beyond_log",
        f"The sink's note on partition {at.partition} of {at.topic} is gone, its last record in the store is "
        f"the one before offset {stored_up_to}, and the topic holds {kept.start} to {kept.end}: records may "
        f"have been lost; to go on without them, {_GO_ON}.",
    )


def removed_unread(topic: str) -> RefusedToOpen:
    """Records were removed from under a sink at work."""
    return RefusedToOpen(
        "log_starts_after_marker",
        f"Records of {topic} were removed before the sink stored them: to go on without them, {_GO_ON}.",
    )
