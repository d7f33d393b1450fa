"""The task that computes kept values anew because somebody asks for it."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from loopin_sinks.metric_history.coverage import coverage
from loopin_sinks.metric_history.recalculate import recalculate
from loopin_sinks.metric_history.requested import requested
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import from_epoch_ms
from loopin_sinks.tasks.calculate_metrics import metrics_of
from loopin_sinks.tasks.task import Arguments, Context, Task

AT_ONCE: Final = 168
"""Most periods of one statement."""


class RequestedArguments(Arguments, frozen=True, forbid_unknown_fields=True):
    """Of which project, which metrics (all, without any), from when to when (epoch ms)."""

    project: Annotated[str, Meta(max_length=64)] = ""
    names: Annotated[tuple[str, ...], Meta(max_length=200)] = ()
    start: int = 0
    end: int = 0


async def _calculate(context: Context) -> int:
    """How many values are new or others.

    Raises:
        StoreError: what was kept so far stays.
    """
    asked: RequestedArguments = context.arguments
    scope = context.scope(asked.project, context.clock())
    covered = await coverage(context.store, scope)
    if covered is None:
        return 0
    metrics = [
        each
        for each in metrics_of(context.configuration, asked.project)
        if not asked.names or each.name in asked.names
    ]
    wanted = requested(covered, scope, metrics, from_epoch_ms(asked.start), from_epoch_ms(asked.end))
    calculator, done, written = Calculator(context.store, scope), 0, 0
    context.progress(0, wanted.values)
    for grain, block in wanted.blocks(AT_ONCE):
        found = await recalculate(context.store, calculator, grain, block, context.run, all_told=True)
        if found.refused:
            raise next(iter(found.refused.values()))
        done += found.calculated
        written += len(found.changes)
        context.progress(done, wanted.values)
    return written


CALCULATE_REQUESTED: Final = Task(
    name="calculate_requested",
    when=None,
    description="Calculates the values that `POST /api/analytics/metrics/calculate` asks for once more.",
    run=_calculate,
    arguments=RequestedArguments,
)
