"""What the system has made of the requests to join persons: read from topics and store, by plain readers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tests.faults.persons import (
    Asked,
    Link,
    Member,
    Merge,
    Persons,
    Told,
    User,
    disordered,
    place_of,
    user_of,
)
from tests.faults.progress import as_object, read_topic
from tests.faults.stored import Rows
from tests.faults.system import System

NAMES_SQL = (
    "SELECT project, distinct_id, argMax(person, revision) AS person FROM person_distinct_ids "
    "GROUP BY project, distinct_id"
)
MERGES_SQL = (
    "SELECT project, kind, outcome, reason, distinct_id, other, person, moved, kept FROM person_merges "
    "ORDER BY revision DESC LIMIT 1 BY project, id"
)
PERSON_EVENTS_SQL = (
    "SELECT project, known.person AS person, count() AS events FROM events INNER JOIN ("
    "SELECT project, user, argMax(person, revision) AS person FROM person_distinct_ids GROUP BY project, user"
    ") AS known USING (project, user) GROUP BY project, person"
)
PROPERTIES_SQL = (
    "SELECT project, distinct_id, property, register, argMax(value, rank) AS newest, max(rank) AS at "
    "FROM person_properties GROUP BY project, distinct_id, property, register"
)
LARGEST = (1 << 64) - 1
"""The rank of what was set once is as much less as it came later."""


def read_links(system: System) -> list[Link]:
    """The requests to join persons, in the order in which they are decided."""
    messages: list[Any] = read_topic(system.bootstrap, system.topic("identity.links"), 1)
    return [Link(m.offset(), place_of(link := as_object(m)), _asked(link)) for m in messages]


def read_persons(system: System, rows: Rows, links: list[Link]) -> Persons:
    """What was decided, and what the store knows of persons."""
    members: dict[bytes, Any] = {m.key(): m for m in read_topic(system.bootstrap, system.topic("persons"), 1)}
    decisions: dict[int, tuple[Merge, ...]] = {}
    for entry in map(as_object, read_topic(system.bootstrap, system.topic("person.merges"), 1)):
        at = entry["link_offset"]
        decisions[at] = (*decisions.get(at, ()), _merge(entry))
    names = {(row["project"], row["distinct_id"]): row["person"] for row in rows.rows(NAMES_SQL)}
    return Persons(
        requests=Counter((link.place, link.asked) for link in links),
        disordered=disordered(links),
        decisions=decisions,
        members={user_of(key.decode()): _member(as_object(m)) for key, m in members.items() if m.value()},
        names=names,
        merges=Counter(_merge(row) for row in rows.rows(MERGES_SQL)),
        events={(row["project"], row["person"]): row["events"] for row in rows.rows(PERSON_EVENTS_SQL)},
        properties=person_properties(rows.rows(PROPERTIES_SQL), names),
    )


def person_properties(
    registers: Iterable[Mapping[str, Any]], names: Mapping[User, str]
) -> dict[User, dict[str, str]]:
    """The properties of each person, of what is kept of each distinct_id."""
    set_last: dict[tuple[User, str], tuple[int, str]] = {}
    set_once: dict[tuple[User, str], tuple[int, str]] = {}
    for row in registers:
        project, user = row["project"], row["distinct_id"]
        about = (project, names.get((project, user), user)), row["property"]
        if row["register"] == "set":
            set_last[about] = max(set_last.get(about, (-1, "")), (row["at"], row["newest"]))
        else:
            once = LARGEST - row["at"], row["newest"]
            set_once[about] = min(set_once.get(about, once), once)
    out: dict[User, dict[str, str]] = {}
    for about in set_last.keys() | set_once.keys():
        at, value = set_last.get(about, (-1, ""))
        if not value and about in set_once and set_once[about][0] > at:
            value = set_once[about][1]
        if value:
            out.setdefault(about[0], {})[about[1]] = json.dumps(json.loads(value))
    return out


def _asked(link: dict[str, Any]) -> Asked:
    wrong = link.get("problem") is not None
    return Asked(link["project"], link["kind"], link["distinct_id"], link.get("other"), wrong)


def _merge(entry: dict[str, Any]) -> Merge:
    told = Told(*(entry.get(name) or "" for name in Told._fields))
    return Merge(told, frozenset(entry.get("moved", ())), frozenset(entry.get("kept", ())))


def _member(person: dict[str, Any]) -> Member:
    ids = person["distinct_ids"]
    return Member(frozenset(ids), frozenset(ids[at] for at in person.get("identified", ())))
