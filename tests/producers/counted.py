"""Which captured events count with ``track_anonymous_users`` off, as the pipeline's own step decides."""

from __future__ import annotations

from dataclasses import replace
from time import time_ns

from loopin_schemas import Event, encode
from loopin_streams.enrich.steps.anonymous import drop_anonymous
from tests.producers.recorder import Recorder
from tests.streams.enrich.drafts import context, draft_before


def counted(recorder: Recorder) -> list[Event]:
    """Those that are left."""
    drafts = [
        draft_before("anonymous", encode(event), received=time_ns() // 1_000_000) for event in recorder.kept
    ]
    drop_anonymous(drafts, replace(context(), track_anonymous_users=False))
    return [draft.event for draft in drafts if draft.outcome is None]
