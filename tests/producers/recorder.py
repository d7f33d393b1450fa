"""A client that keeps what is captured instead of publishing it, after the real one's checks."""

from __future__ import annotations

from typing import Any

from loopin_producers import Loopin

NOBODY = "127.0.0.1:1"


class Recorder(Loopin):
    """Each capture is kept as a dict of its arguments; ``fault`` is raised instead where it is set."""

    def __init__(self) -> None:
        super().__init__(NOBODY, "shop", disabled=True)
        self.captured: list[dict[str, Any]] = []
        self.fault: Exception | None = None
        self.disabled = False

    def capture(  # type: ignore[override]
        self, event: str, distinct_id: str, properties: dict[str, Any] | None = None, **options: Any
    ) -> Any:
        if self.fault is not None:
            raise self.fault
        self.disabled = True
        uuid = super().capture(event, distinct_id, properties, **options)
        self.disabled = False
        self.captured.append(
            {"event": event, "distinct_id": distinct_id, "properties": dict(properties or {}), **options}
        )
        return uuid

    def of(self, event: str) -> list[dict[str, Any]]:
        """The captures of one event."""
        return [one for one in self.captured if one["event"] == event]

    def only(self, event: str) -> dict[str, Any]:
        """The one capture of an event."""
        (one,) = self.of(event)
        return one
