"""The schedules that there are: those that the tasks come with, as changed, and those that were added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from loopin_schemas.config import KIND_OF, TaskSchedule
from loopin_sinks.tasks.task import Arguments, Context, Task
from loopin_sinks.tasks.when import Every, When, crontab
from loopin_streams.kafka.config_state import Configuration

KIND: Final = KIND_OF[TaskSchedule]

MAX_ADDED: Final = 100
"""Most schedules that may be added."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a task runs, and with what.

    ``own`` says that it was added; ``since`` (epoch ms) is when it was added, changed or resumed, 0 for
    never; ``broken`` is one sentence where what is configured cannot be used, so that it does not run.
    ``when`` is None where it runs only when somebody asks for it.
    """

    name: str
    task: Task
    when: When | None
    paused: bool = False
    own: bool = False
    since: int = 0
    arguments: Arguments = Arguments()
    told: Mapping[str, Any] | None = None
    broken: str | None = None

    @property
    def project(self) -> str | None:
        """The project that it is of, whose clocks its crontab goes by; None for several or all."""
        named: Sequence[str] = getattr(self.arguments, "projects", ())
        return named[0] if len(named) == 1 else None


def schedules(tasks: Sequence[Task], configuration: Configuration) -> list[Schedule]:
    """All of them: the tasks' in their order, then the others by name.

    Those of a task that this release does not have are broken.
    """
    configured = {name: item.body for name, item in configuration.of(TaskSchedule).items()}
    by_name = {task.name: task for task in tasks}
    found = [_made(task.name, task, configured.get(task.name)) for task in tasks]
    added = sorted(name for name in configured if name not in by_name)
    for name in added:
        body = configured[name]
        task = by_name.get(body.task)
        found.append(_gone(name, body) if task is None else _made(name, task, body))
    return found


def when_of(body: TaskSchedule, task: Task) -> When | None:
    """When it is due; None for never.

    Raises:
        ValueError: its crontab is none.
    """
    if body.every_s is not None:
        return Every(body.every_s)
    return task.when if body.crontab is None else crontab(body.crontab)


def arguments_of(told: Mapping[str, Any], task: Task) -> Arguments:
    """What it tells its task.

    Raises:
        msgspec.ValidationError: the task takes no such arguments.
    """
    return msgspec.convert(told, task.arguments)


def _made(name: str, task: Task, body: TaskSchedule | None) -> Schedule:
    if body is None:
        return Schedule(name, task, task.when, arguments=task.arguments(), told={})
    own, told = name != task.name, body.arguments
    try:
        when, arguments = when_of(body, task), arguments_of(told, task)
    except (ValueError, msgspec.ValidationError) as error:
        reason = f"The schedule {name} cannot be used ({error}): correct it with `loopin tasks set`."
        return Schedule(name, task, task.when, body.paused, own, body.since, task.arguments(), told, reason)
    return Schedule(name, task, when, body.paused, own, body.since, arguments, told)


def _gone(name: str, body: TaskSchedule) -> Schedule:
    reason = (
        f"This release has no task {body.task}: take its schedule away with `loopin tasks remove {name}`, or "
        "upgrade."
    )
    task = Task(name=body.task, when=None, description="What a newer or an older release did.", run=_nothing)
    return Schedule(
        name, task, None, body.paused, name != body.task, body.since, told=body.arguments, broken=reason
    )


async def _nothing(context: Context) -> int:
    return 0
