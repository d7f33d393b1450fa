"""Who is one person, by the plainest computation: the links that stand, gone through from the start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Joined(NamedTuple):
    """A merge that stands."""

    id: str
    project: str
    distinct_id: str
    other: str


class Group(NamedTuple):
    """A person's name and ids."""

    name: str
    ids: frozenset[str]


@dataclass
class Plain:
    """What has been asked so far, and what became of it."""

    links: list[Joined] = field(default_factory=list)
    users: set[tuple[str, str]] = field(default_factory=set)

    def person(self, project: str, distinct_id: str) -> Group:
        groups: dict[str, Group] = {}
        for link in self.links:
            if link.project != project:
                continue
            into = groups.get(link.distinct_id, Group(link.distinct_id, frozenset({link.distinct_id})))
            other = groups.get(link.other, Group(link.other, frozenset({link.other})))
            one = Group(into.name, into.ids | other.ids)
            groups |= dict.fromkeys(one.ids, one)
        return groups.get(distinct_id, Group(distinct_id, frozenset({distinct_id})))

    def is_user(self, project: str, distinct_id: str) -> bool:
        """Whether any id of the person is identified."""
        return any((project, each) in self.users for each in self.person(project, distinct_id).ids)

    def ask(self, link: Joined, kind: str) -> str | None:
        """What becomes of a request to join; None where there is nothing to join."""
        project, distinct_id = link.project, link.distinct_id
        if kind == "identify":
            self.users.add((project, distinct_id))
        if self.person(project, distinct_id) == self.person(project, link.other):
            return None
        if kind != "merge" and self.is_user(project, link.other):
            return "already_identified"
        self.users.add((project, distinct_id))
        self.links.append(link)
        return "merged"

    def take_back(self, merge_id: str) -> str:
        """What becomes of a request to undo a merge."""
        left = [link for link in self.links if link.id != merge_id]
        if left == self.links:
            return "no_such_merge"
        self.links = left
        return "unmerged"
