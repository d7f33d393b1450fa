"""What is over leaves the topic ``config``, and nothing else does: on the real broker and store."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from loopin_schemas.alert_rule import Acknowledgement, Silence
from loopin_schemas.config import config_key
from loopin_sinks.alerts import tidy
from loopin_sinks.alerts.rows import ALERTS, Recorded, alerts_to_arrow
from loopin_sinks.alerts.tidy import Tidy
from loopin_streams.kafka.config_writer import config_writer
from loopin_streams.kafka.errors import ConfigBusy
from tests.sinks.alerts.planted import DAY, NOW
from tests.sinks.alerts.recorded import some_alert
from tests.sinks.alerts.watched import Installation

pytestmark = pytest.mark.usefixtures("collected")

OVER, OVER_TOO, OPEN, UNKNOWN, NEW = (f"shop:x:{name}" for name in ("over", "too", "open", "old", "new"))


def acknowledged(at: int = NOW) -> Acknowledgement:
    return Acknowledgement(project="shop", at=at, sequence=1)


SAID: dict[str, Any] = {
    OVER: acknowledged(),
    OPEN: acknowledged(NOW - 90 * DAY),
    OVER_TOO: acknowledged(),
    UNKNOWN: acknowledged(NOW - 31 * DAY),
    NEW: acknowledged(NOW - 29 * DAY),
    "s-long-over": Silence(project="shop", starts_at=0, ends_at=NOW - 31 * DAY),
    "s-over": Silence(project="shop", starts_at=0, ends_at=NOW - 29 * DAY),
    "s-holds": Silence(project="shop", starts_at=0, ends_at=NOW + DAY),
    "s-to-come": Silence(project="shop", starts_at=NOW + DAY, ends_at=NOW + 2 * DAY),
}
GONE = {OVER, OVER_TOO, UNKNOWN, "s-long-over"}


async def plant(installation: Installation) -> None:
    records = [
        Recorded(some_alert(1, id=OVER), 1),
        Recorded(some_alert(2, id=OVER, event="resolved", state="resolved", resolved_at=NOW), 2),
        Recorded(some_alert(1, id=OPEN), 3),
        Recorded(some_alert(1, id=OVER_TOO, event="resolved", state="resolved", resolved_at=NOW), 4),
    ]
    await installation.store.insert(ALERTS, alerts_to_arrow(records, NOW), token=str(uuid4()))
    writer = config_writer(installation.settings)
    for id, body in SAID.items():
        await writer.put(id, body, replaces=None, by="ira")


def kept(installation: Installation) -> set[str]:
    """The ids of what a plain client finds configured, by the newest record of each key."""
    newest = dict(installation.records("config"))
    return {json.loads(value)["id"] for value in newest.values() if value is not None}


async def test_the_watcher_removes_what_is_over(installation: Installation) -> None:
    await plant(installation)
    assert kept(installation) == SAID.keys()
    async with installation.config() as config:
        watcher = installation.watcher(config)
        installation.leads = False
        await watcher.look(asyncio.Event())
        assert kept(installation) == SAID.keys()
        installation.leads = True
        await watcher.look(asyncio.Event())
        await watcher._let_go()
        assert kept(installation) == SAID.keys() - GONE
        tombstones = {key for key, value in installation.records("config") if value is None}
        assert tombstones == {
            config_key("silence" if id.startswith("s-") else "acknowledgement", id) for id in GONE
        }
        left = len(SAID) - len(GONE)
        await installation.until(
            lambda: sum(len(config.configuration.of(kind)) for kind in (Acknowledgement, Silence)) == left,
            "known everywhere",
        )


async def test_it_is_looked_for_once_an_hour_a_few_at_a_time(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidy, "MOST", 3)
    await plant(installation)
    removed: list[str] = []

    class Writer:
        async def remove(self, kind: str, id: str, *, replaces: str) -> None:
            removed.append(id)
            if len(removed) == 5:
                raise ConfigBusy("Others keep changing it.")

    async with installation.config() as config:
        at = Tidy(installation.store, lambda: config.configuration, Writer())
        await at.look(NOW / 1000)
        assert len(removed) == 3
        # There was more; of what others keep from being changed the log tells, and an hour later it goes on.
        with capture_logs() as logs:
            await at.look(NOW / 1000)
            await at.look(NOW / 1000 + 3599)
        assert len(removed) == 5
        assert [each["event"] for each in logs] == ["config_not_tidied"]
        await at.look(NOW / 1000 + 3600)
    assert len(removed) == 8
    assert set(removed) <= GONE
