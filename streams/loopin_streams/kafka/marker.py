"""The record that says how far a job has come, committed with the work itself."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from loopin_streams.kafka.errors import RefusedToOpen

MARKER_KEY = b"m"

STATE_VERSION = 1
"""Format of the state that this release writes; it reads all up to it.

Every record of the state says its version, but for the first one's, which say none: so each struct's default
stays 1, and whoever writes one passes this.
"""


class Counts(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How many input records became what, since the partition's first record; exact, as the marker is.

    ``late`` counts those that passed but came too late for a window, by the longest such window;
    ``anomalies`` what was found odd, and ``withheld`` what was, beyond the most that are told, by kind.
    """

    read: int = 0
    passed: int = 0
    dead_lettered: dict[str, int] = {}
    dropped: dict[str, int] = {}
    late: dict[str, int] = {}
    anomalies: dict[str, int] = {}
    withheld: dict[str, int] = {}

    def plus(self, other: Counts) -> Counts:
        """Sum of two counts."""
        return Counts(
            read=self.read + other.read,
            passed=self.passed + other.passed,
            dead_lettered=_sum(self.dead_lettered, other.dead_lettered),
            dropped=_sum(self.dropped, other.dropped),
            late=_sum(self.late, other.late),
            anomalies=_sum(self.anomalies, other.anomalies),
            withheld=_sum(self.withheld, other.withheld),
        )


class Marker(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What one partition's last committed transaction has absorbed.

    ``commits`` numbers the transactions, those without input too: equal markers mean equal state.
    ``topic_id`` is Kafka's id of the input topic, ``position`` the next input offset to read,
    ``watermark`` epoch ms or None while unknown, ``partitions`` the input topic's count of them, ``version``
    that of the state's format. ``stores`` gives Kafka's ids of the topics that keep the state, by name, and
    ``held`` how many keys the history topics restore: without these nobody would notice that one of them was
    deleted.
    """

    topic_id: str
    position: int
    watermark: int | None = None
    counts: Counts = msgspec.field(default_factory=Counts)
    commits: int = 0
    partitions: int | None = None
    stores: dict[str, str] = {}
    held: int | None = None
    version: int = 1


def check_marker(
    marker: Marker | None,
    *,
    job: str,
    partition: int,
    topic_id: str,
    start: int,
    end: int,
    partitions: int,
    has_worked: bool,
    stores: Mapping[str, str] | None = None,
) -> int:
    """The offset to read next, where the marker fits the input log ``start`` <= offset < ``end``.

    ``has_worked`` says that the job has left state or outputs in this partition. ``stores`` gives the ids
    that the topics of the state have now.

    Raises:
        RefusedToOpen: the topic or one of the state was recreated or has another number of partitions, the
            log lost what the marker has not absorbed or ends before it, state exists without a marker, or a
            newer version wrote it.
    """
    where = f"partition {partition} of job {job}"
    reset = f"stop the workers and run `loopin state rebuild {job}`"
    if marker is None:
        if has_worked:
            raise RefusedToOpen(
                "marker_missing",
                f"There is work of {where}, but no marker, so its state was lost: {reset}.",
            )
        return start
    if marker.version > STATE_VERSION:
        raise RefusedToOpen(
            "state_version",
            f"The state of {where} was written by a newer version of this program: run that version, or "
            f"{reset}.",
        )
    if marker.partitions not in (None, partitions):
        raise RefusedToOpen(
            "partitions_changed",
            f"The input topic of {where} had {marker.partitions} partitions and has {partitions}, so users "
            f"are in other ones now: {reset}.",
        )
    if marker.topic_id != topic_id:
        raise RefusedToOpen(
            "topic_recreated",
            f"The input topic of {where} was deleted and created again: {reset}.",
        )
    for name, kept_id in marker.stores.items():
        if (stores or {}).get(name, kept_id) != kept_id:
            raise RefusedToOpen(
                "state_recreated",
                f"The topic {name}, which keeps state of {where}, was deleted and created again: {reset}.",
            )
    if marker.position > end:
        raise RefusedToOpen(
            "marker_beyond_log",
            f"The marker of {where} ({marker.position}) lies beyond its input log ({end}): the broker lost "
            f"records; {reset}.",
        )
    if marker.position < start:
        raise RefusedToOpen(
            "log_starts_after_marker",
            f"The input log of {where} starts at {start}, after its marker ({marker.position}): records were "
            f"removed before they were read; {reset}.",
        )
    return marker.position


def _sum(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return {name: left.get(name, 0) + right.get(name, 0) for name in {**left, **right}}
