"""/api/analytics/metric-definitions: what metrics mean, and metrics of one's own."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from loopin_api.body import json_body
from loopin_api.envelope import Detail, Success
from loopin_api.errors import invalid
from loopin_api.openapi import COMMON, WITH_BODY, failures, request_body, success
from loopin_api.services import Reader, Use, Writer
from loopin_api.wording import of_msgspec
from loopin_schemas.metrics import Dimension, Grain, Kind, Metric
from loopin_schemas.metrics.custom import CustomMetric
from loopin_schemas.metrics.definition import event_names
from loopin_schemas.metrics.metric import Better, Unit
from loopin_schemas.names import NAME

router = APIRouter(tags=["metrics"])

ACTIVE_EVENTS: Final = "all events but those of the system group"

_AT: Final = re.compile(r" - at `\$\.?(.*)`$")


class Definition(BaseModel):
    """What a metric means."""

    name: str = Field(description="Exact name.")
    kind: Kind = Field(description="kpi, kri (risk), kr (result with a target), or custom.")
    category: str = Field(description="Subject.")
    unit: Unit = Field(
        description="Unit of its values: ratios are 0 to 1, money is in the project's currency, stars 1 to 5."
    )
    better: Better = Field(description="Which way is good.")
    description: str = Field(description="Meaning, for a person.")
    dimensions: list[Dimension] = Field(description="What it can be split and filtered by.")
    grains: list[Grain] = Field(description="Lengths of periods it is told by.")
    owner: str = Field(description="Team that answers for it.")
    target_value: float | None = Field(description="Value to reach, in the metric's unit; null for none.")
    warning_threshold: float | None = Field(
        description="Value from which on it is a warning, in the metric's unit; null for none."
    )
    critical_threshold: float | None = Field(description="The same for critical.")
    data_source: str = Field(description="Events that it is made of.")


class MetricDefinitionRequest(BaseModel):
    """A metric of one's own."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=NAME, description="Its name: lower case, digits and underscores, 64 at most.")
    description: str = Field(min_length=1, max_length=500, description="Meaning, for a person.")
    definition: dict[str, Any] = Field(
        description="How it is computed. `type` is `count` or `users` (with `of`), `sum` or `mean` (with "
        "`of` and `property`), `percentile` (with `level`, 0 to 1, too), `ratio` (with `part` and `whole`, "
        "each a `count`, `users` or `sum`). `of` names `events`, 1 to 20, and may have `where`: tests of "
        "`property`, `operator` (`eq`, `ne`, `gt`, `ge`, `lt`, `le`) and `value` (text, number or boolean), "
        "all of which must hold."
    )
    unit: Unit = Field(
        "count",
        description="Unit of its values; ratios are 0 to 1. Sums of `money` are converted to the project's "
        "currency from the `currency` that each event names, and leave out what there is no rate for; means "
        "and percentiles take numbers as they are.",
    )
    better: Better = Field("higher", description="Which way is good.")
    category: str = Field("custom", min_length=1, max_length=64, description="Subject.")
    owner: str = Field("", max_length=200, description="Team that answers for it.")
    warning_threshold: float | None = Field(
        None, allow_inf_nan=False, description="Value from which on it is a warning, in its unit."
    )
    critical_threshold: float | None = Field(
        None, allow_inf_nan=False, description="The same for critical, in its unit."
    )
    target_value: float | None = Field(None, allow_inf_nan=False, description="Value to reach, in its unit.")


def definition_of(metric: Metric) -> dict[str, object]:
    """The fields of ``Definition``."""
    return {
        "name": metric.name,
        "kind": metric.kind,
        "category": metric.category,
        "unit": metric.unit,
        "better": metric.better,
        "description": metric.description,
        "dimensions": list(metric.dimensions),
        "grains": list(metric.grains),
        "owner": metric.owner,
        "target_value": metric.target,
        "warning_threshold": metric.warning,
        "critical_threshold": metric.critical,
        "data_source": ", ".join(event_names(metric.definition)) or ACTIVE_EVENTS,
    }


DEFINITION_EXAMPLE: Final = {
    "name": "payment_failure_rate",
    "kind": "kri",
    "category": "payments",
    "unit": "ratio",
    "better": "lower",
    "description": "Of the payments that went through or failed, those that failed.",
    "dimensions": ["country", "region", "city"],
    "grains": ["hour", "day", "week", "month"],
    "owner": "finance",
    "target_value": None,
    "warning_threshold": 0.1,
    "critical_threshold": 0.2,
    "data_source": "payment_failed, payment_succeeded",
}


_OWN: Final = {
    **DEFINITION_EXAMPLE,
    "name": "gold_share",
    "kind": "custom",
    "category": "custom",
    "better": "higher",
    "description": "Of the tickets bought, those of the gold plan.",
    "owner": "",
    "warning_threshold": None,
    "critical_threshold": None,
    "target_value": 0.2,
    "data_source": "ticket_purchased",
}

_EXAMPLES: Final[dict[str, Any]] = {
    "ratio": {
        "name": "gold_share",
        "description": "Of the tickets bought, those of the gold plan.",
        "unit": "ratio",
        "target_value": 0.2,
        "definition": {
            "type": "ratio",
            "part": {
                "type": "count",
                "of": {
                    "events": ["ticket_purchased"],
                    "where": [{"property": "plan", "operator": "eq", "value": "gold"}],
                },
            },
            "whole": {"type": "count", "of": {"events": ["ticket_purchased"]}},
        },
    },
    "sum": {
        "name": "donations",
        "description": "Money given to hosts.",
        "unit": "money",
        "definition": {"type": "sum", "of": {"events": ["donated"]}, "property": "amount"},
    },
}


@router.get(
    "/api/analytics/metric-definitions",
    summary="All metrics and what they mean",
    responses={**success("The metrics.", [DEFINITION_EXAMPLE]), **failures(*COMMON)},
)
async def get_definitions(use: Use, caller: Reader) -> Success[list[Definition]]:
    """The catalogue of metrics, by subject, then your own, by name. Needs the scope `read`."""
    return Success(data=[_definition(metric) for metric in use.metrics.all(caller.project)])


@router.post(
    "/api/analytics/metric-definitions",
    summary="Define a metric",
    status_code=201,
    responses={
        201: success("Defined", _OWN)[200],
        **failures(409, *COMMON, *WITH_BODY),
    },
    openapi_extra=request_body(MetricDefinitionRequest, _EXAMPLES),
)
async def post_definition(
    use: Use,
    caller: Writer,
    body: Annotated[MetricDefinitionRequest, Depends(json_body(MetricDefinitionRequest))],
) -> Success[Definition]:
    """Defines a metric of your own on events and properties; it is computed as those of the catalogue are.

    It counts what is stored already, too. Needs the scope `write`.
    """
    return Success(data=_definition(await use.metrics.add(_custom(body, caller.project), caller.author)))


@router.delete(
    "/api/analytics/metric-definitions/{name}",
    summary="Forget a metric of one's own",
    responses={**success("Forgotten; this is what it was.", _OWN), **failures(404, 409, *COMMON)},
)
async def delete_definition(
    use: Use,
    caller: Writer,
    name: Annotated[str, Path(max_length=100, description="Its name.")],
) -> Success[Definition]:
    """Forgets a metric of your own, unless a rule of alerts judges it; no event is lost.

    Needs the scope `write`.
    """
    found = _definition(use.metrics.find(caller.project, name))
    await use.metrics.remove(caller.project, name, use.alert_rules.judging(caller.project, name))
    return Success(data=found)


def _definition(metric: Metric) -> Definition:
    return Definition.model_validate(definition_of(metric))


def _check_thresholds(body: MetricDefinitionRequest) -> None:
    warning, critical = body.warning_threshold, body.critical_threshold
    if warning is None or critical is None:
        return
    if (critical < warning) if body.better == "lower" else (critical > warning):
        than = "below" if body.better == "lower" else "above"
        reason = f"Give one that is not {than} the warning: {body.better} is better."
        raise invalid([Detail(field="critical_threshold", reason=reason)])


def _custom(body: MetricDefinitionRequest, project: str) -> CustomMetric:
    _check_thresholds(body)
    told = {
        "project": project,
        "name": body.name,
        "description": body.description,
        "definition": body.definition,
        "unit": body.unit,
        "better": body.better,
        "category": body.category,
        "owner": body.owner,
        "warning": body.warning_threshold,
        "critical": body.critical_threshold,
        "target": body.target_value,
    }
    try:
        return msgspec.convert(told, CustomMetric)
    except msgspec.ValidationError as error:
        raise invalid([reason_of(error, "definition")]) from None


def reason_of(error: msgspec.ValidationError, whole: str) -> Detail:
    """What does not fit a type, and where; ``whole`` is the field at fault where that is not said."""
    text = str(error)
    at = _AT.search(text)
    return Detail(field=at[1] if at else whole, reason=of_msgspec(_AT.sub("", text)))
