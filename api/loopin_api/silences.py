"""Silences: for how long which alerts are not to be delivered."""

from __future__ import annotations

from typing import Final, Literal

from msgspec.structs import replace

from loopin_api.config_items import ConfigItems
from loopin_api.errors import ApiError
from loopin_producers.uuid7 import uuid7
from loopin_schemas.alert_rule import Silence
from loopin_streams.kafka.config_state import Item

MAX_SILENCES: Final = 200
"""Most silences of a project, those that are over included."""

SilenceState = Literal["scheduled", "active", "expired"]


class Silences:
    """Finds and changes the silences of projects."""

    def __init__(self, items: ConfigItems) -> None:
        self._items = items

    def all(self, project: str) -> list[Item[Silence]]:
        """A project's silences, those that begin last first."""
        found = [item for item in self._items.of(Silence).values() if item.body.project == project]
        return sorted(found, key=lambda item: (-item.body.starts_at, item.id))

    def find(self, project: str, name: str) -> Item[Silence]:
        """The silence of this name, see ``name_of``.

        Raises:
            ApiError: 404, there is none.
        """
        found = next((item for item in self.all(project) if name_of(item) == name), None)
        if found is None:
            raise ApiError(
                404, "UNKNOWN_SILENCE", "There is no such silence; GET /api/analytics/silences lists them."
            )
        return found

    async def add(self, silence: Silence, by: str) -> Item[Silence]:
        """Keep a silence.

        Raises:
            ApiError: 409, there are too many; 503, the broker does not answer.
        """
        if len(self.all(silence.project)) >= MAX_SILENCES:
            reason = f"A project may have {MAX_SILENCES} silences; delete those that are over."
            raise ApiError(409, "TOO_MANY_SILENCES", reason)
        return await self._items.put(f"{silence.project}/{uuid7()}", silence, replaces=None, by=by)

    async def end(self, project: str, name: str, now_ms: int, by: str) -> Item[Silence]:
        """End a silence that is active; remove one that has not begun or is over. What it is then, or was.

        Raises:
            ApiError: 404, there is none; 409, it has been changed meanwhile; 503, the broker does not answer.
        """
        item = self.find(project, name)
        if state_of(item.body, now_ms) == "active" and item.body.starts_at < now_ms:
            ended = replace(item.body, ends_at=now_ms)
            return await self._items.put(item.id, ended, replaces=item.version, by=by)
        await self._items.remove(item)
        return item


def name_of(item: Item[Silence]) -> str:
    """A silence's id within its project."""
    return item.id.removeprefix(f"{item.body.project}/")


def state_of(silence: Silence, now_ms: int) -> SilenceState:
    """Whether it holds at a moment (epoch ms), will do so, or has done so."""
    if now_ms < silence.starts_at:
        return "scheduled"
    return "active" if now_ms < silence.ends_at else "expired"
