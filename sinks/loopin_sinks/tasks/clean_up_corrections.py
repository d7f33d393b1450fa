"""The task that removes what people put right of rows that are there no more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import structlog

from loopin_schemas.config import KIND_OF
from loopin_schemas.corrections import Correction, ErrorGroup, day_number, outlived
from loopin_sinks.metric_history.coverage import coverage
from loopin_sinks.store.errors import StoreError
from loopin_sinks.tasks.task import Context, Task
from loopin_sinks.tasks.when import crontab
from loopin_streams.kafka.config_state import Item
from loopin_streams.kafka.errors import BrokerUnreachable, ConfigBusy, ConfigConflict
from loopin_text.fingerprint import ERRORS

log = structlog.get_logger(__name__)

_FINGERPRINTS: Final = """
    SELECT DISTINCT error_fingerprint AS found FROM events
    WHERE project = {project:String} AND event IN {errors:Array(String)}
        AND error_fingerprint IN {asked:Array(String)}
"""


async def clean_up(context: Context) -> int:
    """Remove corrections of rows that retention has removed, and what was decided on groups without errors.

    What they were stays in the table ``config_history``. Returns how many were removed.

    Raises:
        StoreError: the store, or the broker, did not answer; some may be removed.
    """
    removed, writer = 0, context.writer
    if writer is None:
        return 0
    async for item in _outlived(context):
        try:
            await writer.remove(KIND_OF[type(item.body)], item.id, replaces=item.version)
            removed += 1
        except ConfigConflict:
            # Somebody has just changed it, who may want it.
            log.info("correction_kept", id=item.id)
        except (ConfigBusy, BrokerUnreachable) as error:
            raise StoreError("not_configured", str(error)) from error
    return removed


async def _outlived(context: Context) -> AsyncIterator[Item[Any]]:
    corrections = context.configuration.of(Correction).values()
    groups = context.configuration.of(ErrorGroup).values()
    of_all: list[Item[Any]] = [*corrections, *groups]
    for project in sorted({item.body.project for item in of_all}):
        scope = context.scope(project, context.clock())
        covered = await coverage(context.store, scope)
        if covered is None or not covered.expired:
            # Without any events nothing tells what has expired: they may yet be restored.
            continue
        first, today = scope.day_of(covered.start), scope.day_of(scope.now)
        for item in [each for each in corrections if each.body.project == project]:
            if outlived(item.body, first, today):
                yield item
        old = [each for each in groups if each.body.project == project and day_number(each.body.at) < first]
        there = await _with_errors(context, project, [each.body.fingerprint for each in old])
        for group in old:
            if group.body.fingerprint not in there:
                yield group


async def _with_errors(context: Context, project: str, fingerprints: Iterable[str]) -> set[str]:
    asked = list(fingerprints)
    if not asked:
        return set()
    bound = {"project": project, "errors": list(ERRORS), "asked": asked}
    return {row["found"] for row in await context.store.query(_FINGERPRINTS, bound)}


CLEAN_UP_CORRECTIONS: Final = Task(
    name="clean_up_corrections",
    when=crontab("30 4 * * *"),
    description="Removes what people put right of rows that are past retention, and what was decided on "
    "groups of errors of which none is left; their history is kept.",
    run=clean_up,
    replaces=("cleanup-resolved-error-logs",),
)
