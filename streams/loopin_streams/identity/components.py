"""Joining two persons into one, and taking one of the joins back; values in, values out."""

from __future__ import annotations

from typing import Final

from loopin_schemas.identity import Link, Person

MAX_IDS: Final = 500
"""Most distinct_ids of a person: a record with all of them must fit into a Kafka message (1 MB), and no chain
of aliases may make each further one cost more than the one before."""


def alone(distinct_id: str) -> Person:
    """The person of an id that was never joined to another."""
    return Person(distinct_ids=[distinct_id])


def identified(person: Person, distinct_id: str) -> Person:
    """The person, with one of its ids known to be a user's."""
    place = person.distinct_ids.index(distinct_id)
    if place in person.identified:
        return person
    return Person(
        distinct_ids=person.distinct_ids,
        identified=sorted([*person.identified, place]),
        links=person.links,
        revision=person.revision,
    )


def join(into: Person, other: Person, link_id: str, distinct_id: str, other_id: str) -> Person:
    """One person of two, named as ``into`` was; ``link_id`` joined ``other_id`` to ``distinct_id``."""
    first = len(into.distinct_ids)
    link = Link(link_id, into.distinct_ids.index(distinct_id), first + other.distinct_ids.index(other_id))
    return Person(
        distinct_ids=[*into.distinct_ids, *other.distinct_ids],
        identified=[*into.identified, *(first + place for place in other.identified)],
        links=[
            *into.links,
            *(Link(known.id, first + known.into, first + known.other) for known in other.links),
            link,
        ],
    )


def split(person: Person, link_id: str) -> tuple[Person, Person]:
    """The two persons that are left without one of the links: the one that keeps its name, and the other.

    Links join persons, so they form a tree: without one of them there are two. Each is named by the id that
    would name it if the link had never been.
    """
    links = [link for link in person.links if link.id != link_id]
    names = _names(len(person.distinct_ids), links)
    [other] = {*names} - {0}
    return _part(person, links, names, 0), _part(person, links, names, other)


def _names(ids: int, links: list[Link]) -> list[int]:
    """For each id the one that names its person: of two that were joined, the one joined into keeps its."""
    names = list(range(ids))
    for link in links:
        into, gone = names[link.into], names[link.other]
        names = [into if name == gone else name for name in names]
    return names


def _part(person: Person, links: list[Link], names: list[int], name: int) -> Person:
    members = [name, *(at for at, of in enumerate(names) if of == name and at != name)]
    places = {at: place for place, at in enumerate(members)}
    return Person(
        distinct_ids=[person.distinct_ids[at] for at in members],
        identified=sorted(places[at] for at in person.identified if at in places),
        links=[Link(link.id, places[link.into], places[link.other]) for link in links if link.into in places],
    )
