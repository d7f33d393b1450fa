"""Generates ``docs/events.md``, the catalogue for people.

``python -m loopin_schemas.catalogue.markdown --write`` (or ``--check``), from the top of a checkout.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from loopin_schemas.catalogue import EVERY_EVENT, GROUPS, EventType, Property
from loopin_schemas.json_schema import write_or_check

FOLDER = Path("docs")

_INTRODUCTION = """\
# Events

Generated from the catalogue in `loopin_schemas.catalogue`; edit it there.

Any event name is welcome. For the names below, properties are compared with these types; a difference is
noted in the stored event's `warnings` (`amount:missing`, `rating:out_of_range`) and the event is kept.
**Bold** properties are required, because metrics need them. An `id` is text or an integer, a `time` ISO 8601
text or epoch milliseconds. Aliases are mapped on the endpoints of their vocabulary only.
"""


def page() -> str:
    """The whole page in Markdown."""
    sections = [_INTRODUCTION, _every_event()]
    sections += [_table(group.name, group.events) for group in GROUPS]
    return "\n".join(sections)


def main(argv: Sequence[str] | None = None) -> int:
    """Write or check ``docs/events.md``."""
    return write_or_check({"events.md": page()}, FOLDER, "loopin_schemas.catalogue.markdown", argv)


def _every_event() -> str:
    rows = (f"| `{one.name}` | {_type(one)} | {one.description} |" for one in EVERY_EVENT)
    return "\n".join(["## On every event", "", "| Property | Type | Meaning |", "|---|---|---|", *rows, ""])


def _table(name: str, events: Iterable[EventType]) -> str:
    title = name[0].upper() + name[1:]
    head = [f"## {title}", "", "| Event | Meaning | Properties | Aliases |", "|---|---|---|---|"]
    return "\n".join([*head, *(_row(event) for event in events), ""])


def _row(event: EventType) -> str:
    properties = ", ".join(_property(one, one.name in event.private) for one in event.properties)
    aliases = ", ".join(f"{alias.name} ({alias.vocabulary})" for alias in event.aliases)
    return f"| `{event.name}` | {event.description} | {properties} | {aliases} |"


def _property(declared: Property, private: bool) -> str:
    name = f"**`{declared.name}`**" if declared.required else f"`{declared.name}`"
    return f"{name} {_type(declared)}" + (", never stored" if private else "")


def _type(declared: Property) -> str:
    if declared.choices:
        return " or ".join(declared.choices)
    return f"{declared.type} ({declared.unit})" if declared.unit else declared.type


if __name__ == "__main__":
    sys.exit(main())
