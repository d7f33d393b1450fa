"""One user's events through the rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from loopin_schemas.anomaly import Anomaly
from loopin_schemas.event import EnrichedEvent
from loopin_schemas.model import SessionModel
from loopin_schemas.profile import Profile
from loopin_streams.anomalies.detector import Detector
from loopin_streams.learning.answers import Answers
from loopin_streams.state.profile_updates import new_profile

T = 1_780_000_020_000
"""A full minute, epoch ms."""

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
KEY = b"demo:asha"


class Happened(NamedTuple):
    """An event ``after`` ms of ``T``, by a clock that is so many ms ``ahead``."""

    after: int
    name: str = "$pageview"
    properties: dict[str, Any] = {}
    ahead: int = 0


class Known(Answers):
    """Answers that know a model of sessions, or none."""

    def __init__(self, model: SessionModel | None = None) -> None:
        super().__init__()
        self.model = model

    def sessions(self, project: str) -> SessionModel | None:
        return self.model


class Follower:
    """A detector with one user."""

    def __init__(
        self, detector: Detector | None = None, key: bytes = KEY, profile: Profile | None = None
    ) -> None:
        self.detector = detector or Detector(Known())
        self.profile = profile or new_profile(T)
        self.key = key
        self.offset = 0

    def see(self, events: Iterable[Happened]) -> list[Anomaly]:
        """What is raised of them; all are told at once."""
        begun = len(self.detector.found)
        for event in events:
            at = T + event.after
            enriched = EnrichedEvent(
                uuid="",
                project="demo",
                event=event.name,
                distinct_id="asha",
                timestamp=at + event.ahead,
                received_at=at,
                raw_partition=3,
                raw_offset=self.offset,
            )
            self.offset += 1
            self.detector.follow(self.key, self.profile, enriched, event.properties)
        self.detector.settle()
        return self.detector.found[begun:]


def at_place(latitude: Any, longitude: Any, off: Any = 20, **more: Any) -> dict[str, Any]:
    """Properties of an event that is located."""
    return {
        "$geoip_latitude": latitude,
        "$geoip_longitude": longitude,
        "$geoip_accuracy_radius": off,
        **more,
    }


def on_device(number: int, **more: Any) -> dict[str, Any]:
    """Properties of an event of one of many devices."""
    return {"$os": "Android", "$browser": "Chrome", "$device_type": f"kind {number}", **more}
