"""Says which environment variable is set wrong, and how."""

from __future__ import annotations

import os
import re

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

from loopin_deploy.errors import DeployError
from loopin_deploy.settings_docs import SECTIONS, names_of


def setting_fault(error: ValidationError | SettingsError) -> DeployError:
    """``setting_invalid``: the first variable at fault, by the name under which it is set."""
    if isinstance(error, SettingsError):
        # Raised for JSON that does not parse; the field's name stands in its text only.
        found = re.search(r'field "(\w+)"', str(error))
        name = _variable(found[1], None) if found else "the settings"
        return DeployError("setting_invalid", name, f"Set {name} right: give JSON, as docs/settings.md says.")
    fault = error.errors(include_url=False, include_input=False)[0]
    field, *inside = (str(part) for part in fault["loc"])
    name = _variable(field, error.title)
    words = fault["msg"].removeprefix("Value error, ").rstrip(".")
    at = f"{'.'.join(inside)}: " if inside else ""
    return DeployError("setting_invalid", name, f"Set {name} right: {at}{words[:1].lower()}{words[1:]}.")


def check_settings() -> None:
    """Read every role's settings, so that a wrong one is told before anything starts.

    Raises:
        ValidationError: a value that its setting refuses.
        SettingsError: a value that is no JSON where it has to be.
    """
    for section in SECTIONS:
        section.settings()


def _variable(field: str, title: str | None) -> str:
    """The variable that sets a field of the class with that title; of several names, the one in use."""
    for section in SECTIONS:
        if title in (None, section.settings.__name__) and (names := _names(section.settings, field)):
            used = {name.upper() for name in os.environ}
            return next((name for name in names if name in used), names[0])
    return f"LOOPIN_{field}".upper()


def _names(settings: type[BaseSettings], field: str) -> tuple[str, ...]:
    """The names of a field, which the error gives as its own or as the first of them."""
    if field in settings.model_fields:
        return names_of(settings, field)
    return next((names for name in settings.model_fields if field in (names := names_of(settings, name))), ())
