"""An event as a client claims it to be, and the way to take what can be taken of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from loopin_producers.uuid7 import uuid7
from loopin_schemas import Event, InvalidEvent
from loopin_schemas.timestamps import parse_timestamp
from loopin_schemas.validation import check_uuid

_IDENTITIES: Final = uuid.UUID("6f3c1c1e-7f0b-5d6a-9b0e-0d6f2f6b7a10")
"""Namespace of the uuids made from ids that are none; it must never change."""

ANONYMOUS: Final = ("$is_identified", False)
"""The property of an event of somebody who never said who it is, by PostHog's convention; the stream leaves
such events out where the settings say so."""

OTHER_PROJECT: Final = "other_project"


class Note(NamedTuple):
    """Something that is not as it should be, but costs no event."""

    code: str
    reason: str


@dataclass(slots=True)
class Claim:
    """An event that may be published if it breaks no rule, and what was put right about it."""

    event: Event
    notes: list[Note] = field(default_factory=list)


def identity(project: str, given: str | None, notes: list[Note]) -> str:
    """The uuid of an event whose client calls it ``given``: that, or else one that is always the same for it.

    An id that is no UUID gets one derived from it, so that the event counts once however often it is sent.
    """
    if given is None or not given:
        return str(uuid7())
    try:
        check_uuid(given)
    except InvalidEvent as error:
        notes.append(Note(error.code, f"The id {given[:40]!r} is no UUID; one was derived from it."))
        return derived(project, given)
    return given.lower()


def derived(project: str, name: str) -> str:
    """The uuid (version 5) of a name within a project."""
    return str(uuid.uuid5(_IDENTITIES, f"{project}:{name}"))


def usable_time(value: str | int | float | None, name: str, notes: list[Note]) -> int | None:
    """Epoch milliseconds, or None with a note where it is no time: better an event without than none."""
    if value is None:
        return None
    try:
        return parse_timestamp(value, name)
    except InvalidEvent as error:
        notes.append(Note(error.code, f"{error.reason[:-1]}; the time of arrival was taken."))
        return None
