"""How many people use the product, whether they come back, and how well they are known."""

from __future__ import annotations

from typing import Final

from loopin_schemas.metrics.definition import (
    ACTIVE,
    Count,
    HighScores,
    Lapsed,
    LatestMean,
    MonthGrowth,
    Quotient,
    Retention,
    Stickiness,
    TrailingUsers,
    Users,
    UsersSoFar,
    events,
)
from loopin_schemas.metrics.metric import DAYS, Metric

_OWNER: Final = "growth"
_CATEGORY: Final = "users"


def _retention(name: str, definition: Retention, description: str) -> Metric:
    return Metric(
        name=name,
        kind="kpi",
        category="retention",
        unit="ratio",
        description=description,
        definition=definition,
        grains=DAYS,
        owner=_OWNER,
    )


def _exactly(days: int) -> Metric:
    return _retention(
        f"retention_d{days}",
        Retention(days),
        f"Of the users first active on a day, those active exactly {days} day{'s' * (days > 1)} later.",
    )


def _trailing(name: str, days: int, of: str) -> Metric:
    return Metric(
        name=name,
        kind="kpi",
        category=_CATEGORY,
        unit="users",
        description=f"Distinct users active in {of}.",
        definition=TrailingUsers(days),
        grains=DAYS,
        owner=_OWNER,
    )


USERS: tuple[Metric, ...] = (
    _trailing("dau", 1, "the period's last day"),
    _trailing("wau", 7, "the 7 days that end with the period's last day"),
    _trailing("mau", 30, "the 30 days that end with the period's last day"),
    Metric(
        name="stickiness",
        kind="kpi",
        category=_CATEGORY,
        unit="ratio",
        description="Mean daily users of the trailing 30 days / users of those 30 days: how often they come.",
        definition=Stickiness(),
        grains=DAYS,
        owner=_OWNER,
    ),
    Metric(
        name="total_users",
        kind="kpi",
        category=_CATEGORY,
        unit="users",
        description="Users ever active by the end of the period.",
        definition=UsersSoFar(ACTIVE),
        owner=_OWNER,
    ),
    Metric(
        name="new_registrations",
        kind="kpi",
        category=_CATEGORY,
        unit="users",
        description="Sign-ups in the period.",
        definition=Count(events("user_signed_up")),
        owner=_OWNER,
    ),
    *(_exactly(days) for days in (1, 7, 30, 90)),
    _retention(
        "retention_7d_rolling",
        Retention(7, rolling=True),
        "Of the users first active on a day, those active on any of the 7 days after it.",
    ),
    Metric(
        name="churn_rate",
        kind="kri",
        category="churn",
        unit="ratio",
        better="lower",
        description="Of the users active 31 to 60 days ago, those not active since.",
        definition=Lapsed(ACTIVE, before=60),
        grains=DAYS,
        owner=_OWNER,
        warning=0.30,
        critical=0.50,
    ),
    Metric(
        name="high_churn_share",
        kind="kri",
        category="churn",
        unit="ratio",
        better="lower",
        description="Of the users with a churn score, those above 0.7.",
        definition=HighScores("churn", above=0.7),
        dimensions=(),
        grains=DAYS,
        owner=_OWNER,
        warning=0.20,
        critical=0.35,
    ),
    Metric(
        name="mau_growth",
        kind="kr",
        category="growth",
        unit="ratio",
        description="Users active this month so far against the same days of the month before.",
        definition=MonthGrowth(Users(ACTIVE)),
        grains=DAYS,
        owner=_OWNER,
        target=0.05,
    ),
    Metric(
        name="user_verification_rate",
        kind="kr",
        category="quality",
        unit="ratio",
        description="Of all users, those verified.",
        definition=Quotient(UsersSoFar(events("user_verified")), UsersSoFar(ACTIVE)),
        grains=DAYS,
        owner=_OWNER,
        target=0.80,
    ),
    Metric(
        name="profile_completion_rate",
        kind="kr",
        category="quality",
        unit="ratio",
        description="Mean of how complete profiles are, over the users who have told.",
        definition=LatestMean(events("profile_updated"), "completion", least=0, most=1),
        grains=DAYS,
        owner=_OWNER,
        target=0.90,
    ),
)
