"""What is found about a project without anybody asking (document A's AIInsight)."""

from __future__ import annotations

from typing import Literal

import msgspec

InsightType = Literal[
    "metric_change",
    "target_missed",
    "forecast_off_track",
    "persona_change",
    "anomaly",
    "prediction",
    "trending",
]

TargetType = Literal["metric", "user", "content"]

Priority = Literal["low", "medium", "high", "critical"]


class Cause(msgspec.Struct, frozen=True):
    """One of the strongest reasons of a score.

    Attributes:
        feature: name of what the model reads.
        about: the same in words.
        effect: what it does to the score.
    """

    feature: str
    about: str
    effect: Literal["raises", "lowers"]


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an insight rests on; values are in the metric's unit, times epoch ms.

    Attributes:
        metric: name of the metric; or `persona_distance` from the middle of the persona, `churn_score`,
            `conversion_score`, `trending_score`, or the kind of a user's anomaly.
        grain: length of the period that the insight is about; of a user's anomaly `moment`.
        start: its start.
        value: what the metric came to in it.
        calculated_at: when that was calculated.
        expected: what is usual, or the target.
        low, high: between which values nothing would be said.
        compared: starts of the periods that tell what is usual.
        forecast_made_at: when the forecast was made that tells what was expected.
        model_version: of the models that say so.
        since: start of the first of the periods in a row that were not as expected; when an anomaly of a
            user began.
        reasons: of a score, strongest first.
    """

    metric: str
    grain: str
    start: int
    value: float
    calculated_at: int
    expected: float
    low: float | None = None
    high: float | None = None
    compared: tuple[int, ...] = ()
    forecast_made_at: int | None = None
    model_version: str | None = None
    since: int | None = None
    reasons: tuple[Cause, ...] = ()


class Insight(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. Found again, it has the same id, and the newest one counts.

    Attributes:
        id: names project, type, target and period.
        project: whose.
        insight_type: kind of finding.
        target_type: what it is about, a metric, a user or a piece of content.
        target_id: name of the metric, distinct_id of the user, `type/id` of the piece.
        title: one line for a person.
        description: what was found, with numbers.
        confidence_score: how sure the method is, 0 to 1.
        is_actionable: whether there is something to do about it.
        suggested_actions: what that is, one sentence each.
        priority: how urgent it is.
        evidence: what it rests on.
        created_at: when it was found first, epoch ms.
        expires_at: until when it is of interest, epoch ms.
    """

    id: str
    project: str
    insight_type: InsightType
    target_type: TargetType = "metric"
    target_id: str
    title: str
    description: str
    confidence_score: float
    is_actionable: bool
    suggested_actions: tuple[str, ...]
    priority: Priority
    evidence: Evidence
    created_at: int
    expires_at: int


class InsightRecord(Insight, frozen=True, kw_only=True):
    """One record on ``insights``: what is found, as it is now; of an id the newest record counts.

    ``withdrawn`` says that it was found before and no longer holds.
    """

    withdrawn: bool = False
    version: int = 1
