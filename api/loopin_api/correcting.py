"""How a row is put right over HTTP: the bodies of PUT and PATCH, and what becomes of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from math import isclose
from typing import Any, ClassVar, Final, Self
from uuid import UUID

import msgspec
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from loopin_api.auth import Caller
from loopin_api.corrections import Author
from loopin_api.envelope import Detail, Moment
from loopin_api.errors import ApiError, invalid
from loopin_api.ids import MAX_NUMBER
from loopin_api.queries.recorded import Record, Records
from loopin_api.services import Services
from loopin_api.time_filters import TimeFilters
from loopin_schemas import InvalidEvent
from loopin_schemas.corrections import Correction, Resource
from loopin_schemas.validation import check_encoded_properties
from loopin_sinks.metric_values.scope import from_epoch_ms
from loopin_streams.projects.project import zone_name

_TOLERANCE: Final = 1e-12
"""How far a number that is computed twice may differ, relative to it: sums are added up in any order."""

NOTE: Final = "Why, for whoever reads the row's corrections later."


def without_nul(value: Any) -> Any:
    """The value, unless it is a text with a NUL character, which events may not hold either."""
    if isinstance(value, str) and "\0" in value:
        raise PydanticCustomError("null_byte", "It holds a NUL character; remove it")
    return value


class CorrectionRequest(BaseModel):
    """Fields to put right; those only read may be sent as they are, so a row can be sent back whole."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    READ_ONLY: ClassVar[frozenset[str]] = frozenset(
        {"id", "corrected_fields", "corrected_at", "corrected_by"}
    )

    NO_VALUES: ClassVar[frozenset[str]] = frozenset({"note"})

    GREATEST: ClassVar[float] = MAX_NUMBER
    """Greatest number that a value may be; beyond it not every JSON reader holds whole numbers."""

    note: str = Field("", max_length=500, description=NOTE)

    @field_validator("*")
    @classmethod
    def _can_be_kept(cls, value: Any) -> Any:
        if isinstance(value, int | float) and value > cls.GREATEST:
            raise PydanticCustomError("too_great", f"Give a number of at most {MAX_NUMBER}")
        if isinstance(value, dict):
            try:
                check_encoded_properties(msgspec.json.encode(value))
            except InvalidEvent as error:
                raise PydanticCustomError(error.code, "{reason}", {"reason": error.reason[:-1]}) from None
        return without_nul(value)

    _read_only: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _without_read_only(cls, body: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(body, Mapping):
            return handler(body)
        found = handler({name: value for name, value in body.items() if name not in cls.READ_ONLY})
        found._read_only = {name: value for name, value in body.items() if name in cls.READ_ONLY}
        return found

    def check_fixed(self, row: BaseModel, fixed: Collection[str]) -> None:
        """422 where a field that the row has once and for all is to have another value."""
        kept = row.model_dump(mode="json", include=set(fixed))
        changed = [
            name for name, value in self._read_only.items() if name in kept and not same(value, kept[name])
        ]
        if changed:
            reason = "It cannot be changed: send it as it is, or leave it out."
            raise invalid([Detail(field=name, reason=reason) for name in changed])

    def values(self) -> dict[str, Any]:
        """What was said, by field."""
        return self.model_dump(mode="json", include=self.model_fields_set - self.NO_VALUES)


class DayRequest(CorrectionRequest):
    """A row of a day that somebody creates, or puts right; ``id`` names it."""

    NO_VALUES: ClassVar[frozenset[str]] = CorrectionRequest.NO_VALUES | {"date"}

    date: str = Field(max_length=40, description="The day, YYYY-MM-DD.")

    @property
    def id(self) -> str:
        """The row's id."""
        return self.date


class CorrectedRow(BaseModel):
    """What a row says of its corrections."""

    corrected_fields: list[str] = Field(description="Fields whose values override those that are computed.")
    corrected_at: Moment | None = Field(
        description="When the row was last put right, ISO 8601 in UTC; null for never."
    )
    corrected_by: str | None = Field(description="Who did it; null likewise.")
    note: str = Field(description="What they said of it.")


def correction_fields(known: Correction | None) -> dict[str, Any]:
    """The fields of ``CorrectedRow``."""
    if known is None:
        return {"corrected_fields": [], "corrected_at": None, "corrected_by": None, "note": ""}
    return {
        "corrected_fields": sorted(known.values),
        "corrected_at": from_epoch_ms(known.at),
        "corrected_by": known.by,
        "note": known.note,
    }


@dataclass(frozen=True, slots=True)
class Corrector:
    """Changes rows of a resource for a caller; each method raises ApiError: 409, 503."""

    use: Services
    caller: Caller
    resource: Resource

    def known(self, row: str) -> Correction | None:
        """What overrides the row now."""
        item = self.use.corrections.of(self.caller.project, self.resource).get(row)
        return None if item is None else item.body

    def values(self, row: str) -> dict[str, Any]:
        """The values that override the row's now, by field."""
        known = self.known(row)
        return {} if known is None else dict(known.values)

    async def save(
        self, row: str, values: Mapping[str, Any], note: str, *, created: bool = False
    ) -> Correction | None:
        """Let these override the row's values, in place of all that did; without any or a note none."""
        known = self.known(row)
        created = created or (known is not None and known.created)
        if not values and not note and not created:
            author = self._author(note)
            await self.use.corrections.take_back(self.caller.project, self.resource, row, author)
            return None
        return await self._correct(row, values, note, created=created)

    def check_new(self, row: str) -> None:
        """409 where values of the row are kept already, so that a POST replaces none."""
        known = self.known(row)
        if known is not None and not known.deleted:
            raise ApiError(
                409, "ALREADY_CORRECTED", "This row has been put right already; change it with PATCH or PUT."
            )

    async def delete(self, row: str) -> None:
        """Let the row be gone, whatever is computed or recorded."""
        await self._correct(row, {}, "", deleted=True)

    def _author(self, note: str) -> Author:
        return Author(self.caller.author, self.use.clock(), note)

    async def _correct(self, row: str, values: Mapping[str, Any], note: str, **how: bool) -> Correction:
        author, project = self._author(note), self.caller.project
        kept = self.use.intake.protect(self.resource, values)
        return await self.use.corrections.correct(project, self.resource, row, kept, author, **how)


def stands(known: Correction | None, computed: bool) -> bool:
    """Whether a row is there: computed or recorded, or created, and not deleted."""
    if known is None:
        return computed
    return not known.deleted and (known.created or computed)


def day_of(text: str) -> date | None:
    """The day that a row's id names, YYYY-MM-DD, of the years that the store knows; None for none."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if str(day) == text and 1970 < day.year < 2200 else None


def own_zone(times: TimeFilters) -> TimeFilters:
    """The same time filters, for rows that are days of one zone.

    Raises:
        ApiError: 422, another zone is asked for.
    """
    if times.zone != times.own:
        own = zone_name(times.own)
        reason = f"Rows are days of {own}, the project's time zone; leave tz out."
        raise invalid([Detail(field="tz", reason=reason)])
    return times


def unknown_row(what: str) -> ApiError:
    """404 for a row that is not there, or not any more."""
    return ApiError(404, "UNKNOWN_ROW", f"There is no {what} of this id; the list shows what there is.")


async def recorded_row(records: Records, id: str) -> Record | None:
    """The row of this id, which is a uuid; None where there is none, or it was deleted. Raises StoreError."""
    try:
        return await records.one(str(UUID(id)))
    except ValueError:
        return None


def same(said: Any, answered: Any) -> bool:
    """Whether a client says what it was answered: ids are text or numbers, times may be written otherwise."""
    if str(said) == str(answered):
        return True
    try:
        return datetime.fromisoformat(said) == datetime.fromisoformat(answered)
    except (TypeError, ValueError):
        return False


def unlike(recorded: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What need be kept of values: those that a row has not by itself."""
    return {name: value for name, value in values.items() if value != recorded[name]}


def unlike_computed(row: BaseModel, values: Mapping[str, Any]) -> dict[str, Any]:
    """The same where the row is computed anew each time; ``row`` is it as nobody has put it right."""
    computed = row.model_dump(mode="json")
    return {
        name: value for name, value in unlike(computed, values).items() if not _near(value, computed[name])
    }


def _near(value: Any, computed: Any) -> bool:
    return (
        isinstance(value, int | float)
        and isinstance(computed, float)
        and isclose(value, computed, rel_tol=_TOLERANCE)
    )
