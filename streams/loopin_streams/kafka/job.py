"""What a stateful job supplies to the exactly-once runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.marker import Counts

Message = tuple[bytes | None, bytes]
"""Key and value of one outgoing record."""


@dataclass(slots=True)
class Output:
    """All that one batch gives rise to: records by topic name (without prefix), and the counts."""

    messages: dict[str, list[Message]] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)

    def add(self, topic: str, key: bytes | None, value: bytes) -> None:
        """Append one record for ``topic``, in the batch's own partition."""
        self.messages.setdefault(topic, []).append((key, value))


class Absorber(Protocol):
    """A job's state for one input partition."""

    def absorb(self, records: Sequence[Record]) -> Output:
        """Advance the state by ``records``; must not raise for bad input, nor do I/O.

        Runs in a thread, one batch of the partition at a time.
        """
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

    def open(self, partition: int, topic_id: str, history: Mapping[str, Sequence[Record]]) -> Absorber:
        """The partition's state, rebuilt from the committed records of the ``history`` topics."""
        ...
