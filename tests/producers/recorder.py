"""A client that keeps what is captured instead of publishing it, after the real one's checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopin_producers import Loopin
from loopin_producers.ids import Id
from loopin_schemas import Event

NOBODY = "127.0.0.1:1"


class Recorder(Loopin):
    """``captured`` holds the arguments of each capture, ``kept`` the events that were made of them.

    ``fault`` is raised instead where it is set.
    """

    def __init__(self) -> None:
        super().__init__(NOBODY, "shop", disabled=True)
        self.captured: list[dict[str, Any]] = []
        self.kept: list[Event] = []
        self.fault: Exception | None = None
        self.disabled = False

    def capture(
        self,
        event: Any,
        distinct_id: Id | None = None,
        properties: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> str | None:
        if self.fault is not None:
            raise self.fault
        uuid = super().capture(event, distinct_id, properties, **options)
        if uuid is not None:
            self.captured.append(
                {"event": event, "distinct_id": distinct_id, "properties": dict(properties or {}), **options}
            )
        return uuid

    def _send(self, built: Event) -> str:
        self.kept.append(built)
        return str(built.uuid)

    def of(self, event: str) -> list[dict[str, Any]]:
        """The captures of one event."""
        return [one for one in self.captured if one["event"] == event]

    def only(self, event: str) -> dict[str, Any]:
        """The one capture of an event."""
        (one,) = self.of(event)
        return one
