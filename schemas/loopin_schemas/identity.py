"""Which distinct_ids are one person: what asks for it, and what was decided."""

from __future__ import annotations

from typing import Final, Literal
from uuid import UUID, uuid5

import msgspec

PERSONS_NAMESPACE = UUID("5b1f2d8e-3a0c-5e7b-9c54-7d1f4a6e0b92")
"""Namespace of the persons' uuids (version 5, RFC 9562)."""

LinkKind = Literal["identify", "alias", "merge", "unmerge"]
"""``identify`` comes of ``$identify``, ``alias`` of ``$create_alias``, ``merge`` of ``$merge_dangerously``,
``unmerge`` of ``loopin persons unmerge``."""

LINKING: Final[dict[str, tuple[LinkKind, str]]] = {
    "$identify": ("identify", "$anon_distinct_id"),
    "$create_alias": ("alias", "alias"),
    "$merge_dangerously": ("merge", "alias"),
}
"""Events that say who is one person: the kind of request, and the property that names the other id."""

Outcome = Literal["merged", "refused", "unmerged"]

Refusal = Literal["already_identified", "other_id_invalid", "too_many_ids", "no_such_merge"]


class LinkRequest(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One record on ``identity.links``: make ``other`` and ``distinct_id`` one person, or take that back.

    ``id`` is that of the merge it may become. Without ``other`` an ``identify`` says only that
    ``distinct_id`` is a user's; of other kinds ``problem`` says then what was wrong with it. An ``unmerge``
    names the ``merge_id`` to take back, and by ``distinct_id`` the person. ``timestamp`` is event time (epoch
    ms); ``_raw_partition`` and ``_raw_offset`` are the place of the event, which an ``unmerge`` lacks.
    """

    id: str
    project: str
    kind: LinkKind
    distinct_id: str
    other: str | None = None
    problem: str | None = None
    merge_id: str | None = None
    event_uuid: str | None = None
    timestamp: int
    raw_partition: int | None = msgspec.field(default=None, name="_raw_partition")
    raw_offset: int | None = msgspec.field(default=None, name="_raw_offset")
    version: int = 1


class Link(msgspec.Struct, array_like=True, gc=False):
    """A merge that holds a person together: ``other`` was joined to ``into``, both places in its ids."""

    id: str
    into: int
    other: int


class Person(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One person on ``persons``, under the key ``project:distinct_id`` of the id that the person is named by.

    ``distinct_ids`` are all of the person's, the naming one first; ``identified`` are the places in it of
    those that were the distinct_id of an ``$identify``; ``links`` joined them, in order. A distinct_id that
    no record names is a person by itself. ``revision`` (about epoch ms) grows with every change.
    ``link_offset`` is that of the request on ``identity.links`` that changed the person last.
    """

    distinct_ids: list[str]
    identified: list[int] = []
    links: list[Link] = []
    revision: int = 0
    link_offset: int = 0
    version: int = 1


class PersonMerge(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One record on ``person.merges``, the journal: what became of a request, or of an earlier merge.

    A later record of the same ``project`` and ``id`` replaces an earlier one: ``unmerged`` that of the merge
    which was taken back. A refusal that repeats has the same id each time. ``person`` is the distinct_id that
    names the person of ``moved``, the ids that changed their person, from ``revision`` on; ``kept`` are the
    other ids of the person that they joined or left. ``event_at`` is event time, ``decided_at`` the broker's
    time of the request (both epoch ms).
    """

    id: str
    project: str
    kind: LinkKind
    outcome: Outcome
    reason: Refusal | None = None
    distinct_id: str
    other: str
    person: str
    moved: list[str] = []
    kept: list[str] = []
    event_uuid: str | None = None
    event_at: int
    decided_at: int
    revision: int
    link_offset: int
    version: int = 1


def person_id(project: str, distinct_id: str) -> str:
    """The uuid of the person that is named by a distinct_id: the same wherever it is computed."""
    return str(uuid5(PERSONS_NAMESPACE, f"{project}:{distinct_id}"))
