"""The record that says how far a job has come, committed with the work itself."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from loopin_streams.kafka.errors import RefusedToOpen

MARKER_KEY = b"m"


class Counts(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How many input records became what, since the partition's first record; exact, as the marker is."""

    read: int = 0
    passed: int = 0
    dead_lettered: dict[str, int] = {}
    dropped: dict[str, int] = {}

    def plus(self, other: Counts) -> Counts:
        """Sum of two counts."""
        return Counts(
            read=self.read + other.read,
            passed=self.passed + other.passed,
            dead_lettered=_sum(self.dead_lettered, other.dead_lettered),
            dropped=_sum(self.dropped, other.dropped),
        )


class Marker(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What one partition's last committed transaction has absorbed.

    ``topic_id`` is Kafka's id of the input topic, ``position`` the next input offset to read,
    ``watermark`` epoch ms or None while unknown.
    """

    topic_id: str
    position: int
    watermark: int | None = None
    counts: Counts = msgspec.field(default_factory=Counts)


def check_marker(
    marker: Marker | None,
    *,
    job: str,
    partition: int,
    topic_id: str,
    start: int,
    end: int,
    has_state: bool,
    state_topics: Sequence[str] = (),
) -> int:
    """The offset to read next, where the marker fits the input log ``start`` <= offset < ``end``.

    ``state_topics`` are the full names of the topics to be deleted where the job has to start anew.

    Raises:
        RefusedToOpen: the topic was recreated, the log lost what the marker has not absorbed or ends
            before it, or state exists without a marker.
    """
    where = f"partition {partition} of job {job}"
    reset = (
        f"delete the topics {' and '.join(state_topics)} and run `loopin topics apply`; what the input log "
        "still holds is then processed again"
    )
    if marker is None:
        if has_state:
            raise RefusedToOpen(
                "marker_missing",
                f"The state of {where} has no marker: restore its state topic, or {reset}.",
            )
        return start
    if marker.topic_id != topic_id:
        raise RefusedToOpen(
            "topic_recreated",
            f"The input topic of {where} was deleted and created again: {reset}.",
        )
    if marker.position > end:
        raise RefusedToOpen(
            "marker_beyond_log",
            f"The marker of {where} ({marker.position}) lies beyond its input log ({end}): the broker lost "
            f"records; restore them, or {reset}.",
        )
    if marker.position < start:
        raise RefusedToOpen(
            "log_starts_after_marker",
            f"The input log of {where} starts at {start}, after its marker ({marker.position}): records were "
            f"removed before they were read; to go on without them, {reset}.",
        )
    return marker.position


def _sum(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return {name: left.get(name, 0) + right.get(name, 0) for name in {**left, **right}}
