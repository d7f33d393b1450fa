"""What the stream makes of the records that the API has published."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING

from loopin_schemas import EnrichedEvent
from loopin_schemas.codec import decode
from loopin_streams.enrich.draft import Draft
from loopin_streams.enrich.pipeline import run
from tests.streams.enrich.drafts import RawRecord, context

if TYPE_CHECKING:
    from tests.api.conftest import Broker


def enriched(broker: Broker) -> list[EnrichedEvent]:
    """All of them, taken through every step."""
    now = time_ns() // 1_000_000
    drafts = [Draft(RawRecord(body, offset, now, key)) for offset, (key, body) in enumerate(broker.records)]
    run(drafts, context())
    assert [draft.outcome for draft in drafts] == [None] * len(drafts)
    return [decode(draft.body, EnrichedEvent) for draft in drafts]
