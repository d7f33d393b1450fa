"""What a project has of its own: its zone, its money, its people, and how long what is stored is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import asdict, replace

from loopin_api.config_items import ConfigItems
from loopin_api.envelope import Detail
from loopin_api.errors import ApiError, invalid
from loopin_schemas.config import KIND_OF
from loopin_schemas.project import MAX_FORMER, FormerDays, ProjectSettings, check_zone
from loopin_streams.kafka.config_state import Item
from loopin_streams.projects.project import DAY_MS, Project, Projects, resolved

KIND: Final = KIND_OF[ProjectSettings]

AS_SET: Final = "default"
"""The version where a project has nothing of its own."""


@dataclass(frozen=True, slots=True)
class Held:
    """What holds of a project, and the item that says what of it is its own; None for nothing."""

    known: Project
    item: Item[ProjectSettings] | None

    @property
    def version(self) -> str:
        """What to name to replace it."""
        return AS_SET if self.item is None else self.item.version

    @property
    def own(self) -> list[str]:
        """Names of what is its own."""
        told = {} if self.item is None else asdict(self.item.body)
        return [name for name, value in told.items() if value is not None and name not in _NOT_SET]


class OwnSettings:
    """Finds and changes what projects have of their own."""

    def __init__(self, items: ConfigItems, projects: Projects) -> None:
        self._items = items
        self._projects = projects

    def find(self, project: str) -> Held:
        """What holds of a project now."""
        return Held(self._projects.of(project), self._items.of(ProjectSettings).get(project))

    async def change(
        self, project: str, fields: Mapping[str, Any], seen: str | None, by: str, now_ms: int
    ) -> Held:
        """Change what is named; what is None is as the processes are set to from then on.

        ``seen`` is the version that it is to replace, None for whichever there is.

        Raises:
            ApiError: 409, it has been changed meanwhile; 422, a value cannot be; 503, the broker does not
                answer.
        """
        held = self.find(project)
        if seen is not None and seen != held.version:
            raise ApiError(
                409,
                "CHANGED_MEANWHILE",
                "It has been changed meanwhile: see how it is now, and decide again.",
            )
        before = ProjectSettings(project=project) if held.item is None else held.item.body
        _check(fields)
        body = replace(before, **fields)
        known = resolved(body, self._projects.default(project))
        if before.rates and "rates" not in fields and known.currency != held.known.currency:
            reason = f"Rates are in the project's currency: give those in {known.currency}, or {{}} for none."
            raise invalid([Detail(field="rates", reason=reason)])
        body = replace(body, former_raw=_former(held.known, known.retention.raw, now_ms))
        # Also in place of a record that cannot be read.
        replaces = self._items.configuration.version(KIND, project)
        if held.item is not None and body == ProjectSettings(project=project):
            await self._items.remove(held.item)
        elif body != before or replaces not in (None, held.version):
            await self._items.put(project, body, replaces=replaces, by=by)
        return self.find(project)


_NOT_SET: Final = ("project", "former_raw")


def _check(fields: Mapping[str, Any]) -> None:
    if (zone := fields.get("timezone")) is not None:
        try:
            check_zone(zone)
        except ValueError as error:
            text = str(error)
            reason = f"{text[0].upper()}{text[1:]}."
            raise invalid([Detail(field="timezone", reason=reason)]) from None


def _former(before: Project, raw: int, now_ms: int) -> tuple[FormerDays, ...]:
    """The shorter times for which events were kept that still tell, once they are kept ``raw`` days."""
    former = before.former_raw
    if raw > before.retention.raw:
        former = (*former, FormerDays(now_ms, before.retention.raw))
    telling = [each for each in former if max((now_ms - each.until) // DAY_MS, each.days) < raw]
    while len(telling) > MAX_FORMER:
        # Taken for one: less is believed to be there then than there is, never more.
        first, second, *others = telling
        telling = [FormerDays(second.until, min(first.days, second.days)), *others]
    return tuple(telling)
