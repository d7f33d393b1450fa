"""Sessions that the stream gives, batch by batch."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from loopin_schemas.codec import decode
from loopin_schemas.event import EnrichedEvent
from loopin_streams.enrich.job import EnrichJob, EnrichOptions
from loopin_streams.enrich.steps.session import assign_sessions
from loopin_streams.state.sessions import session_id
from tests.streams.enrich.drafts import RECEIVED_MS, TOPIC_ID, RawRecord, body, context, draft_before

MINUTE = 60_000


def test_a_session_of_the_clients_own_stays() -> None:
    for fields in ({"session_id": "mine"}, {"properties": {"$session_id": "mine"}}):
        draft = draft_before("session", body(**fields))
        assign_sessions([draft], context())
        assert draft.enriched.session_id == "mine"


def test_others_get_that_of_their_user() -> None:
    at = context()
    drafts = [draft_before("session", body(uuid=None, distinct_id=user)) for user in ("u1", "u2", "u1")]
    assign_sessions(drafts, at)
    first, other, again = [draft.enriched.session_id for draft in drafts]
    assert first == again == session_id(b"demo:u1", RECEIVED_MS)
    assert other == session_id(b"demo:u2", RECEIVED_MS)
    assert drafts[0].profile is drafts[2].profile
    assert drafts[0].profile.session.events == 2


def test_the_timeout_is_a_setting() -> None:
    for timeout, sessions in ((MINUTE, 2), (5 * MINUTE, 1)):
        at = replace(context(), session_timeout_ms=timeout)
        drafts = [
            draft_before("session", body(uuid=None, timestamp=RECEIVED_MS - ago)) for ago in (2 * MINUTE, 0)
        ]
        assign_sessions(drafts, at)
        assert len({draft.enriched.session_id for draft in drafts}) == sessions


@pytest.mark.parametrize("seed", range(3))
def test_a_restart_gives_the_same_sessions_whatever_the_batches(seed: int) -> None:
    """As after a kill: the profiles are read back, and the rest of the log comes in other batches."""
    draw = random.Random(seed)
    log = [
        RawRecord(
            body(
                uuid=None,
                distinct_id=f"u{draw.randrange(4)}",
                timestamp=RECEIVED_MS - draw.randrange(400 * MINUTE),
            ),
            offset,
        )
        for offset in range(300)
    ]
    assert _sessions(log, [300]) == _sessions(log, sorted(draw.sample(range(1, 300), 5)) + [300])


def _sessions(log: list[RawRecord], ends: list[int]) -> list[str | None]:
    job = EnrichJob(EnrichOptions("loopin.", 1))
    history: list[RawRecord] = []
    found: list[str | None] = []
    begin = 0
    for end in ends:
        absorber = job.open(0, TOPIC_ID)
        absorber.restore("profiles", history)
        output = absorber.absorb(log[begin:end], end)
        history += [RawRecord(value, key=key) for key, value in output.messages["profiles"]]
        events = [decode(value or b"", EnrichedEvent) for _, value in output.messages["events.enriched"]]
        found += [event.session_id for event in events]
        begin = end
    return found
