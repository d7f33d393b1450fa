"""Communities: who comes, who joins, who is there now, and who is kept out by place."""

from __future__ import annotations

from typing import Final

from loopin_schemas.metrics.definition import (
    Condition,
    Count,
    Definition,
    OnlineMembers,
    Quotient,
    events,
)
from loopin_schemas.metrics.metric import VISIT, Dimension, Metric, Unit

_OWNER: Final = "community"
_COMMUNITY: Final[tuple[Dimension, ...]] = (*VISIT, "community")
_CHECKED: Final = Count(events("geo_access_checked"))


def _metric(name: str, unit: Unit, definition: Definition, description: str) -> Metric:
    return Metric(
        name=name,
        kind="kpi",
        category="communities",
        unit=unit,
        description=description,
        definition=definition,
        dimensions=_COMMUNITY,
        owner=_OWNER,
    )


COMMUNITIES: tuple[Metric, ...] = (
    _metric("community_views", "views", Count(events("community_viewed")), "Visits of communities."),
    _metric("community_joins", "count", Count(events("community_joined")), "Users who became members."),
    _metric(
        "average_online_members",
        "users",
        OnlineMembers("mean"),
        "Mean over the period's minutes of the members active within 5 minutes.",
    ),
    _metric(
        "peak_community_activity",
        "users",
        OnlineMembers("peak"),
        "Greatest number, in any minute of the period, of members active within 5 minutes.",
    ),
    Metric(
        name="geo_blocked_share",
        kind="kri",
        category="geo",
        unit="ratio",
        better="lower",
        description="Of the attempts to enter a community restricted by place, those refused.",
        definition=Quotient(
            Count(events("geo_access_checked", where=Condition("access_result", "eq", "blocked"))), _CHECKED
        ),
        dimensions=_COMMUNITY,
        owner=_OWNER,
        warning=0.50,
        critical=0.80,
    ),
    Metric(
        name="geo_bypass_share",
        kind="kri",
        category="geo",
        unit="ratio",
        better="lower",
        description="Of the attempts to enter a community restricted by place, those that got round it.",
        definition=Quotient(
            Count(events("geo_access_checked", where=Condition("bypass", "eq", True))), _CHECKED
        ),
        dimensions=_COMMUNITY,
        owner=_OWNER,
        warning=0.02,
        critical=0.05,
        at_least=50,
    ),
)
