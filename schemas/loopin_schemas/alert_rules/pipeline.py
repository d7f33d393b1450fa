"""What happens to the pipeline itself."""

from __future__ import annotations

from typing import Final

from loopin_schemas.alert_rule import AlertRule, Threshold
from loopin_schemas.alert_rules.rule import BuiltIn, Case

INVALID_RATIO: Final = "invalid_ratio"
"""Share of a project's records that were refused for one reason; its count is that of the refused ones."""

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
)
