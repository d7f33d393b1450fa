"""The catalogue of metrics: what each means, how it is computed, and when it is worrying.

A new one is a file beside these, and a line in ``CATALOGUE``.
"""

from __future__ import annotations

from typing import Final

from loopin_schemas.metrics.communities import COMMUNITIES
from loopin_schemas.metrics.content import CONTENT
from loopin_schemas.metrics.conversion import CONVERSION
from loopin_schemas.metrics.metric import Dimension, Grain, Kind, Metric
from loopin_schemas.metrics.money import MONEY
from loopin_schemas.metrics.operations import OPERATIONS
from loopin_schemas.metrics.platform_events import PLATFORM_EVENTS
from loopin_schemas.metrics.sessions import SESSIONS
from loopin_schemas.metrics.users import USERS

__all__ = ["CATALOGUE", "Dimension", "Grain", "Kind", "Metric", "by_name"]

CATALOGUE: Final[tuple[Metric, ...]] = (
    *USERS,
    *SESSIONS,
    *CONVERSION,
    *MONEY,
    *PLATFORM_EVENTS,
    *CONTENT,
    *COMMUNITIES,
    *OPERATIONS,
)

_by_name: Final = {metric.name: metric for metric in CATALOGUE}


def by_name(name: str) -> Metric | None:
    """The catalogue's metric of exactly this name, or None."""
    return _by_name.get(name)
