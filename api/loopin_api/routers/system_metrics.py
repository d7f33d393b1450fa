"""/api/metrics: document 004's system metrics, one measurement a row."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import Annotated, Any, ClassVar, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from loopin_api.auth import Caller
from loopin_api.correcting import CorrectionRequest, Corrector, recorded_row, unlike
from loopin_api.openapi import page as page_of
from loopin_api.pages import Listed, Paged, listed
from loopin_api.queries import system_metrics as asked
from loopin_api.queries.recorded import Record, Records
from loopin_api.routers.corrected import Row, add_rows
from loopin_api.routers.records import METRIC_EXAMPLE, MeasuredParts, SystemMetric
from loopin_api.services import Reader, Services, Use
from loopin_api.time_filters import Times
from loopin_sinks.metric_values.sql import MS

router = APIRouter(tags=["system metrics"])

Ordering = Literal["recorded_at", "-recorded_at", "value", "-value"]
Text = Annotated[str | None, Query(max_length=200, description="Only measurements with this value.")]


class SystemMetricCorrectionRequest(CorrectionRequest, MeasuredParts):
    """What to put right of a measurement; what is not named stays, or with PUT is again what was recorded."""

    READ_ONLY: ClassVar[frozenset[str]] = CorrectionRequest.READ_ONLY | {"recorded_at"}

    # What was recorded may be any number, and be sent back whole.
    GREATEST: ClassVar[float] = inf

    metric_type: str = Field("", min_length=1, max_length=200, description="What was measured: `cpu_usage`.")
    value: float = Field(0, description="The measurement, in the metric's own unit.")
    additional_data: dict[str, Any] = Field(default_factory=dict, description="Whatever belongs to it.")


@router.get(
    "/api/metrics",
    summary="List system metrics",
    responses=page_of("A page of measurements.", METRIC_EXAMPLE),
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


def _records(use: Services, caller: Caller) -> Records:
    known = use.corrections.of(caller.project, "metrics")
    return Records(use.store, caller.project, asked.OF_METRICS, known)


async def _find(use: Services, caller: Caller, id: str) -> Row | None:
    record = await recorded_row(_records(use, caller), id)
    if record is None:
        return None

    async def answer() -> SystemMetric | None:
        return _answer(use, caller, record)

    known = Corrector(use, caller, "metrics").known(record.id)
    kept = partial(unlike, asked.recorded(record))
    return Row(record.id, known, True, answer, kept, frozenset({"id", "recorded_at"}))


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


add_rows(
    router,
    name="metrics",
    noun="system metric",
    origin="recorded",
    id="The measurement's id.",
    answers=SystemMetric,
    example=METRIC_EXAMPLE,
    changed={"value": 40.0},
    body=SystemMetricCorrectionRequest,
    find=_find,
)
