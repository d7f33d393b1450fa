"""Whether a client's options are of the kind that they have to be, told when it is made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from loopin_producers.errors import InvalidConfiguration


def check_functions(**given: object) -> None:
    """Raises InvalidConfiguration: one that is neither None nor can be called."""
    for name, value in given.items():
        if value is not None and not callable(value):
            raise InvalidConfiguration(f"Give {name} as a function, or leave it out.")


def check_texts(**given: object) -> None:
    """Raises InvalidConfiguration: one that is neither None nor a text."""
    for name, value in given.items():
        if value is not None and not isinstance(value, str):
            raise InvalidConfiguration(f"Give {name} as a text, not as {type(value).__name__}.")


def check_mappings(**given: object) -> None:
    """Raises InvalidConfiguration: one that is neither None nor a mapping."""
    for name, value in given.items():
        if value is not None and not isinstance(value, Mapping):
            raise InvalidConfiguration(f"Give {name} as a mapping of names to values.")


def check_flags(**given: object) -> None:
    """Raises InvalidConfiguration: one that is neither None nor a bool."""
    for name, value in given.items():
        if value is not None and not isinstance(value, bool):
            raise InvalidConfiguration(f"Give {name} as True or False, not as {type(value).__name__}.")


def check_folder(name: str, value: object) -> None:
    """Raises InvalidConfiguration: neither None nor a path."""
    if value is not None and not isinstance(value, str | os.PathLike):
        raise InvalidConfiguration(f"Give {name} as the path of a folder.")


def is_number(value: Any) -> bool:
    """A number to calculate with; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_count(value: Any, least: int, most: int) -> bool:
    """A whole number within bounds, both included."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
