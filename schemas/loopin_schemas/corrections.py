"""What people put right of rows that were computed or recorded, and which groups of errors they resolved."""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from loopin_schemas.timestamps import Ms
from loopin_schemas.validation import check_project

Resource = Literal["daily", "user-analytics", "metrics", "errors"]
"""Whose rows can be corrected, named as their paths are."""

MAX_CORRECTIONS: Final = 10_000
"""Most corrections of one project whose rows are there: every API keeps them in memory."""

MAX_GROUPS: Final = 10_000
"""Most groups of errors of one project whose state is kept."""

DAYS_KEPT: Final = 1095
"""How long days are kept, in days, as document 002 says of daily aggregates."""

_EPOCH: Final = date(1970, 1, 1)

_MAX_ROW: Final = 100
"""Longest name of a row that stands in its id as it is."""

_By = Annotated[str, Meta(max_length=200)]


class Correction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Values that override those of one row, by field.

    ``created`` says that the row exists by this alone, ``deleted`` that it does not exist any more, whatever
    is computed or recorded. ``at`` (epoch ms) and ``by`` say when it was last changed, and who did it.
    """

    project: str
    resource: Resource
    row: Annotated[str, Meta(min_length=1, max_length=500)]
    at: Ms
    by: _By
    values: dict[str, Any] = {}
    created: bool = False
    deleted: bool = False
    note: Annotated[str, Meta(max_length=500)] = ""

    def __post_init__(self) -> None:
        check_project(self.project)

    @property
    def id(self) -> str:
        """Under which it is kept: a row has one at most."""
        return correction_id(self.project, self.resource, self.row)


class ErrorGroup(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was decided on the errors of one fingerprint: resolved at ``at`` (epoch ms), or open again."""

    project: str
    fingerprint: Annotated[str, Meta(min_length=1, max_length=200)]
    resolved: bool
    at: Ms
    by: _By
    note: Annotated[str, Meta(max_length=500)] = ""

    def __post_init__(self) -> None:
        check_project(self.project)

    @property
    def id(self) -> str:
        """Under which it is kept."""
        return f"{self.project}/{_short(self.fingerprint)}"


def outlived(correction: Correction, covered: int, today: int) -> bool:
    """Whether retention has removed its row; days are numbers from 1970-01-01.

    Measurements and errors are events that were there when they were put right, so they are gone when the
    events of that time are, which are there from the day ``covered`` on; so is what was computed of a user's
    day. Days, and what somebody has created, are kept for ``DAYS_KEPT``.
    """
    made = day_number(correction.at)
    if correction.resource in ("metrics", "errors"):
        # By the clock of whoever reported it, it may have happened a little later.
        return made < covered - 1
    try:
        day = (date.fromisoformat(correction.row[:10]) - _EPOCH).days
    except ValueError:
        return made < covered - 1
    if correction.created or correction.resource == "daily":
        return max(day, made) < today - DAYS_KEPT
    return day < covered - 1


def day_number(at: int) -> int:
    """The day (UTC) of a time in epoch ms, from 1970-01-01."""
    return at // 86_400_000


def correction_id(project: str, resource: Resource, row: str) -> str:
    """Under which the correction of a row is kept."""
    return f"{project}/{resource}/{_short(row)}"


def _short(name: str) -> str:
    return name if len(name) <= _MAX_ROW else sha256(name.encode()).hexdigest()
