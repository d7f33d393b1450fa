"""Work that a task does for one project after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

import structlog
from msgspec import Meta

from loopin_sinks.store import Store, StoreError
from loopin_sinks.store.errors import STORE_UNREACHABLE
from loopin_sinks.tasks.task import Context

log = structlog.get_logger(__name__)

Projects = Annotated[tuple[str, ...], Meta(max_length=1_000)]
"""Names that a schedule gives its task; none for all projects."""

Table = Literal["events", "metric_values", "anomalies"]

_TIME: Final[dict[Table, str]] = {"events": "timestamp", "metric_values": "start", "anomalies": "at"}


async def projects_in(
    store: Store, table: Table, wanted: Collection[str], since: datetime | None = None
) -> list[str]:
    """Projects that a table has rows of, in the order of their names; of those wanted, if any are named.

    Of rows ``since`` a time, if one is named, and then no others are read.

    Raises:
        StoreError: the store did not answer.
    """
    found = f"SELECT DISTINCT toString(project) AS project FROM {table}"
    if since is None:
        rows = await store.query(f"{found} ORDER BY project")
    else:
        later = f"{_TIME[table]} >= {{since:DateTime64(3, 'UTC')}}"
        rows = await store.query(f"{found} WHERE {later} ORDER BY project", {"since": since})
    names = [row["project"] for row in rows]
    return [name for name in names if not wanted or name in wanted]


async def by_project(context: Context, projects: Sequence[str], work: Callable[[str], Awaitable[int]]) -> int:
    """Do the work of each project; the sum of what it returns. One that fails keeps no other from its own.

    Raises:
        StoreError: of some project, at the end; what was done of the others is kept. At once where the store
            cannot be reached.
    """
    rows = 0
    failed: StoreError | None = None
    for number, project in enumerate(projects):
        context.progress(number, len(projects))
        try:
            rows += await work(project)
        except StoreError as error:
            if error.code == STORE_UNREACHABLE:
                raise
            log.warning("project_failed", run=context.run, project=project, reason=str(error))
            failed = error
    context.progress(len(projects), len(projects))
    if failed is not None:
        raise failed
    return rows
