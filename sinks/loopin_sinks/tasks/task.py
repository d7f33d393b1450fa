"""What a task is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from loopin_schemas.insight import Insight
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.opinions.judged import Judge
from loopin_sinks.store import Store
from loopin_sinks.tasks.when import When
from loopin_streams.kafka.config_state import Configuration

HOUR_S: Final = 3_600.0


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a schedule may tell its task; a task that takes any has a class of its own."""


class Remover(Protocol):
    """Removes what is configured: see ``loopin_streams.kafka.config_writer.ConfigWriter``."""

    async def remove(self, kind: str, id: str, *, replaces: str) -> None: ...


class Teller(Protocol):
    """Tells of insights: see ``loopin_sinks.insights.told.InsightTeller``."""

    async def tell(
        self,
        projects: Collection[str],
        open: Iterable[Insight],
        now: datetime,
        dismissed: Collection[str] = (),
    ) -> int: ...


def _unseen(done: int, total: int) -> None:
    """Nobody looks."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a run works with.

    Attributes:
        store: what it reads and changes.
        configuration: what is configured now.
        scope: a project's events as of a time, with its zone, currency and people.
        clock: the time now, aware.
        arguments: of the type that the task names.
        writer: changes what is configured; None where it cannot be changed.
        teller: tells the live feed of insights; None where there is none.
        run: id of the run.
        language_model: judges texts; None where none is configured.
        judges_texts: whether anybody may.
        progress: told how much is done of how much.
    """

    store: Store
    configuration: Configuration
    scope: Callable[[str, datetime], Scope]
    clock: Callable[[], datetime]
    arguments: Any
    writer: Remover | None = None
    teller: Teller | None = None
    run: str = ""
    language_model: Judge | None = None
    judges_texts: bool = True
    progress: Callable[[int, int], None] = _unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something to do by the clock.

    Attributes:
        name: exact name, also of the schedule that it comes with.
        when: when it is due, unless that is changed; None for one that runs only when somebody asks for it.
        description: what it does, for a person.
        run: does it, and returns how many rows it wrote. It may be broken off anywhere and begun again.
        replaces: what the documents call the tasks whose work it does.
        arguments: what it may be told.
        timeout_s: longest time that it may take, seconds.
    """

    name: str
    when: When | None
    description: str
    run: Callable[[Context], Awaitable[int]]
    replaces: tuple[str, ...] = ()
    arguments: type[Arguments] = Arguments
    timeout_s: float = HOUR_S
