"""Writes ``loopin_producers/events.py``: a class for each event of the catalogue.

python -m loopin_producers.event_types [--write]
"""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path
from typing import Final

from loopin_schemas.catalogue import GROUPS, EventType, Property

FILE: Final = Path(__file__).with_name("events.py")

_HEAD: Final = '''"""The catalogue's events as types, so that mypy checks their properties.

>>> from loopin_producers.events import TicketPurchased
>>> TicketPurchased(amount=25.0, currency="EUR").properties()
{'amount': 25.0, 'currency': 'EUR'}

Generated from the catalogue by ``make generated``. Properties that it does not name go into ``capture``'s.
"""

from __future__ import annotations

{imports}

from loopin_producers.typed_event import TypedEvent
'''

_IMPORTS: Final = {
    "collections.abc": ("Mapping", "Sequence"),
    "dataclasses": ("dataclass",),
    "datetime": ("datetime",),
    "typing": ("Any", "ClassVar", "Literal"),
    "uuid": ("UUID",),
}

_TYPES: Final = {
    "text": "str",
    "id": "str | int | UUID",
    "number": "float",
    "integer": "int",
    "boolean": "bool",
    "time": "datetime | str | int",
    "list": "Sequence[Any]",
    "object": "Mapping[str, Any]",
    "any": "Any",
}


def class_name(event: str) -> str:
    """``TicketPurchased`` of ``ticket_purchased``, ``Pageview`` of ``$pageview``."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", event) if part)


def field_name(name: str) -> str:
    """A property's name as a name of Python's: ``current_url`` of ``$current_url``."""
    plain = re.sub(r"[^A-Za-z0-9_]", "", name).lower()
    return f"{plain}_" if keyword.iskeyword(plain) else plain


def source() -> str:
    """The module's whole text."""
    classes = [_class(event) for group in GROUPS for event in group.events]
    names = [class_name(event.name) for group in GROUPS for event in group.events]
    exported = "\n".join(f'    "{name}",' for name in sorted(names))
    head = _HEAD.replace("{imports}", _imports("\n".join(classes)))
    return "\n\n".join([f"{head}\n__all__ = [\n{exported}\n]\n", *classes])


def _imports(body: str) -> str:
    used = {
        module: [name for name in names if re.search(rf"\b{name}\b", body)]
        for module, names in _IMPORTS.items()
    }
    return "\n".join(f"from {module} import {', '.join(names)}" for module, names in used.items() if names)


def _class(event: EventType) -> str:
    lines = [
        "@dataclass(frozen=True, slots=True, kw_only=True)",
        f"class {class_name(event.name)}(TypedEvent):",
        f'    """{event.description}."""',
        "",
        f'    event_name: ClassVar[str] = "{event.name}"',
    ]
    renamed = {field_name(p.name): p.name for p in event.properties if field_name(p.name) != p.name}
    if renamed:
        pairs = "".join(f'        "{field}": "{name}",\n' for field, name in renamed.items())
        lines.append(f"    property_names: ClassVar[dict[str, str]] = {{\n{pairs}    }}")
    for one in sorted(event.properties, key=lambda found: not found.required):
        lines += ["", *_field(one)]
    return "\n".join(lines) + "\n"


def _field(one: Property) -> list[str]:
    kind = _TYPES[one.type]
    if one.choices:
        kind = f"Literal[{', '.join(repr(choice) for choice in one.choices)}]".replace("'", '"')
    declared = f"    {field_name(one.name)}: {kind}" + ("" if one.required else " | None = None")
    unit = f" ({one.unit})" if one.unit else ""
    return [declared, f'    """{one.description}{unit}."""']


def main() -> None:
    """Write the file, or fail if it is not current."""
    if "--write" in sys.argv[1:]:
        FILE.write_text(source())
    elif FILE.read_text() != source():
        sys.exit("loopin_producers/events.py is not current: run `make generated`.")


if __name__ == "__main__":
    main()
