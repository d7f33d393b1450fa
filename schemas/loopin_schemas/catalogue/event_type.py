"""What the catalogue says about an event, and about one of its properties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PropertyType = Literal["text", "id", "number", "integer", "boolean", "time", "list", "object", "any"]
"""``id`` is text or an integer, ``time`` ISO 8601 text or epoch milliseconds."""

Vocabulary = Literal["documents", "segment"]
"""Whose names an alias belongs to: the product's own tracking documents, or Segment's specifications."""


@dataclass(frozen=True, slots=True)
class Property:
    """One property of an event.

    Attributes:
        name: key in the event's ``properties``.
        type: what the value is; null counts as absent.
        description: meaning, for a person.
        unit: ``s``, ``ms``, ``money``, ``ratio`` (0-1) or a word; empty where there is none.
        required: whether the product's metrics need it.
        minimum: least value of a number, inclusive.
        maximum: greatest value of a number, inclusive.
        choices: the only texts that have a meaning; empty for any.
    """

    name: str
    type: PropertyType
    description: str
    unit: str = ""
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alias:
    """Another vocabulary's name of an event.

    ``properties`` pairs that vocabulary's property names with ours; of several for one of ours, the first
    that is present counts.
    """

    name: str
    vocabulary: Vocabulary
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class EventType:
    """One event of the catalogue.

    Attributes:
        name: exact event name.
        description: when it is sent.
        properties: its own properties, beside ``EVERY_EVENT``'s.
        aliases: its names in other vocabularies.
        revenue: sign with which the property ``amount`` counts as revenue; 0 for none.
        private: properties that may be scored but are never stored.
        wordless: whether no words at all are stored, whatever property holds them.
        acts_as: property that may name another event, whose privacy then holds for this one.
    """

    name: str
    description: str
    properties: tuple[Property, ...] = ()
    aliases: tuple[Alias, ...] = ()
    revenue: Literal[-1, 0, 1] = 0
    private: tuple[str, ...] = ()
    wordless: bool = False
    acts_as: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Events on one subject."""

    name: str
    events: tuple[EventType, ...]
