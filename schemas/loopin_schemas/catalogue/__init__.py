"""The catalogue of event names: what each means, which properties it has, what others call it.

Unknown events are welcome; a catalogued one has its properties checked, with warnings and never a loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopin_schemas.catalogue.account import ACCOUNT
from loopin_schemas.catalogue.communities import COMMUNITIES
from loopin_schemas.catalogue.content import CONTENT
from loopin_schemas.catalogue.event_type import Alias, EventType, Group, Property, Vocabulary
from loopin_schemas.catalogue.every_event import EVERY_EVENT
from loopin_schemas.catalogue.experiments import EXPERIMENTS
from loopin_schemas.catalogue.geo import GEO
from loopin_schemas.catalogue.payments import PAYMENTS
from loopin_schemas.catalogue.platform_events import PLATFORM_EVENTS
from loopin_schemas.catalogue.property_check import Rules, rules_of, warnings_of
from loopin_schemas.catalogue.recommendations import RECOMMENDATIONS
from loopin_schemas.catalogue.social import SOCIAL
from loopin_schemas.catalogue.system import SYSTEM
from loopin_schemas.catalogue.web import WEB

__all__ = [
    "CATALOGUE",
    "EVERY_EVENT",
    "GROUPS",
    "Alias",
    "EventType",
    "Group",
    "Property",
    "Vocabulary",
    "by_alias",
    "by_name",
    "check_properties_types",
    "translate",
]

GROUPS: tuple[Group, ...] = (
    Group("account", ACCOUNT),
    Group("platform events", PLATFORM_EVENTS),
    Group("payments", PAYMENTS),
    Group("web and app", WEB),
    Group("content", CONTENT),
    Group("social", SOCIAL),
    Group("recommendations", RECOMMENDATIONS),
    Group("communities", COMMUNITIES),
    Group("geo", GEO),
    Group("experiments", EXPERIMENTS),
    Group("system", SYSTEM),
)

CATALOGUE: tuple[EventType, ...] = tuple(event for group in GROUPS for event in group.events)

_by_name: dict[str, EventType] = {event.name: event for event in CATALOGUE}
_by_alias: dict[tuple[str, str], tuple[EventType, Alias]] = {
    (alias.vocabulary, alias.name): (event, alias) for event in CATALOGUE for alias in event.aliases
}
_rules: dict[str, Rules] = {event.name: rules_of((*EVERY_EVENT, *event.properties)) for event in CATALOGUE}


def by_name(name: str) -> EventType | None:
    """The catalogue's event of exactly this name, or None."""
    return _by_name.get(name)


def by_alias(name: str, vocabulary: Vocabulary) -> EventType | None:
    """The event that another vocabulary calls so, or None."""
    found = _by_alias.get((vocabulary, name))
    return found[0] if found else None


def translate(name: str, properties: Mapping[str, Any], vocabulary: Vocabulary) -> tuple[str, dict[str, Any]]:
    """An event's name and properties in our words.

    Names and properties that the vocabulary does not map stay as they are; a property of ours that is
    already there is not overwritten.
    """
    found = _by_alias.get((vocabulary, name))
    translated = dict(properties)
    if found is None:
        return name, translated
    event, alias = found
    for theirs, ours in alias.properties:
        if theirs in translated and ours not in translated:
            translated[ours] = translated.pop(theirs)
    return event.name, translated


def check_properties_types(event_name: str, properties: Mapping[str, Any]) -> tuple[str, ...]:
    """Where decoded properties differ from the catalogue, as ``property:fault``, missing ones first.

    The faults are ``missing`` (required, but absent or null), ``wrong_type``, ``out_of_range`` and
    ``not_a_choice``. Events that the catalogue does not know, and properties that it does not know, have
    none.
    """
    rules = _rules.get(event_name)
    return warnings_of(rules, properties) if rules else ()
