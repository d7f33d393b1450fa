"""What leaves this process of an event's properties: nothing that is to be scrubbed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopin_api.settings import ApiSettings
from loopin_text.pii import Scrubber


class Privacy:
    """Protects the properties of events on their way to the broker."""

    def __init__(self, settings: ApiSettings) -> None:
        self._scrubber = Scrubber(frozenset(settings.scrub), frozenset(settings.scrub_except))

    def __call__(self, event: str, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        """The properties of an event, the very same mapping where nothing in it is to be protected."""
        return self._scrubber.properties(properties)
