"""``$lib`` and ``$lib_version``: which client an event comes from, as PostHog's SDKs say it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

NAME: Final = "loopin-python"


def _version() -> str:
    try:
        return version("loopin-analytics")
    except PackageNotFoundError:  # a copy of the source, which nobody installed
        return "unknown"


VERSION: Final = _version()

LIBRARY: Final[Mapping[str, str]] = {"$lib": NAME, "$lib_version": VERSION}

_MEMBERS: Final = f'"$lib":"{NAME}","$lib_version":"{VERSION}"}}'.encode()
_ALONE: Final = b"{" + _MEMBERS
_LAST: Final = b"," + _MEMBERS


def says_library(properties: Mapping[str, Any] | None) -> bool:
    """Whether the caller says itself what the event comes from."""
    return properties is not None and ("$lib" in properties or "$lib_version" in properties)


def signed(encoded: bytes, properties: Mapping[str, Any] | None) -> bytes:
    """Encoded properties with both; what the caller says of them stays. Put into the text, which is quick."""
    if says_library(properties):
        return encoded
    return _ALONE if encoded == b"{}" else encoded[:-1] + _LAST
