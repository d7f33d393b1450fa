"""Corrections of rows, and what was decided on groups of errors: by project, as the requests ask for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from loopin_api.config_items import ConfigItems
from loopin_api.errors import ApiError
from loopin_schemas.corrections import (
    MAX_CORRECTIONS,
    MAX_GROUPS,
    Correction,
    ErrorGroup,
    Resource,
    outlived,
)
from loopin_sinks.metric_values.scope import epoch_ms
from loopin_streams.kafka.config_state import Item

B = TypeVar("B", Correction, ErrorGroup)

Days = Callable[[str], Awaitable[tuple[int, int]]]
"""Of a project, the first day whose events are all there, and today; numbers from 1970-01-01."""

_NONE: Final[Mapping[str, Any]] = {}


async def _all_days(_: str) -> tuple[int, int]:
    return 0, 0


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes something, when, and why."""

    by: str
    at: datetime
    note: str = ""


class Corrections:
    """All that were made. They are few beside the rows, so they are kept in memory."""

    def __init__(self, items: ConfigItems, days: Days = _all_days) -> None:
        """``days`` tells which of a project's days there are, when it is to be known which rows have gone."""
        self._items = items
        self._days = days
        self._indexed: tuple[int, int] | None = None
        self._rows: dict[tuple[str, Resource], dict[str, Item[Correction]]] = {}
        self._groups: dict[str, dict[str, Item[ErrorGroup]]] = {}

    def of(self, project: str, resource: Resource) -> Mapping[str, Item[Correction]]:
        """A project's corrections of a resource, by row."""
        self._index()
        return self._rows.get((project, resource), _NONE)

    def groups(self, project: str) -> Mapping[str, Item[ErrorGroup]]:
        """What was decided on a project's groups of errors, by fingerprint."""
        self._index()
        return self._groups.get(project, _NONE)

    async def correct(
        self,
        project: str,
        resource: Resource,
        row: str,
        values: Mapping[str, Any],
        author: Author,
        *,
        created: bool = False,
        deleted: bool = False,
    ) -> Correction:
        """Keep what overrides a row, in place of all that did before.

        Raises:
            ApiError: 409, the row has just been changed, or there are too many; 503, the broker is away.
            StoreError: the store did not tell which rows are past retention.
        """
        found = await self._correct(project, resource, row, values, author, created=created, deleted=deleted)
        return found.body

    async def _correct(
        self,
        project: str,
        resource: Resource,
        row: str,
        values: Mapping[str, Any],
        author: Author,
        *,
        created: bool = False,
        deleted: bool = False,
    ) -> Item[Correction]:
        body = Correction(
            project=project,
            resource=resource,
            row=row,
            at=epoch_ms(author.at),
            by=author.by,
            values=dict(values),
            created=created,
            deleted=deleted,
            note=author.note,
        )
        known = self.of(project, resource).get(row)
        if known is None and await self._is_full(project):
            raise ApiError(
                409,
                "TOO_MANY_CORRECTIONS",
                f"A project may have {MAX_CORRECTIONS} corrected rows; take one back by a PUT of nothing.",
            )
        return await self._put(body, known, author)

    async def take_back(self, project: str, resource: Resource, row: str, author: Author) -> None:
        """Let a row be what it is by itself; raises as ``correct``."""
        if row not in self.of(project, resource):
            return
        # The history has who it was from here: a removal names nobody.
        emptied = await self._correct(project, resource, row, {}, author)
        try:
            await self._items.remove(emptied)
        except ApiError as error:
            # Somebody has put the row right since: that stays.
            if error.status != 409:
                raise

    async def decide(self, project: str, fingerprint: str, resolved: bool, author: Author) -> None:
        """Resolve a group of errors, or open it again; raises as ``correct``."""
        known = self.groups(project).get(fingerprint)
        if known is None and len(self.groups(project)) >= MAX_GROUPS:
            raise ApiError(
                409, "TOO_MANY_GROUPS", f"A project may have decided on {MAX_GROUPS} groups of errors."
            )
        body = ErrorGroup(
            project=project,
            fingerprint=fingerprint,
            resolved=resolved,
            at=epoch_ms(author.at),
            by=author.by,
            note=author.note,
        )
        await self._put(body, known, author)

    async def _put(self, body: B, known: Item[B] | None, author: Author) -> Item[B]:
        replaces = None if known is None else known.version
        return await self._items.put(body.id, body, replaces=replaces, by=author.by)

    async def _is_full(self, project: str) -> bool:
        """Whether there are ``MAX_CORRECTIONS`` of rows that are there; a task removes the others in time."""
        mine = [item.body for (of, _), rows in self._rows.items() if of == project for item in rows.values()]
        if len(mine) < MAX_CORRECTIONS:
            return False
        covered, today = await self._days(project)
        return sum(not outlived(body, covered, today) for body in mine) >= MAX_CORRECTIONS

    def _index(self) -> None:
        changes = self._items.changes
        if changes == self._indexed:
            return
        rows: dict[tuple[str, Resource], dict[str, Item[Correction]]] = defaultdict(dict)
        for item in self._items.of(Correction).values():
            rows[item.body.project, item.body.resource][item.body.row] = item
        groups: dict[str, dict[str, Item[ErrorGroup]]] = defaultdict(dict)
        for group in self._items.of(ErrorGroup).values():
            groups[group.body.project][group.body.fingerprint] = group
        self._rows, self._groups, self._indexed = dict(rows), dict(groups), changes
