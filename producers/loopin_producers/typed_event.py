"""Events of the catalogue as types: their properties are checked where they are written."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar


class TypedEvent:
    """What the classes of ``loopin_producers.events`` have in common: their fields are the properties."""

    event_name: ClassVar[str]
    property_names: ClassVar[dict[str, str]] = {}
    """Properties whose name is no name of Python's, by field."""

    def properties(self) -> dict[str, Any]:
        """The properties that were given."""
        found: dict[str, Any] = {}
        for field in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            value = getattr(self, field.name)
            if value is not None:
                found[self.property_names.get(field.name, field.name)] = value
        return found
