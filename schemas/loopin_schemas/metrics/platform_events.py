"""The events that hosts hold and users attend."""

from __future__ import annotations

from typing import Final

from loopin_schemas.metrics.definition import (
    Attendance,
    Condition,
    Count,
    Lapsed,
    Mean,
    MonthGrowth,
    Quotient,
    SoldOut,
    events,
)
from loopin_schemas.metrics.metric import DAYS, VISIT, Dimension, Metric

_OWNER: Final = "community"
_ONE: Final[tuple[Dimension, ...]] = (*VISIT, "event_id")
_CREATED: Final = events("event_created")
_PUBLISHED: Final = Count(events("event_published"))
_CANCELLED: Final = events("event_cancelled")
_REVIEWS: Final = events("event_reviewed", "feedback_submitted")

PLATFORM_EVENTS: tuple[Metric, ...] = (
    Metric(
        name="platform_events_created",
        kind="kpi",
        category="events",
        unit="events",
        description="Events that hosts created.",
        definition=Count(_CREATED),
        owner=_OWNER,
    ),
    Metric(
        name="event_success_rate",
        kind="kpi",
        category="events",
        unit="ratio",
        description="Of the events that took place, those that were sold out before their start.",
        definition=SoldOut(),
        dimensions=(),
        owner=_OWNER,
    ),
    Metric(
        name="attendance_rate",
        kind="kpi",
        category="events",
        unit="ratio",
        description="Of the users' joins of events that took place, those that were followed by attendance.",
        definition=Attendance(),
        dimensions=(),
        owner=_OWNER,
    ),
    Metric(
        name="satisfaction",
        kind="kpi",
        category="satisfaction",
        unit="ratio",
        description="Mean rating of reviews and feedback, where one star is 0 and five are 1.",
        definition=Mean(_REVIEWS, "rating", least=1, most=5, less=1, by=4),
        dimensions=_ONE,
        owner=_OWNER,
    ),
    Metric(
        name="review_sentiment",
        kind="kpi",
        category="satisfaction",
        unit="compound",
        description="Mean sentiment of the words in reviews and feedback.",
        definition=Mean(_REVIEWS, "sentiment"),
        dimensions=_ONE,
        owner=_OWNER,
    ),
    Metric(
        name="host_cancellation_rate",
        kind="kri",
        category="events",
        unit="ratio",
        better="lower",
        description="Events called off by their host / events published.",
        definition=Quotient(
            Count(events("event_cancelled", where=Condition("by", "eq", "host"))), _PUBLISHED
        ),
        owner=_OWNER,
        warning=0.05,
        critical=0.10,
    ),
    Metric(
        name="event_cancellation_rate",
        kind="kri",
        category="events",
        unit="ratio",
        better="lower",
        description="Events called off / events published.",
        definition=Quotient(Count(_CANCELLED), _PUBLISHED),
        owner=_OWNER,
        warning=0.08,
        critical=0.15,
    ),
    Metric(
        name="host_dropout_rate",
        kind="kri",
        category="events",
        unit="ratio",
        better="lower",
        description="Of the hosts who created an event 31 to 90 days ago, those who created none since.",
        definition=Lapsed(_CREATED, before=90, by="host_id"),
        grains=DAYS,
        owner=_OWNER,
        warning=0.40,
        critical=0.60,
    ),
    Metric(
        name="event_creation_growth",
        kind="kr",
        category="growth",
        unit="ratio",
        description="Events created this month so far against the same days of the month before.",
        definition=MonthGrowth(Count(_CREATED)),
        grains=DAYS,
        owner=_OWNER,
        target=0.10,
    ),
    Metric(
        name="event_rating",
        kind="kr",
        category="satisfaction",
        unit="stars",
        description="Mean rating of events by those who were there, 1 to 5.",
        definition=Mean(events("event_reviewed"), "rating", least=1, most=5),
        dimensions=_ONE,
        owner=_OWNER,
        target=4.5,
    ),
)
