"""What was odd about users lately, of the table ``anomalies``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

from loopin_schemas.anomaly import Anomaly, AnomalyKind
from loopin_schemas.insight import Evidence, Insight, Priority
from loopin_sinks.anomalies.rows import anomaly_of
from loopin_sinks.insights.findings import KEPT_FOR
from loopin_sinks.insights.stored import OPEN_IDS
from loopin_sinks.metric_values.scope import Scope, from_epoch_ms
from loopin_sinks.store import Store

MOST: Final = 100
"""Most anomalies of a kind and a day that are told: no kind takes another one's room."""

PRIORITIES: Final[Mapping[AnomalyKind, Priority]] = {
    "impossible_travel": "high",
    "account_sharing": "high",
    "payment_failure_streak": "high",
    "burst": "medium",
    "odd_session": "medium",
    "sudden_inactivity": "medium",
}
"""The most urgent kinds first."""

_ACTIONS: Final[Mapping[AnomalyKind, tuple[str, ...]]] = {
    "impossible_travel": ("End the account's sessions, and ask for a new password.",),
    "account_sharing": ("Ask whose account it is, and end the sessions of the others.",),
    "payment_failure_streak": ("See whether cards are being tried out, and help a buyer who cannot pay.",),
    "burst": ("See which client it is, and limit its rate.",),
    "odd_session": ("Look at the session, and decide what it is.",),
    "sudden_inactivity": ("Write to the user before they are lost.",),
}
_TITLES: Final[Mapping[AnomalyKind, str]] = {
    "impossible_travel": "was in places too far apart",
    "account_sharing": "seems to share the account",
    "payment_failure_streak": "cannot pay",
    "burst": "did more in a minute than people do",
    "odd_session": "had an odd session",
    "sudden_inactivity": "has fallen silent",
}

_ID: Final = "concat(project, '/anomaly/', distinct_id, '/', kind, '/', toString(toUnixTimestamp64Milli(at)))"

_ODD: Final = f"""
    SELECT * FROM (
        SELECT *, {_ID} IN ({OPEN_IDS}) AS told, row_number() OVER (
            PARTITION BY kind, toDate(at, {{zone:String}}) ORDER BY told DESC, at DESC, distinct_id
        ) AS place
        FROM anomalies FINAL
        WHERE project = {{project:String}}
            AND at >= {{since:DateTime64(3, 'UTC')}} AND at < {{at:DateTime64(3, 'UTC')}}
    )
    WHERE told OR place <= {{most:UInt32}}
    ORDER BY indexOf({{kinds:Array(String)}}, kind), at DESC, distinct_id
"""


def is_of_odd_user(insight: Insight) -> bool:
    """Whether it tells of an anomaly of a user."""
    return insight.insight_type == "anomaly" and insight.target_type == "user"


async def odd_users(store: Store, scope: Scope) -> list[Insight]:
    """Those of the last days, the most urgent kinds first: all that are told already, and new ones.

    Raises:
        StoreError: the store did not answer.
    """
    bound = {
        "project": scope.project,
        "since": scope.now - KEPT_FOR,
        "at": scope.now,
        "zone": scope.zone_name,
        "most": MOST,
        "kinds": list(PRIORITIES),
    }
    return [_insight(scope, anomaly_of(row)) for row in await store.query(_ODD, bound)]


def _insight(scope: Scope, of: Anomaly) -> Insight:
    on = from_epoch_ms(of.at).astimezone(scope.zone)
    return Insight(
        id=f"{scope.project}/anomaly/{of.distinct_id}/{of.kind}/{of.at}",
        project=scope.project,
        insight_type="anomaly",
        target_type="user",
        target_id=of.distinct_id,
        title=f"{of.distinct_id} {_TITLES[of.kind]}",
        description=f"On {on:%A %-d %B at %H:%M}: {told(of)}.",
        confidence_score=round(_confidence(of), 4),
        is_actionable=True,
        suggested_actions=(
            *_ACTIONS[of.kind],
            f"See what the user did: /api/analytics/users/{quote(of.distinct_id, safe='')}.",
        ),
        priority=PRIORITIES[of.kind],
        evidence=Evidence(
            metric=of.kind,
            grain="moment",
            start=of.at,
            value=of.score,
            calculated_at=of.at,
            expected=of.threshold,
            model_version=of.detector,
            since=of.since,
        ),
        created_at=of.at,
        expires_at=of.at + int(KEPT_FOR.total_seconds() * 1000),
    )


def told(of: Anomaly) -> str:
    """What made it odd, for a person."""
    values = {feature.name: feature.value for feature in of.features}
    if (sentence := _SENTENCES.get(of.kind)) is not None:
        return sentence(values)
    return ", ".join(
        f"{feature.name} {feature.value:,.4g}"
        + ("" if feature.usual is None else f" ({feature.usual:,.4g} is usual)")
        for feature in of.features
    )


Values = Mapping[str, float]

_SENTENCES: Final[Mapping[AnomalyKind, Callable[[Values], str]]] = {
    "impossible_travel": lambda of: (
        f"{of.get('distance_km', 0):,.0f} km in {_minutes(of.get('minutes_between', 0))}, "
        f"{of.get('speed_kmh', 0):,.0f} km/h at least"
    ),
    "account_sharing": lambda of: (
        f"{of.get('returns_in_an_hour', 0):.0f} returns to a device within an hour, "
        f"of {of.get('devices', 0):.0f} devices"
    ),
    "payment_failure_streak": lambda of: (
        f"{of.get('failed_payments_in_a_row', 0):.0f} payments failed in a row"
    ),
    "burst": lambda of: (
        f"{of.get('events_in_a_minute', 0):.0f} events within a minute; "
        + _usual_minute(of.get("events_in_a_usual_minute", 0))
    ),
    "sudden_inactivity": lambda of: (
        f"away for {of.get('days_away', 0):.0f} days, after "
        f"{of.get('active_days_a_week_before', 0):.1f} active days a week"
    ),
}


def _minutes(number: float) -> str:
    return "1 minute" if round(number) == 1 else f"{number:,.0f} minutes"


def _usual_minute(events: float) -> str:
    """Of minutes in which the user does anything; 0 before one was over."""
    if events <= 0:
        return "there is no earlier minute of this user to compare it with"
    number = f"{events:.1f}".removesuffix(".0")
    return f"a usual minute of this user has {number} event{'' if number == '1' else 's'}"


def _confidence(of: Anomaly) -> float:
    """0.5 at the limit, nearer to 1 the further beyond; of silence the chance that it is none."""
    if of.kind == "sudden_inactivity":
        return 1 - of.score
    return of.score / (of.score + of.threshold) if of.score + of.threshold > 0 else 0.5
