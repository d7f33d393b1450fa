"""Which projects are judged: all with events of late, and the store is asked for no more than what came."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pytest

from loopin_sinks.alerts import projects
from loopin_sinks.alerts.projects import Projects
from loopin_sinks.metric_values.scope import epoch_ms
from loopin_sinks.migrate import migrate
from loopin_sinks.store import Store, StoreSettings
from tests.sinks.alerts.planted import DAY, HOUR, MINUTE, NOW, event, store_events
from tests.sinks.repair.hooked_store import HookedStore


class Asked:
    """A store that says how far back it was asked for, in ms."""

    def __init__(self, store: Store) -> None:
        self.at = NOW
        self.back: list[int] = []
        self.projects = Projects(HookedStore(store, before=self._before))

    async def _before(self, what: str, parameters: Mapping[str, object]) -> None:
        since = parameters["since"]
        assert isinstance(since, datetime)
        self.back.append(self.at - epoch_ms(since))

    async def names(self, at: int) -> list[str]:
        self.at = at
        return [*await self.projects.names(at / 1000)]


async def test_what_came_since_is_asked_for(
    embedded: Store, embedded_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(embedded, embedded_settings)
    asked = Asked(embedded)
    await store_events(embedded, [event("a", "u", NOW - 36 * DAY, "ancient")])
    await store_events(embedded, [event("a", "u", NOW - 34 * DAY, "old") for _ in range(3)])
    await store_events(embedded, [event("a", "u", NOW - MINUTE, "shop") for _ in range(2)])
    assert await asked.names(NOW) == ["old", "shop"]
    assert await asked.names(NOW + MINUTE - 1) == ["old", "shop"]
    assert asked.back == [35 * DAY]
    await store_events(embedded, [event("a", "u", NOW + MINUTE - 1, "new")])
    assert await asked.names(NOW + MINUTE) == ["old", "shop", "new"]
    assert asked.back[1:] == [HOUR + MINUTE]
    # What was stored late is found with the next look at all days, and who has gone is left out then.
    await store_events(embedded, [event("a", "u", NOW - 2 * DAY, "late")])
    assert await asked.names(NOW + 2 * MINUTE) == ["old", "shop", "new"]
    assert await asked.names(NOW + DAY + HOUR) == ["shop", "late", "new"]
    assert asked.back[-1] == 35 * DAY
    monkeypatch.setattr(projects, "MOST", 2)
    assert await asked.names(NOW + 3 * DAY) == ["shop", "late"]
