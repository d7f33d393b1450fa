"""/api/metrics: document 004's system metrics, one measurement a row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from loopin_api.auth import Caller
from loopin_api.body import json_body
from loopin_api.correcting import CorrectionRequest, Corrector, existing, unknown_row
from loopin_api.openapi import COMMON, WITH_BODY, bare, failures, request_body
from loopin_api.pages import Listed, Paged, listed
from loopin_api.queries import system_metrics as asked
from loopin_api.queries.recorded import Record, Records
from loopin_api.routers.records import METRIC_EXAMPLE, SystemMetric
from loopin_api.services import Reader, Services, Use, Writer
from loopin_api.time_filters import Times
from loopin_sinks.metric_values.sql import MS

router = APIRouter(tags=["system metrics"])

Ordering = Literal["recorded_at", "-recorded_at", "value", "-value"]
MetricId = Annotated[str, Path(max_length=100, description="The measurement's id.")]
Text = Annotated[str | None, Query(max_length=200, description="Only measurements with this value.")]

_CORRECTED: Final = {**METRIC_EXAMPLE, "value": 40.0, "corrected_fields": ["value"]}


class SystemMetricCorrectionRequest(CorrectionRequest):
    """What to put right of a measurement; what is not named stays, or with PUT is again what was recorded."""

    READ_ONLY: ClassVar[frozenset[str]] = CorrectionRequest.READ_ONLY | {"recorded_at"}

    metric_type: str = Field("", min_length=1, max_length=200, description="What was measured: `cpu_usage`.")
    value: float = Field(0, description="The measurement, in the metric's own unit.")
    component: str | None = Field(None, max_length=200, description="Component that was measured.")
    operation: str | None = Field(None, max_length=200, description="Operation that was measured.")
    additional_data: dict[str, Any] = Field(default_factory=dict, description="Whatever belongs to it.")


@router.get(
    "/api/metrics",
    summary="List system metrics",
    responses={
        **bare(
            "A page of measurements.",
            {"count": 1, "next": None, "previous": None, "results": [METRIC_EXAMPLE]},
        ),
        **failures(404, *COMMON),
    },
)
async def get_metrics(
    use: Use,
    caller: Reader,
    times: Times,
    page: Paged,
    metric_type: Text = None,
    component: Text = None,
    operation: Text = None,
    ordering: Annotated[
        Ordering, Query(description="By time or value; `-`: the newest or greatest first.")
    ] = "-recorded_at",
) -> Listed[SystemMetric]:
    """Measurements of systems in the time asked for. Needs the scope `read`."""
    records = _records(use, caller)
    query = records.query()
    given = {"metric_type": metric_type, "component": component, "operation": operation}
    tests = [
        f"{asked.text(query, name)} = {query.bind(value, 'String')}"
        for name, value in given.items()
        if value is not None
    ]
    by = asked.value(query) if ordering.endswith("value") else MS
    order = f"{by} DESC" if ordering.startswith("-") else by
    count, found = await records.page(query, times.span(), tests, order, page.size, page.offset)
    rows = (_answer(use, caller, record) for record in found)
    return listed(page, count, [row for row in rows if row is not None])


@router.get(
    "/api/metrics/{id}",
    summary="Retrieve a system metric",
    responses={**bare("The measurement.", METRIC_EXAMPLE), **failures(404, *COMMON)},
)
async def get_metric(use: Use, caller: Reader, id: MetricId) -> SystemMetric:
    """One measurement, with what was put right of it. Needs the scope `read`."""
    return _shown(use, caller, await _existing(use, caller, id))


@router.put(
    "/api/metrics/{id}",
    summary="Replace what was put right of a system metric",
    responses={**bare("The measurement.", _CORRECTED), **failures(404, 409, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(SystemMetricCorrectionRequest, {"value": {"value": 40.0}}),
)
async def put_metric(
    use: Use,
    caller: Writer,
    id: MetricId,
    body: Annotated[SystemMetricCorrectionRequest, Depends(json_body(SystemMetricCorrectionRequest))],
) -> SystemMetric:
    """The fields named here count from now on, the others are again what was recorded.

    The event itself stays as it is. Needs the scope `write`.
    """
    return await _correct(use, caller, id, body, replace=True)


@router.patch(
    "/api/metrics/{id}",
    summary="Put a system metric right",
    responses={**bare("The measurement.", _CORRECTED), **failures(404, 409, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(SystemMetricCorrectionRequest, {"value": {"value": 40.0}}),
)
async def patch_metric(
    use: Use,
    caller: Writer,
    id: MetricId,
    body: Annotated[SystemMetricCorrectionRequest, Depends(json_body(SystemMetricCorrectionRequest))],
) -> SystemMetric:
    """The fields named here count from now on; the event itself stays as it is. Needs the scope `write`."""
    return await _correct(use, caller, id, body, replace=False)


@router.delete(
    "/api/metrics/{id}",
    status_code=204,
    summary="Delete a system metric",
    responses=failures(404, 409, *COMMON),
)
async def delete_metric(use: Use, caller: Writer, id: MetricId) -> None:
    """It is not shown any more. Needs the scope `write`."""
    record = _shown(use, caller, await _existing(use, caller, id))
    await Corrector(use, caller, "metrics").delete(record.id)


async def _correct(
    use: Services, caller: Caller, id: str, body: SystemMetricCorrectionRequest, *, replace: bool
) -> SystemMetric:
    record, corrector = await _existing(use, caller, id), Corrector(use, caller, "metrics")
    taken = asked.recorded(record)
    values = {**({} if replace else corrector.values(record.id)), **body.values()}
    # What was recorded never changes, so what equals it need not be kept.
    kept = {name: value for name, value in values.items() if value != taken[name]}
    await corrector.save(record.id, kept, body.note)
    return _shown(use, caller, record)


def _records(use: Services, caller: Caller) -> Records:
    known = use.corrections.of(caller.project, "metrics")
    return Records(use.store, caller.project, asked.OF_METRICS, known)


async def _existing(use: Services, caller: Caller, id: str) -> Record:
    return await existing(_records(use, caller), id, "system metric")


def _shown(use: Services, caller: Caller, record: Record) -> SystemMetric:
    found = _answer(use, caller, record)
    if found is None:
        raise unknown_row("system metric")
    return found


def _answer(use: Services, caller: Caller, record: Record) -> SystemMetric | None:
    corrections = use.corrections.of(caller.project, "metrics")
    row = asked.corrected(record, corrections)
    if row is None:
        return None
    known = corrections.get(record.id)
    at = datetime.fromtimestamp(row["recorded_at"] / 1000, UTC)
    return SystemMetric(
        id=record.id,
        corrected_fields=[] if known is None else sorted(known.body.values),
        **{**row, "recorded_at": at},
    )
