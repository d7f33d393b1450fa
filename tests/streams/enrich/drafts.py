"""Drafts as they reach a step: taken through the steps before it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from loopin_streams.enrich.draft import Context, Draft, Origin
from loopin_streams.enrich.pipeline import STEPS, run
from loopin_streams.enrich.seen import Seen
from loopin_streams.projects.project import Projects
from loopin_streams.state.keyed_store import MemoryStore
from loopin_streams.state.profiles import Profiles
from loopin_streams.windows.open_windows import OpenWindows
from loopin_text.sentiment import TEXT_PROPERTIES

RECEIVED_MS = 1_800_000_000_000
TOPIC_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
UUID = "01a2b3c4-0000-7000-8000-00000000000a"


@dataclass
class RawRecord:
    """A record of events.raw."""

    value: bytes | None
    offset: int = 0
    timestamp: int = RECEIVED_MS
    key: bytes | None = b"demo:u1"


def body(**fields: Any) -> bytes:
    """A good event, with some fields changed."""
    good = {"project": "demo", "event": "click", "distinct_id": "u1", "uuid": UUID}
    return json.dumps(good | fields).encode()


def context(
    *,
    sentiment: bool = True,
    text_properties: tuple[str, ...] = TEXT_PROPERTIES,
    partition: int = 0,
    partitions: int = 1,
) -> Context:
    return Context(
        origin=Origin("loopin.events.raw", TOPIC_ID, partition),
        text_properties=text_properties,
        sentiment=sentiment,
        seen=Seen(),
        profiles=Profiles(MemoryStore()),
        windows=OpenWindows(),
        partitions=partitions,
        projects=Projects(),
    )


def draft_before(
    step: str,
    value: bytes | None,
    *,
    at: Context | None = None,
    offset: int = 0,
    received: int = RECEIVED_MS,
) -> Draft:
    """A draft that has passed every step before ``step``."""
    draft = Draft(RawRecord(value, offset, received))
    before = list(takewhile(lambda known: known.name != step, STEPS))
    assert len(before) < len(STEPS), f"there is no step {step}"
    assert run([draft], at or context(), before) == [draft], draft.outcome
    return draft


GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
OF_GOOGLEBOT_IN_BRITAIN = {
    "$is_bot": True,
    "$bot_name": "Googlebot",
    "$geoip_country_code": "GB",
    "$geoip_country_name": "United Kingdom",
    "$browser": "Googlebot",
    "$browser_version": "2.1",
    "$device": "Spider",
}
"""What the stream adds to an event of this visitor."""
