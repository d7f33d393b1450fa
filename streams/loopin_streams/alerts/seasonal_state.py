"""What is kept of one series between two periods: plain numbers, for a state topic."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from loopin_schemas import window

VERSION: Final = 1
"""Of the state's layout and meaning."""

Kind = Literal["count", "value"]
"""``count``: counts and sums, never negative, of which twice the users make twice. ``value``: all others."""


class SeasonalState(msgspec.Struct, array_like=True, gc=False):
    """All that a model keeps of one series, below 8 KB as JSON; y is what the model makes of a value."""

    version: int
    grain: window.Grain
    kind: Kind
    zone: str
    last: int | None = None
    """Start of the latest period that was learned, epoch ms."""
    begun: int = 0
    """Start of the first period of the warm-up, epoch ms."""
    early: list[float | None] = []
    """The warm-up's y, one an hour (or day); empty once it is over."""
    minutes: list[float] = []
    """The y of the hour that the warm-up is in, where periods are minutes."""
    level: float = 0.0
    slots: list[float] = []
    """By slot of the week; empty during the warm-up."""
    variances: list[float] = []
    """By hour of day."""
    learned: int = 0
    """Periods since the warm-up."""
    run: list[tuple[int, float]] = []
    """Slot and y of the periods since the first of a run of outliers."""
    side: int = 0
    """1 where the run is above, -1 where it is below what was expected."""
    outliers: int = 0
    calm: int = 0
    odd: dict[int, float] = {}
    """By slot that was out of the ordinary when it last came: its y."""

    @property
    def model(self) -> tuple[int, window.Grain, Kind, str]:
        """What must be the same for the numbers to mean the same."""
        return self.version, self.grain, self.kind, self.zone


def short(y: float) -> float:
    """Six significant digits, which keep the state small."""
    return float(f"{y:.6g}")
