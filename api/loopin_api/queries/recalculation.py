"""Values that are kept of metrics, asked to be computed anew: a run of a task, and what it has changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import msgspec

from loopin_api.envelope import Detail, iso_ms
from loopin_api.errors import ApiError, invalid
from loopin_api.tasks import Tasks
from loopin_api.timespan import Timespan
from loopin_schemas.metrics import Metric
from loopin_sinks.metric_history.changes import Change, changes_of
from loopin_sinks.metric_history.coverage import Coverage, coverage
from loopin_sinks.metric_history.requested import Requested, Skipped, requested
from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.store import Store
from loopin_sinks.tasks.calculate_requested import CALCULATE_REQUESTED, RequestedArguments
from loopin_sinks.tasks.runs import Run

MAX_CHANGES: Final = 1_000
"""Most changes in an answer; the others are made, too, and counted."""

MAX_VALUES: Final = 20_000
"""Most values that one request may ask for: periods times metrics."""

WAIT_S: Final = 20.0
"""How long a request waits for its run to end, seconds; other clients close the connection after 30."""


@dataclass(frozen=True, slots=True)
class Recalculation:
    """What became of a run: how many values are others now, which, and what was left as it is.

    ``nothing`` says in one sentence why there is nothing to compute; None where there is.
    """

    run: Run
    changed: int
    changes: Sequence[Change]
    skipped: Sequence[Skipped]
    nothing: str | None = None


async def ask(
    store: Store,
    tasks: Tasks,
    scope: Scope,
    metrics: Sequence[Metric],
    span: Timespan,
    *,
    named: bool,
    by: str,
) -> Recalculation:
    """Ask for metrics to be computed for all whole periods of a span that are over, and wait for a while.

    Where events that a value depends on are gone, it stays as it is; ``named`` says that this is refused.

    Raises:
        ApiError: 422, the events of the span, or those that named metrics depend on, are not all there, or
            the values are too many; 503, the run failed.
        StoreError: the store did not answer.
    """
    covered = await coverage(store, scope)
    wanted = Requested((), ()) if covered is None else _checked(covered, scope, metrics, span, named)
    arguments = RequestedArguments(
        project=scope.project,
        names=tuple(metric.name for metric in metrics) if named else (),
        start=epoch_ms(span.start),
        end=epoch_ms(span.end),
    )
    told = msgspec.to_builtins(arguments)
    run = await tasks.ask(CALCULATE_REQUESTED.name, told, by, scope.now)
    run = await tasks.ended(run, WAIT_S)
    found = await _found(store, scope.project, run, wanted.skipped)
    return found if wanted.values else replace(found, nothing=_nothing(covered, span))


async def recalculation(store: Store, tasks: Tasks, project: str, id: str) -> Recalculation:
    """What has become of it.

    Raises:
        ApiError: 404, this project has none of this id.
        StoreError: the store did not answer.
    """
    unknown = ApiError(
        404, "UNKNOWN_RUN", "There is no calculation of this id; what became of them is kept for 90 days."
    )
    run = await tasks.run(id)
    if run.task != CALCULATE_REQUESTED.name:
        raise unknown
    try:
        asked = msgspec.json.decode(run.arguments, type=RequestedArguments)
    except msgspec.ValidationError:
        raise unknown from None
    if asked.project != project:
        raise unknown
    return await _found(store, project, run, ())


async def _found(store: Store, project: str, run: Run, skipped: Sequence[Skipped]) -> Recalculation:
    number, changes = await changes_of(store, project, run.id, MAX_CHANGES)
    return Recalculation(run, number, changes, skipped)


def _checked(
    covered: Coverage, scope: Scope, metrics: Sequence[Metric], span: Timespan, named: bool
) -> Requested:
    if covered.expired and span.start < covered.start:
        raise _beyond("from", "Events", covered.start)
    wanted = requested(covered, scope, metrics, span.start, span.end)
    if named and wanted.skipped:
        first = wanted.skipped[0]
        raise _beyond("names", f"All events that {first.name} depends on", first.start)
    if wanted.values > MAX_VALUES:
        days = max(1, int(MAX_VALUES / wanted.values * (span.end - span.start).total_seconds() // 86_400))
        raise ApiError(
            422,
            "TOO_MUCH_TO_CALCULATE",
            f"That is {wanted.values:,} values (periods times metrics), and one request may ask for "
            f"{MAX_VALUES:,}: ask for {days} days at once, or for fewer metrics.",
        )
    return wanted


def _nothing(covered: Coverage | None, span: Timespan) -> str:
    if covered is None:
        return "There are no events yet, so there is nothing to compute."
    if span.end <= covered.start:
        return f"Events begin at {iso_ms(covered.start)} or later, so before it there is nothing to compute."
    return "No hour, day, week or month that is over lies within this time, so there is nothing to compute."


def _beyond(field: str, what: str, start: datetime | None) -> ApiError:
    if start is None:
        return invalid([Detail(field=field, reason=f"{what} are not there any more; leave it out.")])
    kept = f"{what} are there from {iso_ms(start)} on; give a from that is not before."
    return invalid([Detail(field=field, reason=kept)])
