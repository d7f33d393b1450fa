"""A simulated world with anomalies planted in it, as records of one partition."""

from __future__ import annotations

from tests.evaluate.planted import Planter
from tests.producers.simulator.worlds import live_through, parameters
from tests.streams.one_partition import Sent, record

DAYS = 34


def planted_log() -> list[Sent]:
    """All that people do, in order; nothing of bots."""
    planter = Planter("1")
    events = live_through(parameters(users=40, days=DAYS, seed=33)).events
    people = (event for event in events if not event["distinct_id"].startswith("bot"))
    planted = (each for event in people for each in planter.through(event))
    return [record(offset, event) for offset, event in enumerate(planted)]
