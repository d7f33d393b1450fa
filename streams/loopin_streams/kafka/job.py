"""What a stateful job supplies to the exactly-once runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.marker import Counts, Marker

Message = tuple[bytes | None, bytes | None]
"""Key and value of one outgoing record; without a value it removes its key from a compacted topic."""


@dataclass(slots=True)
class Output:
    """All that one batch gives rise to: records by topic name (without prefix), and the counts.

    ``messages`` go to the batch's own partition number, ``routed`` to the partition named. ``watermark``
    (epoch ms) replaces the marker's, ``held`` says how many keys the state now holds that the history topics
    restore; None leaves what the marker says.
    """

    messages: dict[str, list[Message]] = field(default_factory=dict)
    routed: dict[tuple[str, int], list[Message]] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    watermark: int | None = None
    held: int | None = None

    def add(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Append one record for ``topic``, in the batch's own partition."""
        self.messages.setdefault(topic, []).append((key, value))

    def route(self, topic: str, partition: int, key: bytes | None, value: bytes) -> None:
        """Append one record for another partition of ``topic``."""
        self.routed.setdefault((topic, partition), []).append((key, value))


class Absorber(Protocol):
    """A job's state for one input partition.

    Every method runs in a thread, one at a time, and does no I/O with the broker. First come any number of
    :meth:`restore`, then one :meth:`opened`, then the others.
    """

    def restore(self, topic: str, records: Sequence[Record]) -> None:
        """Take in committed records of one of the job's ``history`` topics, oldest first.

        Raises:
            RefusedToOpen: ``state_unreadable`` or ``state_version``; what a newer record of the same key may
                have replaced is for :meth:`opened` to refuse.
        """
        ...

    def opened(self, marker: Marker, state: Mapping[bytes, bytes]) -> None:
        """Take in the state topic: the marker, and the newest value of every other key.

        Raises:
            RefusedToOpen: ``state_unreadable`` or ``state_version``.
        """
        ...

    def absorb(self, records: Sequence[Record], position: int) -> Output:
        """Advance by ``records``, all there are below ``position``; must not raise for bad input."""
        ...

    def idle(self, position: int, caught_up_ms: int | None) -> Output | None:
        """What is to be said while nothing arrives, about once a second; None if nothing.

        All input below ``position`` is absorbed. ``caught_up_ms`` is when the broker last said that this
        was all there is (epoch ms), None while more waits or nobody knows.
        """
        ...

    def close(self) -> None:
        """Let go of files and memory; the absorber is not used again."""
        ...


@runtime_checkable
class Holding(Protocol):
    """An absorber that says how much it holds."""

    def holds(self) -> Mapping[str, int]:
        """Numbers by kind; asked from the event loop at any time, also while a thread is at work."""
        ...


class Job(Protocol):
    """One stateful job: where it reads, where its marker lives, and what it restores at opening."""

    @property
    def name(self) -> str: ...
    @property
    def input(self) -> str:
        """Input topic, without prefix."""
        ...

    @property
    def state_topic(self) -> str:
        """Topic of the marker (and of the job's own state), without prefix; no other job writes it."""
        ...

    @property
    def history(self) -> tuple[str, ...]:
        """Further topics, without prefix, whose partition is read whole at opening."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """Topics, without prefix, whose records prove that the job has worked on the partition before."""
        ...

    def open(self, partition: int, topic_id: str) -> Absorber:
        """An empty state of the partition, to be restored."""
        ...
