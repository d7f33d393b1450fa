from __future__ import annotations

import json

from loopin_streams.enrich.steps.encode import encode_enriched
from loopin_streams.state.sessions import session_id
from tests.streams.enrich.drafts import RECEIVED_MS, UUID, body, context, draft_before


def test_the_body_is_the_enriched_event_as_json() -> None:
    at = context(partition=3, partitions=7)
    draft = draft_before("encode", body(properties={"review": "a chair"}), at=at, offset=7)
    assert encode_enriched(draft, at) is None
    assert json.loads(draft.body) == {
        "uuid": UUID,
        "project": "demo",
        "event": "click",
        "distinct_id": "u1",
        "timestamp": RECEIVED_MS,
        "received_at": RECEIVED_MS,
        "session_id": session_id(b"demo:u1", RECEIVED_MS),
        "properties": {"review": "a chair"},
        "sentiment": 0.0,
        "sentiment_label": "neutral",
        "_raw_partition": 3,
        "_raw_offset": 7,
    }
