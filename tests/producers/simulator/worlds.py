"""Worlds as tests look at them: their events in order, and what the truth says."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from loopin_producers.simulator.anomalies import Anomaly
from loopin_producers.simulator.days import lines
from loopin_producers.simulator.parameters import DAY_MS, Parameters
from loopin_producers.simulator.scribe import read_line
from loopin_producers.simulator.time_queue import TimeQueue
from loopin_producers.simulator.truth import anomaly_truth
from loopin_producers.simulator.world import World, make_world

START = date(2026, 3, 2)
"""A Monday; clocks change in Europe and America within the weeks after it."""

Event = dict[str, Any]


@dataclass
class Notes:
    """Truth that stays in memory."""

    streams: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    moods: dict[str, dict[str, Any]] = field(default_factory=dict)
    planted: list[dict[str, Any]] = field(default_factory=list)

    def note(self, stream: str, record: dict[str, Any]) -> None:
        self.streams[stream].append(record)

    def mood(self, record: bytes) -> None:
        truth = json.loads(record)
        self.moods[truth["uuid"]] = truth

    def anomalies(self, anomalies: Iterable[Anomaly]) -> None:
        self.planted = [anomaly_truth(anomaly) for anomaly in anomalies]


@dataclass
class Made:
    """One world, lived through."""

    parameters: Parameters
    world: World
    end_ms: int
    bodies: list[bytes]
    events: list[Event]
    notes: Notes

    def named(self, *names: str) -> Iterator[Event]:
        """Its events of these names."""
        return (event for event in self.events if event["event"] in names)

    def users(self) -> dict[str, dict[str, Any]]:
        """The truth about each user."""
        return {user["user"]: user for user in self.notes.streams["users"]}


def parameters(users: int, days: int, seed: int = 1, **changes: Any) -> Parameters:
    """Of a world of the project ``demo``."""
    known: dict[str, Any] = {"project": "demo", "start": START}
    return Parameters(users=users, days=days, seed=seed, **(known | changes))


def raw_lines(of: Parameters, days: int, *, kept_lines: int = 50_000) -> list[bytes]:
    """The lines of so many days."""
    queue = TimeQueue(kept_lines)
    world = make_world(of, queue.push)
    try:
        return list(lines(world, queue, Notes(), of.start_ms + days * DAY_MS))
    finally:
        queue.close()


def live_through(of: Parameters) -> Made:
    """All of a world's days."""
    queue, notes = TimeQueue(), Notes()
    world = make_world(of, queue.push)
    end_ms = of.start_ms + of.days * DAY_MS
    bodies = []
    for line in lines(world, queue, notes, end_ms):
        written = read_line(line)
        bodies.append(written.body)
        if written.truth:
            notes.mood(written.truth)
    queue.close()
    return Made(of, world, end_ms, bodies, [json.loads(body) for body in bodies], notes)
