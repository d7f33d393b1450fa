"""What a client of the live feed asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_args

from loopin_api.envelope import Detail
from loopin_api.errors import invalid
from loopin_api.live.frame import KINDS, Kind
from loopin_schemas.window import Grain, MetricWindow
from loopin_streams.windows.measures import MEASURES, OWN
from loopin_streams.windows.operations import OPERATIONS, REASON

GRAINS: Final[tuple[Grain, ...]] = get_args(Grain)
METRICS: Final = (*(measure.metric for measure in MEASURES), *sorted(OWN), *sorted(OPERATIONS))
"""The metrics that have windows."""

DIMENSIONS: Final = ("event", "country", REASON)

CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "types": KINDS,
    "metrics": METRICS,
    "grain": GRAINS,
    "dimension": DIMENSIONS,
}
"""The values of each parameter, several with commas in between."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of a project's frames; the dimension ``""`` stands for the whole of a metric."""

    types: frozenset[str]
    metrics: frozenset[str]
    grains: frozenset[str]
    dimensions: frozenset[str]

    def has(self, kind: Kind) -> bool:
        """Whether it asks for any of this kind."""
        return kind in self.types

    def takes(self, window: MetricWindow) -> bool:
        """Whether it asks for this window."""
        return (
            window.grain in self.grains
            and window.dimension in self.dimensions
            and window.metric in self.metrics
        )


def wanted_of(given: Mapping[str, str | None]) -> Wanted:
    """What the parameters say; without any, all kinds, and the whole of all metrics.

    Raises:
        ApiError: 422.
    """
    chosen: dict[str, frozenset[str]] = {}
    details: list[Detail] = []
    for name, choices in CHOICES.items():
        text = given.get(name)
        values = frozenset(text.split(",")) if text else frozenset()
        if unknown := sorted(values.difference(choices)):
            reason = f"{unknown[0][:100]!r} is none; use some of {', '.join(choices)}, with commas between."
            details.append(Detail(field=name, reason=reason))
        chosen[name] = values
    if details:
        raise invalid(details)
    return Wanted(
        types=chosen["types"] or frozenset(KINDS),
        metrics=chosen["metrics"] or frozenset(METRICS),
        grains=chosen["grain"] or frozenset(GRAINS),
        dimensions=chosen["dimension"] | {""},
    )
