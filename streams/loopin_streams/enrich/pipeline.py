"""The whole enrichment, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import thread_time
from typing import NamedTuple

import structlog

from loopin_streams.enrich.costs import Cost
from loopin_streams.enrich.draft import Context, Dlq, Draft, Outcome
from loopin_streams.enrich.steps.anonymous import drop_anonymous
from loopin_streams.enrich.steps.bot import flag_bot
from loopin_streams.enrich.steps.catalogued import check_catalogue
from loopin_streams.enrich.steps.clock_skew import correct_clock
from loopin_streams.enrich.steps.decode import decode
from loopin_streams.enrich.steps.duplicate import drop_duplicates
from loopin_streams.enrich.steps.encode import encode_enriched
from loopin_streams.enrich.steps.geo import locate
from loopin_streams.enrich.steps.ip import keep_ip_private
from loopin_streams.enrich.steps.lateness import mark_late
from loopin_streams.enrich.steps.partition import move_misplaced
from loopin_streams.enrich.steps.private_text import remove_private_text
from loopin_streams.enrich.steps.repeated_names import settle_repeated_names
from loopin_streams.enrich.steps.sampling import sample_users
from loopin_streams.enrich.steps.scrub import scrub_properties
from loopin_streams.enrich.steps.sentiment import score_sentiment
from loopin_streams.enrich.steps.session import assign_sessions
from loopin_streams.enrich.steps.user_agent import describe_user_agent
from loopin_streams.enrich.steps.validate import validate

log = structlog.get_logger(__name__)

EachStep = Callable[[Draft, Context], Outcome]
BatchStep = Callable[[Sequence[Draft], Context], None]


class Step(NamedTuple):
    """A named step; a batch step looks at all drafts at once and marks their outcome itself."""

    name: str
    each: EachStep | None = None
    batch: BatchStep | None = None


STEPS: tuple[Step, ...] = (
    Step("decode", each=decode),
    Step("validate", each=validate),
    Step("repeated_names", each=settle_repeated_names),
    Step("clock_skew", each=correct_clock),
    Step("partition", batch=move_misplaced),
    Step("duplicate", batch=drop_duplicates),
    Step("anonymous", batch=drop_anonymous),
    Step("sampling", batch=sample_users),
    Step("lateness", each=mark_late),
    Step("bot", each=flag_bot),
    Step("scrub", each=scrub_properties),
    Step("geo", batch=locate),
    Step("ip", each=keep_ip_private),
    Step("user_agent", each=describe_user_agent),
    Step("catalogue", each=check_catalogue),
    Step("sentiment", each=score_sentiment),
    Step("private_text", each=remove_private_text),
    Step("session", batch=assign_sessions),
    Step("encode", each=encode_enriched),
)


def run(drafts: Sequence[Draft], context: Context, steps: Sequence[Step] = STEPS) -> list[Draft]:
    """Pass the drafts through every step; returns those that came through, in order.

    The others carry their ``outcome`` and the ``step`` that decided it. A step that raises sends its draft
    to the dead letters as ``internal_error`` and the rest go on; a batch step that raises sends all of its.
    """
    live = list(drafts)
    costs: list[Cost] = []
    begun = thread_time()
    for step in steps:
        given = len(live)
        decided = False
        if step.each is not None:
            decided = _run_each(step.name, step.each, live, context)
        elif step.batch is not None:
            decided = _run_batch(step.name, step.batch, live, context)
        if decided:
            for draft in live:
                if draft.outcome is not None:
                    draft.step = step.name
            live = [draft for draft in live if draft.outcome is None]
        ended = thread_time()
        costs.append((step.name, ended - begun, given))
        begun = ended
    context.costs.add(costs)
    return live


def _run_each(name: str, step: EachStep, drafts: Sequence[Draft], context: Context) -> bool:
    """Whether the step has decided on a draft."""
    decided = False
    for draft in drafts:
        try:
            outcome = step(draft, context)
        except Exception as error:
            # A defect of ours must neither stop the stream nor lose the event: it can be replayed.
            log.exception("step_failed", step=name, offset=draft.record.offset)
            outcome = _failure(name, error)
        if outcome is not None:
            draft.outcome = outcome
            decided = True
    return decided


def _run_batch(name: str, step: BatchStep, drafts: Sequence[Draft], context: Context) -> bool:
    """Whether the step has decided on a draft."""
    try:
        step(drafts, context)
    except Exception as error:
        log.exception("step_failed", step=name, events=len(drafts))
        for draft in drafts:
            draft.outcome = _failure(name, error)
    return any(draft.outcome is not None for draft in drafts)


def _failure(name: str, error: Exception) -> Dlq:
    return Dlq("internal_error", None, f"The step {name} failed ({type(error).__name__}).")
