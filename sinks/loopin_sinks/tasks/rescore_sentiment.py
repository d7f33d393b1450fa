"""The task that judges stored texts by more than the stream can afford."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Annotated, Final

from msgspec import Meta

from loopin_sinks.opinions.judged import Judge, Judged, Method, by_language_model, by_methods
from loopin_sinks.opinions.stored import Text, keep, not_judged_by, projects_with_texts
from loopin_sinks.tasks.by_project import Projects, by_project
from loopin_sinks.tasks.task import Arguments, Context, Task
from loopin_sinks.tasks.when import crontab
from loopin_text.opinion.endpoint import NoAnswer
from loopin_text.sentiment import TEXT_PROPERTIES

BACK: Final = timedelta(days=7)
"""Events that are older when they come are left as the stream has scored them."""

MOST: Final = 1_000
"""Texts of a run, of a project: a second's work."""

ASKED: Final = 100
"""Texts of a run, of a project, that a language model is asked for."""

ASKING_S: Final = 300.0
"""So long a run asks it, seconds, of whatever project: a slow one keeps no project from the methods."""

AT_ONCE: Final = 20
"""Texts between two pauses: some 10 ms."""

PAUSE_S: Final = 0.1
"""So the process, which stores events as well, has nine tenths of its time for that."""


class RescoreArguments(Arguments, frozen=True, forbid_unknown_fields=True):
    """Texts of which projects (of all, without any), and which properties hold them."""

    projects: Projects = ()
    text_properties: Annotated[tuple[str, ...], Meta(min_length=1, max_length=100)] = TEXT_PROPERTIES


_ANYBODY: Final[tuple[Method, ...]] = ("combination", "language_model", "")
_LAST_WORD: Final[tuple[Method, ...]] = ("language_model",)


async def rescore(context: Context) -> int:
    """Judge what is not judged yet, newest first, and what the language model has not; how many opinions.

    Raises:
        StoreError: the store did not answer; what was judged until then is kept.
    """
    if not context.judges_texts:
        return 0
    arguments: RescoreArguments = context.arguments
    since = context.clock() - BACK
    found = await projects_with_texts(context.store, since)
    projects = [name for name in found if not arguments.projects or name in arguments.projects]
    model, until = context.language_model, monotonic() + ASKING_S

    async def rescored(project: str) -> int:
        judged = await _judged_by_methods(context, project, since)
        if model is not None:
            judged += await _judged_by_model(context, _Asking(model, until), project, since)
        return judged

    return await by_project(context, projects, rescored)


async def _judged_by_methods(context: Context, project: str, since: datetime) -> int:
    names = context.arguments.text_properties
    texts = await not_judged_by(context.store, project, since, names, MOST, _ANYBODY)
    for some in _some(texts):
        said = await asyncio.to_thread(lambda texts: [by_methods(text.text) for text in texts], some)
        await keep(context.store, project, list(zip(some, said, strict=True)), context.clock())
        await asyncio.sleep(PAUSE_S)
    return len(texts)


async def _judged_by_model(context: Context, asking: _Asking, project: str, since: datetime) -> int:
    """It corrects what the methods have said: now, or in a later run what it does not answer for now."""
    names = context.arguments.text_properties
    texts = await not_judged_by(context.store, project, since, names, MOST, _LAST_WORD)
    judged = 0
    for some in _some(texts):
        if said := await asyncio.to_thread(asking.ask, some):
            await keep(context.store, project, said, context.clock())
            judged += len(said)
        if asking.over:
            break
    return judged


def _some(texts: Sequence[Text]) -> list[Sequence[Text]]:
    return [texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE)]


class _Asking:
    """Asks a language model for so many texts and so long, and for no more once it does not take any."""

    def __init__(self, model: Judge, until: float) -> None:
        self._model = model
        self._until = until
        self._left = ASKED

    @property
    def over(self) -> bool:
        """Whether no more is asked."""
        return self._left <= 0 or monotonic() > self._until

    def ask(self, texts: Sequence[Text]) -> list[tuple[Text, Judged]]:
        """What it says of those that it answers for."""
        said = []
        for text in texts:
            if self.over:
                break
            if not text.text.strip():
                continue
            try:
                said.append((text, by_language_model(text.text, self._model)))
            except NoAnswer as no_answer:
                if no_answer.reason == "given_up":
                    continue
                if no_answer.reason in {"budget", "circuit"}:
                    self._left = 0
                    break
            self._left -= 1
        return said


RESCORE_SENTIMENT: Final = Task(
    name="rescore_sentiment",
    when=crontab("*/10 * * * *"),
    description="Judges texts of the last week by all methods together, and by the language model where one "
    "is configured, newest first: what the stream's VADER says of them stays, what is said later is kept "
    "beside it ([sentiment](sentiment.md)).",
    run=rescore,
    arguments=RescoreArguments,
)
