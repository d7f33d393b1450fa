"""What was found against what must be there."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from tests.faults.oracle import (
    ACTIVE_DAYS,
    Expected,
    Measures,
    Place,
    StoredEvent,
    UserProfile,
    WindowKey,
    derived_session,
)
from tests.faults.persons import Persons

SHOWN = 10
"""Differences of a kind that are written out."""

SESSION_ID = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}")
"""A UUID of version 8 that begins with epoch ms."""

K = TypeVar("K")
V = TypeVar("V")


@dataclass
class Differences:
    """How the system's numbers differ from the oracle's; ``notes`` name the first of each kind."""

    lost: int = 0
    double: int = 0
    wrong_windows: int = 0
    wrong_profiles: int = 0
    wrong_persons: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def none(self) -> bool:
        """Whether there is no difference."""
        return not (
            self.lost or self.double or self.wrong_windows or self.wrong_profiles or self.wrong_persons
        )


def compare_events(
    expected: Expected,
    stored: Iterable[tuple[Place, StoredEvent]],
    enriched: Iterable[Place],
    dead: Iterable[Place],
) -> Differences:
    """Lost: not stored as it must be. Double: stored once more than it must be.

    A stored event with a wrong field is both. Enriched events and dead letters count in the same way.
    """
    out = Differences()
    wanted = Counter(expected.events.items())
    found = Counter((place, _without_ids_if_derived(expected, place, row)) for place, row in stored)
    _count(out, "event", wanted, found)
    _count(out, "enriched event", Counter(expected.events.keys()), Counter(enriched))
    _count(out, "dead letter", Counter(expected.dead), Counter(dead))
    return out


def compare_profiles(
    expected: Mapping[tuple[str, str], UserProfile],
    found: Mapping[tuple[str, str], tuple[UserProfile, ...]],
) -> Differences:
    """Profiles that differ, lack or are too many; a user must have one in a single partition."""
    out = Differences()
    wanted = {user: (profile,) for user, profile in expected.items()}
    out.wrong_profiles = _differing(out.notes, "profile", wanted, found)
    return out


def compare_persons(expected: Persons, found: Persons) -> Differences:
    """Requests, decisions, persons and what is known of them that differ, lack or are too many."""
    out = Differences()
    out.wrong_persons = found.disordered + sum(
        (
            _differing(out.notes, "request", expected.requests, found.requests),
            _differing(out.notes, "decision", expected.decisions, found.decisions),
            _differing(out.notes, "person", expected.members, found.members),
            _differing(out.notes, "person of", expected.names, found.names),
            _differing(out.notes, "merge", expected.merges, found.merges),
            _differing(out.notes, "events of person", expected.events, found.events),
            _differing(out.notes, "properties of person", expected.properties, found.properties),
        )
    )
    if found.disordered:
        out.notes.append(f"{found.disordered} requests stand before an earlier one of their partition")
    return out


def compare_windows(
    expected: Mapping[WindowKey, Measures],
    found: Mapping[WindowKey, Measures],
    persons: Mapping[WindowKey, int] = MappingProxyType({}),
) -> Differences:
    """Windows that differ, lack or are too many, or are open though they must be closed.

    Users are counted as the window says: ``persons`` is how many it must hold where it counts persons.
    """
    out = Differences()
    wanted = {
        key: measures._replace(count=persons.get(key, measures.count), basis="persons")
        if key in found and found[key].basis == "persons"
        else measures
        for key, measures in expected.items()
    }
    # One that need not be closed yet may be: at the log's end the watermark follows the clock.
    judged = {
        key: measures if key in expected and expected[key].closed else measures._replace(closed=False)
        for key, measures in found.items()
    }
    out.wrong_windows = _differing(out.notes, "window", wanted, judged)
    return out


def all_of(*parts: Differences) -> Differences:
    """The sum of several comparisons."""
    return Differences(
        lost=sum(part.lost for part in parts),
        double=sum(part.double for part in parts),
        wrong_windows=sum(part.wrong_windows for part in parts),
        wrong_profiles=sum(part.wrong_profiles for part in parts),
        wrong_persons=sum(part.wrong_persons for part in parts),
        notes=[note for part in parts for note in part.notes],
    )


def profile_of(value: Mapping[str, Any]) -> UserProfile:
    """A profile as it is published: JSON, with the active days as bits from ``active_day`` back."""
    bits = int.from_bytes(base64.b64decode(value["active_days"]), "big")
    days = {value["active_day"] - back for back in range(bits.bit_length()) if bits >> back & 1}
    started, last, events, *_ = value["session"]
    return UserProfile(
        first_seen=value["first_seen"],
        last_seen=value["last_seen"],
        events=value["events"],
        session=(started, last, events),
        sessions=value.get("sessions", 1),
        revenue=value.get("revenue", {}),
        active_days=frozenset(day for day in days if value["active_day"] - day < ACTIVE_DAYS),
    )


def _without_ids_if_derived(expected: Expected, place: Place, row: StoredEvent) -> StoredEvent:
    """An event without ids of its own got them by rules that are judged in part.

    Not the uuid; of the session's id the time that it begins with (docs/enrichment.md), not the user's part.
    """
    wanted = expected.events.get(place)
    if wanted is None:
        return row
    if wanted.uuid is None:
        row = row._replace(uuid=None)
    begun = SESSION_ID.fullmatch(row.session_id)
    if begun is not None and wanted.session_id == derived_session(int("".join(begun.groups()), 16)):
        row = row._replace(session_id=wanted.session_id)
    return row


def _count(out: Differences, what: str, wanted: Counter[K], found: Counter[K]) -> None:
    lost, double = wanted - found, found - wanted
    out.lost += lost.total()
    out.double += double.total()
    out.notes += [f"{what} lost: {key}" for key in list(lost)[:SHOWN]]
    out.notes += [f"{what} double: {key}" for key in list(double)[:SHOWN]]


def _differing(notes: list[str], what: str, expected: Mapping[K, V], found: Mapping[K, V]) -> int:
    keys = [key for key in {**expected, **found} if expected.get(key) != found.get(key)]
    notes += [f"{what} {key}: {found.get(key)}, must be {expected.get(key)}" for key in keys[:SHOWN]]
    return len(keys)
