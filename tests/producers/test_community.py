from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise

from loopin_producers import Loopin
from loopin_producers.community import REPEATS, USERS, Published, community_events, publish_community
from loopin_producers.community_texts import COMMENTS, FEEDBACK, REVIEWS
from loopin_schemas.catalogue import by_name, check_properties_types
from loopin_schemas.validation import decode_event, validate
from loopin_text.sentiment import label, score

from .conftest import Broker, ReadAll

NOW = time.time_ns() // 1_000_000
DAY_MS = 86_400_000


def test_a_week_of_varied_events() -> None:
    events = list(community_events(NOW))
    names = Counter(event.event for event in events)
    assert 350 <= len(events) <= 450
    assert len({event.distinct_id for event in events}) == USERS
    assert len(names) >= 20
    for name in (
        "ticket_purchased",
        "event_reviewed",
        "payment_failed",
        "geo_access_checked",
        "event_created",
    ):
        assert names[name] >= 3
    assert len({(NOW - event.timestamp) // DAY_MS for event in events}) == 7
    assert all(0 <= NOW - event.timestamp < 7 * DAY_MS for event in events)
    assert sum(NOW - event.timestamp < DAY_MS // 24 for event in events) >= 5
    assert all(
        set(event.properties) >= {"amount", "currency"} for event in events if "purchased" in event.event
    )


def test_repeats_carry_the_uuid_of_an_earlier_event() -> None:
    events = list(community_events(NOW))
    good, repeats = events[:-REPEATS], events[-REPEATS:]
    assert len({event.uuid for event in good}) == len(good)
    assert all(event in good for event in repeats)
    assert all(earlier.timestamp <= later.timestamp for earlier, later in pairwise(good))


def test_same_seed_same_week_whenever() -> None:
    today, tomorrow = list(community_events(NOW, 3)), list(community_events(NOW + DAY_MS, 3))
    assert [replace(event, timestamp=event.timestamp + DAY_MS) for event in today] == tomorrow
    assert today != list(community_events(NOW, 4))


def test_texts_read_as_they_are_rated() -> None:
    expected = {1: "negative", 2: "negative", 3: "neutral", 4: "positive", 5: "positive"}
    for rating, text in REVIEWS:
        assert label(score(text)) == expected[rating], text
    assert {label(score(text)) for text in COMMENTS} == set(expected.values())
    assert len({*COMMENTS, *(text for _, text in (*REVIEWS, *FEEDBACK))}) >= 30


def test_every_event_is_catalogued_with_the_right_properties() -> None:
    for event in community_events(NOW):
        assert by_name(event.event) is not None or event.event == "$identify"
        assert check_properties_types(event.event, event.properties) == (), event


def test_every_event_passes_the_clients_checks() -> None:
    client = Loopin("127.0.0.1:1", "demo", disabled=True)
    for event in community_events(NOW):
        client.capture(
            event.event,
            event.distinct_id,
            event.properties,
            timestamp=event.timestamp,
            uuid=event.uuid,
            session_id=event.session_id,
        )


def test_published_counts_are_what_the_broker_holds(
    kafka: Broker, raw_topic: str, topic_prefix: str, read_all: ReadAll
) -> None:
    with Loopin(kafka.bootstrap, "demo", topic_prefix=topic_prefix) as client:
        published = publish_community(client, NOW)
        assert client.flush(20) == 0
        assert client.stats().delivered == published.total
    records = read_all(published.total)
    good = []
    for record in records:
        if b"broken" not in (record.key() or b""):
            good.append(decode_event(record.value() or b""))
            validate(good[-1])
    uuids = Counter(event.uuid for event in good)
    repeats = sum(count - 1 for count in uuids.values())
    assert Published(len(uuids), repeats, len(records) - len(good)) == published
