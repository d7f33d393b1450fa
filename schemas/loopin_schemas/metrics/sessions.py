"""How people move through pages, and how long they stay."""

from __future__ import annotations

from typing import Final

from loopin_schemas.metrics.definition import (
    ACTIVE,
    Count,
    Quotient,
    SessionLength,
    Sessions,
    UniquePageViews,
    Users,
    events,
)
from loopin_schemas.metrics.metric import Metric

_OWNER: Final = "product"
_CATEGORY: Final = "sessions"

SESSIONS: tuple[Metric, ...] = (
    Metric(
        name="sessions",
        kind="kpi",
        category=_CATEGORY,
        unit="sessions",
        description="Sessions begun in the period.",
        definition=Sessions(),
        owner=_OWNER,
    ),
    Metric(
        name="sessions_per_user",
        kind="kpi",
        category=_CATEGORY,
        unit="sessions",
        description="Sessions begun / active users: how often a user came.",
        definition=Quotient(Sessions(), Users(ACTIVE)),
        owner=_OWNER,
    ),
    Metric(
        name="avg_session_length",
        kind="kpi",
        category=_CATEGORY,
        unit="minutes",
        description="Mean time from a session's first event to its last.",
        definition=SessionLength(),
        owner=_OWNER,
    ),
    Metric(
        name="page_views",
        kind="kpi",
        category="pages",
        unit="views",
        description="Pages viewed.",
        definition=Count(events("$pageview")),
        owner=_OWNER,
    ),
    Metric(
        name="unique_page_views",
        kind="kpi",
        category="pages",
        unit="views",
        description="Pages viewed, each once a session.",
        definition=UniquePageViews(),
        owner=_OWNER,
    ),
    Metric(
        name="bounce_rate",
        kind="kpi",
        category="pages",
        unit="ratio",
        better="lower",
        description="Sessions with one page view and no other interaction, of the sessions with a page view.",
        definition=Quotient(Sessions("bounced"), Sessions("viewed")),
        owner=_OWNER,
    ),
)
