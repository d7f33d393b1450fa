"""The whole enrichment, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from time import thread_time
from typing import Final, NamedTuple

import structlog

from loopin_streams.enrich.draft import Context, Dlq, Draft, Outcome
from loopin_streams.enrich.ip_address import ADDRESSES
from loopin_streams.enrich.ip_privacy import WITH_ADDRESS
from loopin_streams.enrich.steps.anonymous import drop_anonymous
from loopin_streams.enrich.steps.bot import flag_bot
from loopin_streams.enrich.steps.catalogued import check_catalogue
from loopin_streams.enrich.steps.clock_skew import correct_clock
from loopin_streams.enrich.steps.decode import decode
from loopin_streams.enrich.steps.duplicate import drop_duplicates
from loopin_streams.enrich.steps.encode import encode_enriched
from loopin_streams.enrich.steps.fingerprint import add_fingerprint
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
from loopin_streams.enrich.user_agents import USER_AGENTS
from loopin_text.fingerprint import READ

log = structlog.get_logger(__name__)

SHARE: Final = 250
"""Drafts that pass through steps which look at one at a time, before the next ones do: the processor's cache
still holds them at the next step, which it does not with a whole batch."""

EachStep = Callable[[Draft, Context], Outcome]
BatchStep = Callable[[Sequence[Draft], Context], None]


class Step(NamedTuple):
    """A named step; a batch step looks at all drafts at once and marks their outcome itself.

    That is all of a batch, or shares of it where it says ``in_shares``. One with ``properties`` has nothing
    to do with an event whose client sent none of these names: most clients send none that any step asks for,
    and then no such step is given the event.
    """

    name: str
    each: EachStep | None = None
    batch: BatchStep | None = None
    in_shares: bool = False
    properties: frozenset[str] = frozenset()


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
    Step("scrub", each=scrub_properties),
    Step("catalogue", each=check_catalogue),
    Step("sentiment", each=score_sentiment),
    # Sees the user agent of a private message before that leaves, where its form is not a browser's.
    Step("bot", each=flag_bot, properties=USER_AGENTS),
    # Before the steps that add names of devices and places, which are nobody's words.
    Step("private_text", each=remove_private_text),
    Step("geo", batch=locate, in_shares=True, properties=ADDRESSES),
    Step("ip", each=keep_ip_private, properties=WITH_ADDRESS),
    Step("user_agent", each=describe_user_agent, properties=USER_AGENTS),
    Step("fingerprint", each=add_fingerprint, properties=READ),
    Step("session", batch=assign_sessions),
    Step("encode", each=encode_enriched),
)


def run(drafts: Sequence[Draft], context: Context, steps: Sequence[Step] = STEPS) -> list[Draft]:
    """Pass the drafts through every step; returns those that came through, in order.

    The others carry their ``outcome`` and the ``step`` that decided it. A step that raises sends its draft
    to the dead letters as ``internal_error`` and the rest go on; a batch step that raises sends all of its.
    """
    live = list(drafts)
    costs = {step.name: (0.0, 0) for step in steps}
    for whole, group in groupby(steps, key=_needs_all):
        among = tuple(group)
        size = len(live) if whole else SHARE
        shares = [live[at : at + size] for at in range(0, len(live), size or 1)]
        live = [draft for share in shares for draft in _through(among, share, context, costs)]
    context.costs.add((name, seconds, given) for name, (seconds, given) in costs.items())
    return live


def _needs_all(step: Step) -> bool:
    return step.batch is not None and not step.in_shares


def _through(
    steps: Sequence[Step], drafts: list[Draft], context: Context, costs: dict[str, tuple[float, int]]
) -> list[Draft]:
    """Those that come through some of the steps, whose costs are added up."""
    live = drafts
    naming: list[Draft] | None = None
    begun = thread_time()
    for step in steps:
        concerned = live
        if step.properties:
            if naming is None:
                naming = _naming(live, steps)
            concerned = [draft for draft in naming if draft.outcome is None]
        decided = False
        if not concerned:
            pass
        elif step.each is not None:
            decided = _run_each(step.name, step.each, concerned, context)
        elif step.batch is not None:
            decided = _run_batch(step.name, step.batch, concerned, context)
        ended = thread_time()
        seconds, given = costs[step.name]
        costs[step.name] = seconds + ended - begun, given + len(live)
        begun = ended
        if decided:
            for draft in live:
                if draft.outcome is not None:
                    draft.step = step.name
            live = [draft for draft in live if draft.outcome is None]
    return live


def _naming(drafts: Sequence[Draft], steps: Sequence[Step]) -> list[Draft]:
    """Those with a property that some step asks for: one look, because most events have none."""
    names = frozenset[str]().union(*(step.properties for step in steps))
    return [draft for draft in drafts if not draft.properties.keys().isdisjoint(names)]


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
    return [draft.outcome for draft in drafts].count(None) < len(drafts)


def _failure(name: str, error: Exception) -> Dlq:
    return Dlq("internal_error", None, f"The step {name} failed ({type(error).__name__}).")
