"""Properties without the client's address."""

from __future__ import annotations

from typing import Any, Final

from loopin_streams.enrich.ip_address import ADDRESSES, NAMES, Privacy, ip_of, truncated

_PERSONS: Final = ("$set", "$set_once")
_OF_PERSONS: Final = frozenset((*NAMES, "$initial_ip"))

WITH_ADDRESS: Final = frozenset((*NAMES, *_PERSONS))
"""Properties that may hold an address."""


def without_ip(properties: dict[str, Any], privacy: Privacy) -> dict[str, Any]:
    """The properties with the address dropped or truncated, in what is set of the person, too.

    There every value that is the event's own address counts, whatever its name. The very same object where
    nothing changed.
    """
    if privacy == "keep" or properties.keys().isdisjoint(WITH_ADDRESS):
        return properties
    own = ip_of(properties)
    kept = _without(properties, ADDRESSES, own, privacy)
    for name in _PERSONS:
        person = kept.get(name)
        if isinstance(person, dict):
            of_person = _without(person, _OF_PERSONS, own, privacy)
            if of_person is not person:
                kept = kept | {name: of_person}
    return kept


def _without(of: dict[str, Any], names: frozenset[str], own: str | None, privacy: Privacy) -> dict[str, Any]:
    ips = [name for name, value in of.items() if name in names or (own is not None and value == own)]
    if not ips:
        return of
    kept = {name: value for name, value in of.items() if name not in ips}
    if privacy == "truncate":
        for name in ips:
            short = truncated(of[name]) if isinstance(of[name], str) else None
            if short is not None:
                kept[name] = short
    return kept
