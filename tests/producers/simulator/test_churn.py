"""The bars of docs/simulator.md: what hindsight reaches on the churners, and what recency does."""

from __future__ import annotations

import pytest
from threadpoolctl import threadpool_limits

from loopin_producers.simulator import days
from loopin_producers.simulator.days import lines, organisers, users
from loopin_producers.simulator.parameters import DAY_MS
from loopin_producers.simulator.scribe import read_line
from loopin_producers.simulator.time_queue import TimeQueue
from loopin_producers.simulator.world import make_world
from tests.uncounted import uncounted

from .hindsight import CUTOFF_DAY, histories, judge
from .worlds import Notes, parameters


@pytest.mark.scenario
def test_churners_can_be_told_with_hindsight_and_not_by_recency_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Visitors, bots and machines are no users, and nobody depends on them.
    monkeypatch.setattr(days, "SOURCES", (users, organisers))
    world, queue, notes = parameters(users=3_500, days=120, seed=1), TimeQueue(), Notes()
    with uncounted():
        made = lines(make_world(world, queue.push), queue, notes, world.start_ms + CUTOFF_DAY * DAY_MS)
        known = histories((read_line(line).body for line in made), world.start_ms)
    with threadpool_limits(1), uncounted():
        bars = judge(known, notes.streams["users"], world.start_ms)
    assert bars.churners >= 100
    assert 0.86 <= bars.model <= 0.92, bars
    assert 0.55 <= bars.recency <= 0.75, bars
