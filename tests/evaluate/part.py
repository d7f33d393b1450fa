"""What one part of the evaluation is, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

Event = Mapping[str, Any]
"""One event in its wire form, decoded; ``timestamp`` is epoch ms."""


class Figure(NamedTuple):
    """One number, and whether it is as it should be; ``met`` is None where nothing was asked."""

    name: str
    value: float | None
    target: str = ""
    met: bool | None = None
    note: str = ""


class Table(NamedTuple):
    """Rows under a head; all is text already."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """What one part found. ``simulated`` says that it was judged in the simulated world."""

    title: str
    simulated: bool
    intro: str
    figures: tuple[Figure, ...]
    tables: tuple[Table, ...] = field(default=())


@dataclass(frozen=True)
class Truth:
    """What is true of a world: records of docs/simulator.md, by their names."""

    start_ms: int
    end_ms: int
    users: Mapping[str, Mapping[str, Any]]
    """By distinct_id."""
    events: Mapping[str, Mapping[str, Any]]
    """Platform events by event_id."""
    moods: Mapping[str, Mapping[str, Any]]
    """Texts by the uuid of their event."""
    anomalies: tuple[Mapping[str, Any], ...]
    travel: tuple[Mapping[str, Any], ...] = ()
    """Trips of users; in the world they take no time."""
    away: Callable[[str, int], bool] = lambda user, at: False
    """Whether a user was on a holiday from the platform at epoch ms, which no record says."""


class Judge(Protocol):
    """A part that is judged in a simulated world: sees its events in order of time, then is asked once."""

    def see(self, event: Event) -> None:
        """Take an event in; its truth is not known yet."""
        ...

    def section(self, truth: Truth) -> Section:
        """What came of it."""
        ...


class Alone(Protocol):
    """A part that needs no world: it is judged on real data."""

    def section(self) -> Section:
        """What came of it."""
        ...


def missed(sections: Iterable[Section]) -> list[Figure]:
    """The figures that are not as they should be."""
    return [figure for section in sections for figure in section.figures if figure.met is False]
