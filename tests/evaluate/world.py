"""One simulated world, lived through once for all parts that are judged in it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from loopin_producers.simulator.days import lines
from loopin_producers.simulator.parameters import DAY_MS
from loopin_producers.simulator.scribe import read_line
from loopin_producers.simulator.time_queue import TimeQueue
from loopin_producers.simulator.world import World, make_world
from tests.evaluate.part import Judge, Truth
from tests.producers.simulator.worlds import Notes, parameters


def live_through(users: int, days: int, seed: int, judges: Sequence[Judge]) -> Truth:
    """Show every event to each of the judges, in order of time; what was true, for them to be judged by."""
    of, queue, notes = parameters(users=users, days=days, seed=seed), TimeQueue(), Notes()
    end_ms = of.start_ms + days * DAY_MS
    decode = msgspec.json.Decoder().decode
    try:
        world = make_world(of, queue.push)
        for line in lines(world, queue, notes, end_ms):
            written = read_line(line)
            if written.truth:
                notes.mood(written.truth)
            event = decode(written.body)
            for judge in judges:
                judge.see(event)
    finally:
        queue.close()
    return Truth(
        start_ms=of.start_ms,
        end_ms=end_ms,
        users={user["user"]: user for user in notes.streams["users"]},
        events={event["event_id"]: event for event in notes.streams["events"]},
        moods=notes.moods,
        anomalies=tuple(notes.planted),
        travel=tuple(notes.streams["travel"]),
        away=lambda user, at: _away(world, user, at),
    )


def _away(world: World, user: str, at: int) -> bool:
    index = user.removeprefix("user-")
    day = (at - world.parameters.start_ms) // DAY_MS
    return index.isdecimal() and world.life.away(world.population.user(int(index)), day)
