"""What happens to the pipeline itself."""

from __future__ import annotations

from typing import Final

from loopin_schemas.alert_rule import AlertRule, Threshold
from loopin_schemas.alert_rules.models import MODEL_HEALTH
from loopin_schemas.alert_rules.rule import BuiltIn, Case

INVALID_RATIO: Final = "invalid_ratio"
"""Share of a project's records that were refused for one reason; its count is that of the refused ones."""

STREAM_LAG: Final = "stream_lag"
"""Age of the oldest record that the enrichment has not absorbed, seconds."""

SINK_LAG: Final = "sink_lag"
"""Age of the oldest enriched event that is not stored, seconds."""

FRESHNESS: Final = "freshness"
"""Age of the oldest event received that cannot be queried yet, seconds."""

HEALTH: Final = (STREAM_LAG, SINK_LAG, FRESHNESS, *MODEL_HEALTH)
"""Numbers of the moment; they are no project's, so they are told of ``SYSTEM_PROJECT``."""

SYSTEM_PROJECT: Final = "loopin"
"""The system's own project: who watches the pipeline reads its alerts, and changes its rules there."""


def _behind(metric: str, warning: float, critical: float, description: str) -> BuiltIn:
    return BuiltIn(
        rule=AlertRule(
            project="",
            name=metric,
            metric=metric,
            condition=Threshold(warning=warning, critical=critical, hysteresis=0.5),
            for_s=60,
            quiet_s=600,
            description=description,
            labels={"owner": "operations"},
        ),
        cases=(
            Case(value=warning, says="warning"),
            Case(value=critical, says="critical"),
            Case(value=warning - 1, says=None),
        ),
    )


PIPELINE: Final[tuple[BuiltIn, ...]] = (
    BuiltIn(
        rule=AlertRule(
            project="",
            name=INVALID_RATIO,
            metric=INVALID_RATIO,
            condition=Threshold(warning=0.05, critical=0.5),
            spans=(1, 60),
            by="reason",
            at_least=20,
            description="Records are refused: `loopin dlq list` shows them, `loopin dlq replay` mends them.",
        ),
        cases=(
            Case(value=0.05, count=20, says="warning"),
            Case(value=0.5, count=20, says="critical"),
            Case(value=0.04, count=2000, says=None),
            Case(value=1.0, count=19, says=None),
        ),
    ),
    _behind(
        STREAM_LAG,
        warning=60,
        critical=300,
        description="The enrichment is behind, seconds: see `loopin status`, and add workers.",
    ),
    _behind(
        SINK_LAG,
        warning=60,
        critical=300,
        description="The store is behind, seconds: see `loopin status`, and whether ClickHouse answers.",
    ),
    _behind(
        FRESHNESS,
        warning=120,
        critical=600,
        description="Events are queryable late, seconds: see `loopin status` for who is behind.",
    ),
)
