"""A stored run over planted users."""

from __future__ import annotations

from datetime import datetime

from loopin_sinks.personas.run import Run, personas_of
from loopin_sinks.personas.stored import keep
from loopin_sinks.store import Store
from tests.sinks.personas.planted import planted


async def store_personas(store: Store, at: datetime, project: str = "shop", each: int = 20) -> Run:
    """So many users of each planted kind, as a run at this time found them."""
    run = personas_of(planted(each)[0])
    assert run is not None
    await keep(store, project, run, {}, at)
    return run
