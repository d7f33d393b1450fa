"""Users whose score has crossed a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from loopin_schemas.insight import Cause, Evidence, Insight, Priority
from loopin_schemas.profile import HIGH_RISK
from loopin_sinks.insights.findings import KEPT_FOR
from loopin_sinks.insights.stored import open_insights, told_since, withdraw
from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.scores.read import ScoredUser, crossed, fallen
from loopin_sinks.store import Store
from loopin_streams.learning.features import CONTRASTS
from loopin_streams.learning.targets import CHURN, CONVERSION, Target

FRESH: Final = timedelta(days=2)
"""An older score waits for its user's daily turn, and is no news."""

MOST_A_DAY: Final = 50
"""Most users of a project that are told of a day and target, those first who score highest."""

MOST_FALLEN: Final = 10_000
"""Most that are withdrawn at once; the rest is the next time."""

HEURISTIC: Final = "heuristic"
"""In place of a model's version."""

HEURISTIC_CONFIDENCE: Final = 0.5
"""A rule of thumb orders users; how many of those it says 0.8 of do so, nobody has measured."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """From when on a score is told of.

    Attributes:
        target: what is predicted.
        high: a score above it is told of, once.
        low: below it that is over: the next time above ``high`` is told of again.
        title: one line, of the user's id.
        actions: what there is to do; paths take the id as it is written in them.
        priority: how urgent it is.
    """

    target: Target
    high: float
    low: float
    title: str
    actions: tuple[str, ...]
    priority: Priority

    @property
    def metric(self) -> str:
        """The name of the score in the insight's evidence."""
        return f"{self.target.name}_score"


THRESHOLDS: Final[tuple[Threshold, ...]] = (
    Threshold(
        CHURN,
        high=HIGH_RISK,
        low=0.6,
        title="{} is likely to leave",
        # Document 003, "User Retention".
        actions=(
            "Send relevant event recommendations: /api/analytics/recommendations/{}.",
            "See what they did lately, and address their complaints: /api/analytics/users/{}.",
        ),
        priority="medium",
    ),
    Threshold(
        CONVERSION,
        high=0.7,
        low=0.6,
        title="{} is likely to buy a ticket",
        # Document 003, "Revenue Growth".
        actions=("Recommend events that fit, and premium features: /api/analytics/recommendations/{}.",),
        priority="low",
    ),
)
"""Attendance is no score of a user but of a user and an event: its head count is asked for by event."""


async def predictions(store: Store, scope: Scope) -> list[Insight]:
    """What there is to say of users' scores: what was said and still holds, and what is new.

    Raises:
        StoreError: the store did not answer.
    """
    opened = await open_insights(store, scope.project, scope.now)
    return [each for of in THRESHOLDS for each in await _of(store, scope, of, opened)]


async def _of(store: Store, scope: Scope, of: Threshold, opened: Sequence[Insight]) -> list[Insight]:
    project, target, told = scope.project, of.target.name, _told(scope, of)
    over = await fallen(store, project, target, told, low=of.low, limit=MOST_FALLEN)
    await withdraw(store, over, scope.now)
    gone = {each.id for each in over}
    kept = [each for each in opened if each.id.startswith(told) and each.id not in gone]
    room = MOST_A_DAY - await told_since(store, project, told, scope.midnight(scope.day_of(scope.now)))
    if room <= 0:
        return kept
    # Each user is scored anew once a day: what is older waits for that.
    since = scope.now - FRESH
    users = await crossed(store, project, target, told, high=of.high, since=since, limit=room)
    return [*kept, *(_insight(scope, of, user) for user in users)]


def _told(scope: Scope, of: Threshold) -> str:
    return f"{scope.project}/prediction/{of.target.name}/"


def _insight(scope: Scope, of: Threshold, user: ScoredUser) -> Insight:
    on, at, id = scope.now.astimezone(scope.zone), epoch_ms(user.at), quote(user.person, safe="")
    causes = tuple(map(cause_of, user.reasons))
    by = f"by version {user.version} of the model" if user.version else "by a rule of thumb"
    return Insight(
        id=f"{_told(scope, of)}{user.person}/{on:%Y-%m-%d}",
        project=scope.project,
        insight_type="prediction",
        target_type="user",
        target_id=user.person,
        title=f"{of.title.format(user.person)} ({user.chance:.0%})",
        description=f"That {of.target.help} has a probability of {user.chance:.2f}, {by}.{_why(causes)}",
        confidence_score=user.chance if user.version else HEURISTIC_CONFIDENCE,
        is_actionable=True,
        suggested_actions=tuple(action.format(id) for action in of.actions),
        priority=of.priority,
        evidence=Evidence(
            metric=of.metric,
            grain="moment",
            start=at,
            value=user.chance,
            calculated_at=at,
            expected=of.high,
            model_version=f"{of.target.name}/{user.version}" if user.version else HEURISTIC,
            reasons=causes,
        ),
        created_at=epoch_ms(scope.now),
        expires_at=epoch_ms(scope.now + KEPT_FOR),
    )


def _why(causes: Sequence[Cause]) -> str:
    """A sentence for each way in which a score is moved."""
    found = ""
    for effect, begins in (("raises", "Raised by"), ("lowers", "Lowered by")):
        if named := [each.about for each in causes if each.effect == effect]:
            found += f" {begins}: {'; '.join(named)}."
    return found


def cause_of(number: int) -> Cause:
    """A reason by its number, as scores have it: less than 0 where it speaks against, less one."""
    contrast = CONTRASTS[number if number >= 0 else -number - 1]
    return Cause(contrast.name, contrast.about, "raises" if number >= 0 else "lowers")
