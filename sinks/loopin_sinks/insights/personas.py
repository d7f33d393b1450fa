"""Users whose persona changed lately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from loopin_schemas.insight import Evidence, Insight
from loopin_sinks.insights.findings import KEPT_FOR
from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.personas.activity import DAYS
from loopin_sinks.personas.naming import OCCASIONAL, label
from loopin_sinks.personas.stored import Changed, changes
from loopin_sinks.store import Store

MOST_CHANGES: Final = 1_000
"""Most changes of a week that are told, those first of which there is least doubt."""

AWAY: Final = frozenset({"passive_observer", OCCASIONAL})
"""Personas of those who take part less than others: a change to one is worth a look."""

SUGGESTED: Final[Mapping[str, tuple[str, ...]]] = {
    "social_explorer": ("Recommend social events and networking opportunities.",),
    "event_regular": ("Recommend similar events, and offer loyalty rewards.",),
    "passive_observer": ("Recommend free events and such that are easy to attend.",),
    "power_user": ("Offer premium features and early access.",),
    OCCASIONAL: ("Remind them of what is new since their last visit.",),
}
"""What document 003 recommends for its personas."""


async def persona_changes(store: Store, scope: Scope, opened: Sequence[Insight] = ()) -> list[Insight]:
    """Those of the last days.

    What was told of a change (``opened``) stays as it was: each run stores anew how near a user is to their
    persona, and where they stay by habit they may be nearer to another one by then.

    Raises:
        StoreError: the store did not answer.
    """
    told = {each.id: each for each in opened}
    changed = await changes(store, scope.project, scope.now - KEPT_FOR, scope.now, MOST_CHANGES)
    found = [_insight(scope, each) for each in changed]
    return [_of_before(told.get(each.id), each) for each in found]


def _of_before(told: Insight | None, found: Insight) -> Insight:
    """What was told of the same change, else what is found: there may be two on a day."""
    return told if told is not None and told.evidence.start == found.evidence.start else found


def _insight(scope: Scope, of: Changed) -> Insight:
    now, before = label(of.persona), label(of.previous)
    on = of.since.astimezone(scope.zone)
    actions = SUGGESTED.get(of.persona, ())
    return Insight(
        id=f"{scope.project}/persona_change/{of.distinct_id}/{on:%Y-%m-%d}",
        project=scope.project,
        insight_type="persona_change",
        target_type="user",
        target_id=of.distinct_id,
        title=f"{of.distinct_id} became {now}, from {before}",
        description=f"By what they did in the {DAYS} days before {on:%A %-d %B} they are nearer to the "
        f"persona {now} (distance {of.distance:.2f}) than to any other ({of.other_distance:.2f}).",
        confidence_score=_confidence(of),
        is_actionable=bool(actions),
        suggested_actions=actions,
        priority="medium" if of.persona in AWAY else "low",
        evidence=Evidence(
            metric="persona_distance",
            grain="day",
            start=epoch_ms(of.since),
            value=of.distance,
            calculated_at=of.version,
            expected=of.other_distance,
            model_version=of.model_version,
        ),
        created_at=epoch_ms(scope.now),
        expires_at=epoch_ms(of.since + KEPT_FOR),
    )


def _confidence(of: Changed) -> float:
    """0.5 halfway between two personas, 1 in the middle of the new one."""
    both = of.distance + of.other_distance
    return round(of.other_distance / both, 4) if both else 0.5
