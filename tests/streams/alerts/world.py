"""Minutes of a project that pass, as the merge sees them, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from loopin_schemas.codec import encode
from loopin_schemas.config import KIND_OF, ConfigRecord, config_key
from loopin_schemas.window import Cell, Grain, Window
from loopin_streams.kafka.config_state import Configuration
from tests.streams.enrich.drafts import RawRecord
from tests.streams.merge.merging import Merge, T, partials
from tests.streams.plain_state import DAY, HOUR, MINUTE

SIZES = {"minute": MINUTE, "hour": HOUR, "day": DAY}
LATENESS = MINUTE


def configure(
    configuration: Configuration, id: str, body: msgspec.Struct | None, *, kind: str = "", by: str = "mira"
) -> None:
    """Put an item in place, or remove it."""
    offset = configuration.changes
    if body is None:
        configuration.apply(RawRecord(None, offset, key=config_key(kind, id)))
        return
    kind = KIND_OF[type(body)]
    record = ConfigRecord(kind=kind, id=id, version=f"v{offset}", by=by, body=msgspec.Raw(encode(body)))
    assert configuration.apply(RawRecord(encode(record), offset, key=config_key(kind, id))) is None


def ratio(metric: str, whole: int, part: int, *, value: str = "") -> Cell:
    """A ratio's cell: of so many, so many."""
    return Cell(metric, "country" if value else "", value, whole, part * 1_000_000)


@dataclass
class World:
    """One project; ``at`` is the present by the clock of events, epoch ms."""

    merge: Merge = field(default_factory=lambda: Merge(1))
    project: str = "shop"
    at: int = T
    told: int = 0

    @property
    def configuration(self) -> Configuration:
        return self.merge.configuration

    def happens(
        self, *cells: Cell, grain: Grain = "minute", restart: bool = False, beside: Sequence[Window] = ()
    ) -> None:
        """What the present window has come to, a moment before its end; then it is over."""
        size = SIZES[grain]
        start = self.at - self.at % size
        if restart:
            self.merge.restart()
        window = Window(project=self.project, grain=grain, start=start, cells=list(cells))
        self._say(start + size - 1000, window, *beside)
        self.passes(start + size)

    def passes(self, until: int) -> None:
        """Nothing more comes until then."""
        self._say(until)
        self.at = until

    def second(self) -> None:
        """A second by the clock of the worker."""
        self.merge.second()

    def new(self) -> list[dict[str, Any]]:
        """The records since the last time."""
        found = self.merge.alerts[self.told :]
        self.told = len(self.merge.alerts)
        return found

    def events(self) -> list[tuple[str, str]]:
        """What has happened since the last time: (event, severity)."""
        return [(alert["event"], alert["severity"]) for alert in self.new()]

    def _say(self, now: int, *windows: Window) -> None:
        self.merge.wall.now = now / 1000
        self.merge.absorb(partials(0, now - LATENESS, *windows))
