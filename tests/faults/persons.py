"""Who must be one person, by a plain reading of the raw log, and of the order that ``identity.links`` gives.

Requests of different partitions may come in any order there. What must become of them in that order is
decided here once more, with nothing shared with the code that is judged.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.faults.identities import NO_ID
from tests.faults.oracle import Good, Place

ASKING = {
    "$identify": ("identify", "$anon_distinct_id"),
    "$create_alias": ("alias", "alias"),
    "$merge_dangerously": ("merge", "alias"),
}
"""By event, the kind of request and the property with the other id."""

MAX_IDS = 500

User = tuple[str, str]
"""A project, and a distinct_id there; of a person, the one that names it."""


class Asked(NamedTuple):
    """What an event asks for; ``other`` is None where it names no id, ``wrong`` where it should have."""

    project: str
    kind: str
    distinct_id: str
    other: str | None
    wrong: bool = False


class Link(NamedTuple):
    """A record of ``identity.links``; ``place`` is that of its event."""

    offset: int
    place: Place
    asked: Asked


class Told(NamedTuple):
    """What the journal says of a request; ``person`` names whose its distinct_id is from then on."""

    project: str
    kind: str
    outcome: str
    reason: str
    distinct_id: str
    other: str
    person: str


class Merge(NamedTuple):
    """An entry of the journal; ``moved`` have changed their person, ``kept`` were that person's before."""

    told: Told
    moved: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()


class Member(NamedTuple):
    """The ids of a person, and which of them are known to be a user's."""

    ids: frozenset[str]
    identified: frozenset[str]


@dataclass
class Persons:
    """Persons, as topics and store have them.

    Args:
        requests: how often each place asks for what on ``identity.links``.
        disordered: requests that stand before an earlier one of their raw partition.
        decisions: for the offset of each request, what ``person.merges`` says of it.
        members: the persons on ``persons``.
        names: for each id that has changed its person, who that is.
        merges: the stored journal, of equal refusals one.
        events: how many events each person has by ids that changed their person.
        properties: of each person, JSON by name.
    """

    requests: dict[tuple[Place, Asked], int] = field(default_factory=dict)
    disordered: int = 0
    decisions: dict[int, tuple[Merge, ...]] = field(default_factory=dict)
    members: dict[User, Member] = field(default_factory=dict)
    names: dict[User, str] = field(default_factory=dict)
    merges: dict[Merge, int] = field(default_factory=dict)
    events: dict[User, int] = field(default_factory=dict)
    properties: dict[User, dict[str, str]] = field(default_factory=dict)


def expected_persons(good: Sequence[Good], links: Sequence[Link]) -> Persons:
    """What the events, and the log of their requests in its order, must lead to."""
    groups = _Groups()
    decisions = {link.offset: merge for link in links if (merge := groups.decide(link.asked))}
    refused = {merge for merge in decisions.values() if merge.told.outcome == "refused"}
    merged = [merge for merge in decisions.values() if merge.told.outcome == "merged"]
    moved = {(merge.told.project, each) for merge in merged for each in merge.moved}
    names = {user: groups.name(user) for user in moved}
    users = [(event.row.project, event.row.distinct_id) for event in good]
    return Persons(
        requests={(event.place, wanted): 1 for event in good if (wanted := asked(event))},
        decisions={offset: (merge,) for offset, merge in decisions.items()},
        members=groups.members(),
        names=names,
        merges=dict(Counter([*merged, *refused])),
        events=dict(Counter((user[0], names[user]) for user in users if user in names)),
        properties=_properties(good, names),
    )


def asked(event: Good) -> Asked | None:
    """What an event asks for, if it does."""
    if event.row.event not in ASKING:
        return None
    kind, name = ASKING[event.row.event]
    given = event.properties.get(name)
    other = given if isinstance(given, str) and given != NO_ID else None
    wrong = other is None and not (kind == "identify" and given is None)
    return Asked(event.row.project, kind, event.row.distinct_id, other, wrong)


def disordered(links: Iterable[Link]) -> int:
    """How many requests stand before an earlier one of their raw partition."""
    last: dict[int, int] = {}
    found = 0
    for link in links:
        partition, offset = link.place
        found += offset < last.get(partition, -1)
        last[partition] = offset
    return found


def user_of(key: str) -> User:
    """Whom a record's key names."""
    project, _, distinct_id = key.partition(":")
    return project, distinct_id


def place_of(row: Mapping[str, Any]) -> Place:
    """Where on ``events.raw`` what is read came from."""
    return row["_raw_partition"], row["_raw_offset"]


class _Groups:
    """Sets of ids, each with the id that names it."""

    def __init__(self) -> None:
        self._names: dict[User, str] = {}
        self._identified: set[User] = set()

    def name(self, user: User) -> str:
        return self._names.get(user, user[1])

    def members(self) -> dict[User, Member]:
        """All persons but those of one id that nobody identified."""
        users = self._names.keys() | self._identified
        known = {(user[0], self.name(user)) for user in users}
        return {person: self._member(person) for person in known}

    def decide(self, asked: Asked) -> Merge | None:
        """Join, or not; what the journal says, None where it says nothing."""
        project, kind, distinct_id, other, wrong = asked
        if kind == "identify":
            self._identified.add((project, distinct_id))
        into = project, self.name((project, distinct_id))
        if wrong or other is None:
            return self._refused(asked, into, "other_id_invalid") if wrong else None
        gone = project, self.name((project, other))
        if gone == into:
            return None
        kept, joins = self._member(into), self._member(gone)
        if joins.identified and kind != "merge":
            return self._refused(asked, into, "already_identified")
        if len(kept.ids) + len(joins.ids) > MAX_IDS:
            return self._refused(asked, into, "too_many_ids")
        self._identified.add((project, distinct_id))
        for each in (*kept.ids, *joins.ids):
            self._names[project, each] = into[1]
        told = Told(project, kind, "merged", "", distinct_id, other, into[1])
        return Merge(told, joins.ids, kept.ids)

    def _refused(self, asked: Asked, into: User, reason: str) -> Merge:
        project, kind, distinct_id, other, _ = asked
        return Merge(Told(project, kind, "refused", reason, distinct_id, other or "", into[1]))

    def _member(self, person: User) -> Member:
        project, name = person
        ids = {each for (of, each), named in self._names.items() if (of, named) == person} | {name}
        return Member(frozenset(ids), frozenset(each for each in ids if (project, each) in self._identified))


class _Write(NamedTuple):
    """One property that an event sets: ``$set``, ``$set_once`` or ``$unset``; sorts by event time."""

    time_ms: int
    offset: int
    distinct_id: str
    way: str
    value: str


def _properties(good: Iterable[Good], names: Mapping[User, str]) -> dict[User, dict[str, str]]:
    writes: dict[tuple[User, str], list[_Write]] = {}
    for event in good:
        user = event.row.project, event.row.distinct_id
        person = user[0], names.get(user, user[1])
        for name, way, value in _written(event.properties):
            write = _Write(event.row.timestamp_ms, event.place[1], user[1], way, value)
            writes.setdefault((person, name), []).append(write)
    out: dict[User, dict[str, str]] = {}
    for (person, name), found in writes.items():
        in_the_end = _in_the_end(found)
        if in_the_end is not None:
            out.setdefault(person, {})[name] = in_the_end
    return out


def _written(properties: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, way and JSON of what is set; what is set and unset at once is unset."""
    unset = properties.get("$unset", [])
    for name in unset:
        yield name, "$unset", ""
    for name, value in properties.get("$set", {}).items():
        if name not in unset:
            yield name, "$set", json.dumps(value)
    for name, value in properties.get("$set_once", {}).items():
        yield name, "$set_once", json.dumps(value)


def _in_the_end(writes: list[_Write]) -> str | None:
    """The last that was set; else, unless it was unset afterwards, what was set once first."""
    once = min((write for write in writes if write.way == "$set_once"), default=None)
    last = max((write for write in writes if write.way != "$set_once"), default=None)
    if last is not None and last.way == "$set":
        return last.value
    if once is None or (last is not None and once[:2] <= last[:2]):
        return None
    return once.value
