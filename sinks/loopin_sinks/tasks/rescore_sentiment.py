"""The task that judges stored texts by more than the stream can afford."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

from msgspec import Meta

from loopin_sinks.opinions.judged import Judge, Judged, judged
from loopin_sinks.opinions.stored import Text, keep, projects_with_texts, unjudged
from loopin_sinks.tasks.by_project import Projects, by_project
from loopin_sinks.tasks.task import Arguments, Context, Task
from loopin_sinks.tasks.when import crontab
from loopin_text.sentiment import TEXT_PROPERTIES

BACK: Final = timedelta(days=7)
"""Events that are older when they come are left as the stream has scored them."""

MOST: Final = 1_000
"""Texts of a run, of a project: a second's work."""

ASKED: Final = 100
"""Texts of them, the newest, that a language model is asked for."""

AT_ONCE: Final = 20
"""Texts between two pauses: some 10 ms."""

PAUSE_S: Final = 0.02
"""So the process, which stores events as well, has two thirds of its time for that."""


class RescoreArguments(Arguments, frozen=True, forbid_unknown_fields=True):
    """Texts of which projects (of all, without any), and which properties hold them."""

    projects: Projects = ()
    text_properties: Annotated[tuple[str, ...], Meta(min_length=1, max_length=100)] = TEXT_PROPERTIES


async def rescore(context: Context) -> int:
    """Judge what is not judged yet, newest first; how many events.

    Raises:
        StoreError: the store did not answer; what was judged until then is kept.
    """
    arguments: RescoreArguments = context.arguments
    since = context.clock() - BACK
    found = await projects_with_texts(context.store, since)
    projects = [name for name in found if not arguments.projects or name in arguments.projects]
    return await by_project(context, projects, lambda project: _rescored(context, project, since))


async def _rescored(context: Context, project: str, since: datetime) -> int:
    arguments: RescoreArguments = context.arguments
    texts = await unjudged(context.store, project, since, arguments.text_properties, MOST)
    for start in range(0, len(texts), AT_ONCE):
        model = context.language_model if start < ASKED else None
        some = texts[start : start + AT_ONCE]
        said = await asyncio.to_thread(_judge, some, model)
        await keep(context.store, project, list(zip(some, said, strict=True)), context.clock())
        await asyncio.sleep(PAUSE_S)
    return len(texts)


def _judge(texts: Sequence[Text], model: Judge | None) -> list[Judged]:
    return [judged(text.text, model) for text in texts]


RESCORE_SENTIMENT: Final = Task(
    name="rescore_sentiment",
    when=crontab("*/10 * * * *"),
    description="Judges texts of the last week by all methods together, and by the language model where one "
    "is configured, newest first: what the stream's VADER says of them stays, what is said later is kept "
    "beside it ([sentiment](sentiment.md)).",
    run=rescore,
    arguments=RescoreArguments,
)
