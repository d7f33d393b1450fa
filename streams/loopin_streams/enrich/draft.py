"""An event on its way through the pipeline, and what a step may say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from loopin_schemas.event import EnrichedEvent, Event
from loopin_schemas.profile import Profile
from loopin_streams.anomalies.detector import Detector
from loopin_streams.enrich.costs import StepCosts
from loopin_streams.enrich.geo import Geo
from loopin_streams.enrich.ip_address import Privacy
from loopin_streams.enrich.seen import Seen
from loopin_streams.kafka.batch import Record
from loopin_streams.learning.answers import Answers
from loopin_streams.learning.foresight import Foresight
from loopin_streams.projects.project import Projects
from loopin_streams.state.profiles import Profiles
from loopin_streams.state.sessions import TIMEOUT_MS
from loopin_streams.windows.open_windows import OpenWindows
from loopin_text.pii import Scrubber


class Drop(NamedTuple):
    """Leave the event out; counted by reason."""

    reason: str


class Dlq(NamedTuple):
    """Send the record to ``events.dlq``: a stable reason, the field's path, one sentence."""

    reason: str
    field: str | None
    message: str


Outcome = Drop | Dlq | None
"""A step's result; None is ok."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The input partition that a batch came from."""

    topic: str
    topic_id: str
    partition: int


class Draft:
    """One record as it is worked on; steps fill it in from top to bottom. ``received_at`` is its append time.

    ``changed`` says that ``properties`` are not those of ``enriched`` any more, which encode sees to.
    ``event`` and ``uuid`` come from decode, ``properties`` from validate, ``enriched`` from clock_skew,
    ``key`` from partition (and, of a misplaced record, ``moved_to`` and ``body``), ``uuid_hash`` from
    duplicate, ``profile`` from session, ``body`` from encode; times are epoch ms.
    """

    __slots__ = (
        *("body", "changed", "enriched", "event", "key", "moved_to", "outcome", "profile"),
        *("properties", "received_at", "record", "step", "uuid", "uuid_hash"),
    )

    def __init__(self, record: Record) -> None:
        self.record = record
        self.received_at = record.timestamp
        self.event: Event
        self.properties: dict[str, Any]
        self.uuid: str
        self.key: bytes
        self.moved_to: int
        self.uuid_hash: int
        self.enriched: EnrichedEvent
        self.profile: Profile
        self.body: bytes
        self.changed = False
        self.outcome: Drop | Dlq | None = None
        self.step = ""

    def add(self, properties: Mapping[str, Any]) -> None:
        """Add properties; what the client gave stays as it is."""
        own = self.properties
        for name, value in properties.items():
            if name not in own:
                own[name] = value
                self.changed = True

    def replace(self, properties: dict[str, Any]) -> None:
        """Give it other properties."""
        self.properties = properties
        self.changed = True


@dataclass(frozen=True, slots=True)
class Context:
    """What steps may know besides the draft: where it came from, the settings, and the partition's state.

    ``partitions`` is how many ``events.raw`` has, ``projects`` knows their currencies and their
    own people, ``geo`` where addresses are, ``ip`` is what becomes of them, ``sampling_rate`` the share of
    users that counts (0-1), ``costs`` what the steps have cost so far, ``foresight`` what is predicted of
    users, ``detector`` what is odd about them.
    """

    origin: Origin
    text_properties: tuple[str, ...]
    sentiment: bool
    seen: Seen
    profiles: Profiles
    windows: OpenWindows
    partitions: int
    projects: Projects
    scrubber: Scrubber = field(default_factory=Scrubber)
    geo: Geo | None = None
    ip: Privacy = "drop"
    session_timeout_ms: int = TIMEOUT_MS
    track_anonymous_users: bool = True
    sampling_rate: float = 1.0
    costs: StepCosts = field(default_factory=StepCosts)
    foresight: Foresight = field(default_factory=lambda: Foresight(Answers()))
    detector: Detector = field(default_factory=lambda: Detector(Answers()))
