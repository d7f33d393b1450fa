"""What happens to the models that learn on the stream."""

from __future__ import annotations

from typing import Final

from loopin_schemas.alert_rule import AlertRule, Threshold
from loopin_schemas.alert_rules.rule import BuiltIn, Case

MODELS_DEGRADED: Final = "models_degraded"
"""Targets of all projects whose model fell back, or whose errors rose within a week."""

MODEL_SHIFT: Final = "model_shift"
"""The greatest population stability index of the scores of the models that answer."""

MODELS_BROKEN: Final = "models_broken"
"""Records on the topic ``models`` that cannot be used."""

MODEL_HEALTH: Final = (MODELS_DEGRADED, MODEL_SHIFT, MODELS_BROKEN)

SHIFTED_FROM: Final = 0.25
"""Population stability index from which scores, or a feature, count as shifted (Siddiqi, 2006)."""


def _of_models(metric: str, warning: float, description: str, *, quiet: float) -> BuiltIn:
    return BuiltIn(
        rule=AlertRule(
            project="",
            name=metric,
            metric=metric,
            condition=Threshold(warning=warning),
            for_s=60,
            quiet_s=86_400,
            description=description,
            labels={"owner": "operations"},
        ),
        cases=(Case(value=warning, says="warning"), Case(value=quiet, says=None)),
    )


MODELS: Final[tuple[BuiltIn, ...]] = (
    _of_models(
        MODELS_DEGRADED,
        1,
        "Models that fell back to an earlier version or the heuristic, or err more than before: see "
        "`loopin models list`.",
        quiet=0,
    ),
    _of_models(
        MODEL_SHIFT,
        SHIFTED_FROM,
        "A model says other things of users than before (PSI of its scores): see `loopin models show`.",
        quiet=0.24,
    ),
    _of_models(
        MODELS_BROKEN,
        1,
        "Records of models that cannot be used; the last good ones answer: see `loopin models list`.",
        quiet=0,
    ),
)
