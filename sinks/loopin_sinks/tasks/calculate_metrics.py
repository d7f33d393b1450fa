"""The tasks that keep what metrics come to, so that their history outlives the events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final

import structlog
from msgspec import Meta

from loopin_schemas.metrics import CATALOGUE, Grain, Metric
from loopin_schemas.metrics.custom import CustomMetric
from loopin_sinks.metric_history.coverage import coverage
from loopin_sinks.metric_history.due import AGAIN, NEVER, Dues, Positions, depends_since
from loopin_sinks.metric_history.late import Late, late, looked, note_look
from loopin_sinks.metric_history.recalculate import LONGEST, Wanted, recalculate
from loopin_sinks.metric_history.stored import calculated, kept_name
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods
from loopin_sinks.store import Store, StoreError
from loopin_sinks.tasks.by_project import Projects, by_project, projects_in
from loopin_sinks.tasks.task import Arguments, Context, Task
from loopin_sinks.tasks.when import crontab
from loopin_streams.kafka.config_state import Configuration

log = structlog.get_logger(__name__)

AT_ONCE: Final[dict[Grain, int]] = {"month": 36, "week": 52, "day": 90, "hour": 168}
"""Most periods of one statement; the grains in the order in which they are calculated, few values first."""

MOST_VALUES: Final = 50_000
"""Most values of a project that one run calculates, about; the next goes on with what is left, the older."""

LONGEST_RUN: Final = timedelta(minutes=30)
"""How long a run goes on, about: each project has an equal share of it, and a statement at least."""


class CalculateArguments(Arguments, frozen=True, forbid_unknown_fields=True):
    """Of which projects (all, without any), and which metrics (all, without any)."""

    projects: Projects = ()
    names: Annotated[tuple[str, ...], Meta(max_length=200)] = ()


async def calculate(context: Context, *, nightly: bool) -> int:
    """Calculate all that is due, project by project; how many values are new or others.

    A project or metric that cannot be calculated keeps no other from its own.

    Raises:
        StoreError: of some project, at the end; the values of the others are kept.
    """
    arguments: CalculateArguments = context.arguments
    projects = await projects_in(context.store, "events", arguments.projects)

    async def calculated(project: str) -> int:
        until = context.clock() + LONGEST_RUN / len(projects)
        return await _Calculation(context, project, nightly, until).run()

    return await by_project(context, projects, calculated)


@dataclass(frozen=True, slots=True)
class _Due:
    """What is due of one grain: positions of its periods, by metric."""

    grain: Grain
    within: Periods
    of: Sequence[tuple[Metric, Positions]]


class _Calculation:
    """One project's part of a run."""

    def __init__(self, context: Context, project: str, nightly: bool, until: datetime) -> None:
        self._context = context
        self._store: Store = context.store
        self._project = project
        self._nightly = nightly
        self._until = until
        self._begun = False
        self._written = 0
        self._left = MOST_VALUES
        self._refused: dict[str, StoreError] = {}

    async def run(self) -> int:
        """Calculate what is due, the newest first; how many values are new or others.

        Raises:
            StoreError: of the last metric that was refused; what could be kept is.
        """
        scope = self._context.scope(self._project, self._context.clock())
        covered = await coverage(self._store, scope)
        if covered is None:
            return 0
        # One for all, so that what several metrics are made of is asked for once.
        calculator = Calculator(self._store, scope)
        scope = await calculator.with_rollups()
        since = NEVER if self._nightly else await looked(self._store, scope)
        found = await self._late(since, scope.now)
        dues = Dues(scope, covered, found, blind=self._nightly)
        whole = True
        for grain in AT_ONCE:
            due = await self._due(dues, grain)
            whole = await self._calculate(calculator, due) and whole
        if self._refused:
            raise next(reversed(self._refused.values()))
        if whole and not self._context.arguments.names:
            await note_look(self._store, scope)
        return self._written

    async def _late(self, since: datetime, now: datetime) -> Late:
        """What came since, of all the time that the values which are calculated again depend on."""
        first = now - AGAIN - LONGEST["month"]
        starts = [depends_since(metric.definition, first) for metric in self._wanted()]
        start = min((start or NEVER for start in starts), default=now)
        return await late(self._store, self._project, since, start, now)

    def _wanted(self) -> list[Metric]:
        names = self._context.arguments.names
        known = metrics_of(self._context.configuration, self._project)
        return [metric for metric in known if not names or metric.name in names]

    async def _due(self, dues: Dues, grain: Grain) -> _Due | None:
        within = dues.periods(grain)
        if within is None:
            return None
        wanted = [metric for metric in self._wanted() if grain in metric.grains]
        kept = await calculated(self._store, dues.scope, wanted, grain, within.start, within.end)
        found = [(metric, dues.of(metric, within, kept.get(kept_name(metric), {}))) for metric in wanted]
        return _Due(grain, within, [(metric, positions) for metric, positions in found if positions])

    async def _calculate(self, calculator: Calculator, due: _Due | None) -> bool:
        """Whether nothing is left."""
        if due is None:
            return True
        for block in _blocks(due):
            if self._left <= 0 or (self._begun and self._context.clock() >= self._until):
                log.info("metrics_left", project=self._project, grain=due.grain)
                return False
            self._begun = True
            found = await recalculate(
                self._store, calculator, due.grain, block, self._context.run, all_told=False
            )
            self._left -= found.calculated
            self._written += len(found.changes)
            for name, error in found.refused.items():
                log.warning("metric_not_calculated", project=self._project, metric=name, reason=str(error))
            self._refused |= found.refused
        return True


def _blocks(due: _Due) -> Iterator[list[Wanted]]:
    """The newest periods first, so many at once as a statement may be about."""
    length = AT_ONCE[due.grain]
    for end in range(len(due.within), 0, -length):
        block = [_part(due.within, metric, positions, end - length, end) for metric, positions in due.of]
        if found := [each for each in block if each is not None]:
            yield found


def _part(within: Periods, metric: Metric, positions: Positions, since: int, until: int) -> Wanted | None:
    """Of a block what is due of one metric: from its first period that is due to its last."""
    due = [number for number in positions if since <= number < until]
    if not due:
        return None
    part = Periods(within.edges[due[0] : due[-1] + 2])
    return Wanted(metric, part, {number - due[0]: positions[number] for number in due})


def metrics_of(configuration: Configuration, project: str) -> list[Metric]:
    """The catalogue's, then the project's own by name."""
    own = [
        item.body.metric() for item in configuration.of(CustomMetric).values() if item.body.project == project
    ]
    return [*CATALOGUE, *sorted(own, key=lambda metric: metric.name)]


async def _hourly(context: Context) -> int:
    return await calculate(context, nightly=False)


async def _nightly(context: Context) -> int:
    return await calculate(context, nightly=True)


CALCULATE_METRICS: Final = Task(
    name="calculate_metrics",
    when=crontab("5 * * * *"),
    description="Keeps the value of every metric for the hours, days, weeks and months that are over and of "
    "which none is kept in the project's zone, money and people, as far as events cover them; and once more "
    "those of the last 35 days whose events came or whose persons merged since.",
    run=_hourly,
    replaces=("process-daily-metrics", "process_daily_metrics_calculation"),
    arguments=CalculateArguments,
)

RECALCULATE_METRICS: Final = Task(
    name="recalculate_metrics",
    when=crontab("15 2 * * *"),
    description="Calculates all values of the last 35 days once more, for what leaves no trace (clocks "
    "that went wrong), as far as all events that they depend on are still there.",
    run=_nightly,
    arguments=CalculateArguments,
)
