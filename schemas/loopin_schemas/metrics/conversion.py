"""From looking to joining to being there, and to paying."""

from __future__ import annotations

from typing import Final

from loopin_schemas.metrics.definition import ACTIVE, Followed, Quotient, Users, events
from loopin_schemas.metrics.metric import Metric

_OWNER: Final = "product"


def _step(name: str, first: str, then: str, description: str) -> Metric:
    return Metric(
        name=name,
        kind="kpi",
        category="conversion",
        unit="ratio",
        description=description,
        definition=Followed(first, then),
        owner=_OWNER,
    )


CONVERSION: tuple[Metric, ...] = (
    _step(
        "view_to_join",
        "event_viewed",
        "event_joined",
        "Of the users who viewed an event, those who joined that event within 14 days.",
    ),
    _step(
        "join_to_attend",
        "event_joined",
        "event_attended",
        "Of the users who joined an event, those who attended that event within 14 days.",
    ),
    _step(
        "view_to_attend",
        "event_viewed",
        "event_attended",
        "Of the users who viewed an event, those who attended that event within 14 days.",
    ),
    Metric(
        name="ticket_conversion",
        kind="kpi",
        category="conversion",
        unit="ratio",
        description="Of the active users, those who bought a ticket.",
        definition=Quotient(Users(events("ticket_purchased")), Users(ACTIVE)),
        owner=_OWNER,
    ),
)
