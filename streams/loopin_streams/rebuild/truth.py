"""What the store knows of the events, as a rebuild asks for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from loopin_schemas.event import EnrichedEvent
from loopin_schemas.profile import Profile
from loopin_schemas.window import Grain


@dataclass(slots=True)
class StoredEvent:
    """An event with its user's key and its properties; who counts it gives it its user's ``profile``."""

    key: bytes
    enriched: EnrichedEvent
    properties: dict[str, Any]
    profile: Profile = field(init=False, repr=False, compare=False)


class Place(NamedTuple):
    """A stored event's offset in its raw partition, its uuid, and its append time (epoch ms)."""

    offset: int
    uuid: str
    received_at: int


class Span(NamedTuple):
    """A range of append times (epoch ms, ``start`` <= time < ``end``), and how many events it holds."""

    start: int
    end: int
    events: int


class Extent(NamedTuple):
    """Event time of the oldest of some events (epoch ms), and how many there are."""

    oldest: int
    events: int


class Share(NamedTuple):
    """The users of one partition: those whose key Kafka's partitioner puts there, of ``partitions``."""

    partition: int
    partitions: int


WindowId = tuple[str, Grain, int]
"""A project's window, by its start in epoch ms."""


class Truth(Protocol):
    """The stored events. All of them are final while no worker runs and the sink has caught up.

    Raw partitions are named as the events do (``_raw_partition``), users by :class:`Share`.
    """

    async def extents(self) -> dict[str, Extent]:
        """What there is of each project."""
        ...

    async def newest(self) -> dict[int, int]:
        """The greatest min(event time, append time) of each raw partition, epoch ms."""
        ...

    async def passed(self, partition: int) -> int:
        """How many events came from a raw partition."""
        ...

    async def latest(self, partition: int) -> Place | None:
        """The event of a raw partition that was appended last."""
        ...

    async def before(self, partition: int, offset: int, *, since: int = 0) -> Place | None:
        """The event with the greatest offset below ``offset``, of those appended at ``since`` or later."""
        ...

    async def spans(self, share: Share) -> list[Span]:
        """Ranges of append times that together hold all events of these users, oldest first."""
        ...

    def events(self, share: Share, span: Span) -> AsyncGenerator[list[StoredEvent], None]:
        """The events of these users in the order of their arrival, in blocks."""
        ...

    def identities(self, share: Share, *, since: int) -> AsyncGenerator[list[tuple[int, str, str]], None]:
        """Append time, project and uuid of the events appended at ``since`` or later, oldest first."""
        ...

    async def received(self, share: Share, *, start: int, end: int) -> Mapping[tuple[str, int], int]:
        """How many events were appended from ``start`` to before ``end``, by project and minute (since 1970).

        By raw partition, modulo the number of partitions there are now.
        """
        ...

    async def windows_of(self, *, start: int, end: int) -> set[WindowId]:
        """The windows of the events that were appended from ``start`` to before ``end``."""
        ...

    async def settled(self, *, since: int) -> set[WindowId]:
        """Stored windows whose numbers the stream's next ones may not replace, or not wholly.

        Only those that begin at ``since`` (epoch ms) or later.
        """
        ...

    def identified(self) -> AsyncIterator[tuple[str, str]]:
        """Project and distinct_id of those that an ``$identify`` was about."""
        ...

    async def ask_for_repairs(self, windows: Iterable[WindowId]) -> None:
        """Have these windows recomputed from the events, once no stream will change them any more."""
        ...
