"""What is known of users after a rebuild, against what the stream knew."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import cast

from loopin_schemas.codec import decode
from loopin_schemas.event import EnrichedEvent
from loopin_schemas.example import Example
from loopin_schemas.topics import event_key
from loopin_streams.learning.answers import Answers
from loopin_streams.projects.project import Projects
from loopin_streams.rebuild.enrich import EnrichRebuild, Plan
from loopin_streams.rebuild.letters import Letters
from loopin_streams.rebuild.position import Position
from loopin_streams.rebuild.truth import Share, Span, StoredEvent, Truth
from loopin_streams.settings import StreamSettings
from tests.streams.enrich.drafts import RECEIVED_MS
from tests.streams.enrich.ledger import Ledger, raw
from tests.streams.plain_state import DAY, HOUR, MINUTE, Happened

NAMES = ("message_sent", "event_joined", "$pageview", "event_viewed")


@dataclass
class Stored:
    """A store of these events."""

    log: list[Happened]

    async def spans(self, share: Share) -> list[Span]:
        return [Span(0, 1 << 52, len(self.log))]

    async def events(self, share: Share, span: Span) -> AsyncGenerator[list[StoredEvent], None]:
        yield [
            StoredEvent(
                event_key(each.project, each.user),
                EnrichedEvent(
                    uuid="",
                    project=each.project,
                    event=each.event,
                    distinct_id=each.user,
                    timestamp=each.at,
                    received_at=each.received,
                    raw_partition=0,
                    raw_offset=offset,
                ),
                dict(each.properties),
            )
            for offset, each in enumerate(self.log)
        ]


def log() -> list[Happened]:
    """Users who come each day, most of whom stay away from some day on."""
    found = []
    for day in range(60):
        for user in range(40):
            if day < 12 + user:
                at = RECEIVED_MS + day * DAY + user * MINUTE
                more = {"event_id": f"event-{day}", "community_id": f"c{user % 3}", "category": "music"}
                found += [
                    Happened("demo", f"u{user}", name, at + number, at + number, more)
                    for number, name in enumerate(NAMES)
                ]
    return found


def told(ledger: Ledger) -> set[tuple[str, str, str, int]]:
    examples = [decode(value or b"", Example) for _, value in ledger.routed.get(("examples", 0), [])]
    found = [(each.target, each.distinct_id, each.subject, each.made_at) for each in examples]
    assert len(found) == len(set(found))
    return set(found)


async def test_users_are_known_as_before_and_nothing_is_told_once_more() -> None:
    ledger, events = Ledger(), log()
    absorber = ledger.open()
    for day in range(60):
        of_day = [(n, each) for n, each in enumerate(events) if (each.at - RECEIVED_MS) // DAY == day]
        if of_day:
            ledger.absorb(absorber, [raw(offset, each) for offset, each in of_day])
        for hour in range(1, 24):
            ledger.idle(absorber, RECEIVED_MS + day * DAY + hour * HOUR)
    watermark = ledger.marker.watermark
    assert watermark is not None
    # Everybody had a turn within the last day; a rebuild gives all theirs at once.
    everybody = list(absorber.context.profiles.keys())
    absorber.give_turns(everybody, watermark)
    before = told(ledger)
    assert {target for target, *_ in before} == {"churn", "conversion", "attendance", "session"}

    settings = StreamSettings(topic_prefix="loopin.")
    work = EnrichRebuild(
        settings, cast("Truth", Stored(events)), 1, {}, watermark, Projects(), Answers(), lambda _: None
    )
    rebuilt = Ledger().open()
    plan = Plan(0, Position(0, 0, None, None), Letters(), None, frozenset())
    assert await work._count(plan, rebuilt) == len(events)
    assert rebuilt.context.foresight.examples == rebuilt.context.detector.examples == []
    for key in everybody:
        [was], [now] = absorber.context.profiles.load([key]), rebuilt.context.profiles.load([key])
        assert was is not None
        assert now is not None
        assert now.habits == was.habits
        assert now.behaviour == was.behaviour
        assert now.scores.keys() == was.scores.keys()
        if not was.scores:
            assert now.looked_at == was.looked_at == was.last_seen + 30 * DAY

    successor = Ledger(marker=ledger.marker, topics={"profiles": list(rebuilt.context.profiles.messages())})
    opened = successor.open()
    for hour in range(24 * 40):
        successor.idle(opened, watermark + 2 * MINUTE + hour * HOUR)
    assert told(successor)
    assert not told(successor) & before
