"""What leaves this process of an event's properties: no private text, and nothing that is to be scrubbed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopin_api.settings import ApiSettings
from loopin_schemas.private_events import private_event
from loopin_text.pii import Scrubber
from loopin_text.private import without_private_text


class Privacy:
    """Protects the properties of events on their way to the broker."""

    def __init__(self, settings: ApiSettings) -> None:
        self._scrubber = Scrubber(frozenset(settings.scrub), frozenset(settings.scrub_except))
        self._score = settings.ai_enabled

    def __call__(self, event: str, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        """The properties of an event, the very same mapping where nothing in it is to be protected."""
        known = private_event(event, properties)
        if known is not None:
            properties = without_private_text(
                properties, known.private, wordless=known.wordless, score=self._score
            )
        return self._scrubber.properties(properties)
