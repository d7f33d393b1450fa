"""The messages that every system reads: seeded events, in a file, and published from it.

One line a message: the record's key, a tab, its JSON body. The same seed and number give the same file but
for its times. A user's events have one key, so they lie in one partition in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from confluent_kafka import Producer

from loopin_producers.channel import producer_config
from tests.bench.texts import COMMENTS, FEEDBACK, REVIEWS

PROJECT = "bench"
SPAN_MS = 600_000
"""Event time that the messages cover, however many they are: 60 windows of 10 s, 10 minutes."""

DAY_MS = 86_400_000

LATE_SHARE = 0.05
LATEST_MS = 5_000
"""Most that an event is late by, within its partition."""

INVALID_SHARE = 0.001
INVALID_ID = "null"
"""A distinct_id that validation refuses: it would merge strangers into one user."""

NAMES = (
    "$pageview",
    "event_viewed",
    "content_viewed",
    "search_performed",
    "content_commented",
    "event_reviewed",
    "payment_succeeded",
    "ticket_purchased",
    "payment_refunded",
)
_SHARES = (0.34, 0.18, 0.10, 0.08, 0.08, 0.04, 0.08, 0.08, 0.02)
_PAID = {"payment_succeeded", "ticket_purchased", "payment_refunded"}
_COUNTRIES = ("DE", "FR", "GB", "NL", "TR", "US", "AE", "IN", "ES", "PL")
_PATHS = ("/", "/events", "/communities", "/calendar", "/events/summer-night", "/u/settings")
_TEXTS = tuple(
    f"{first} {second}"
    for _, first in (*REVIEWS, *FEEDBACK)
    for second in (*COMMENTS, *(t for _, t in REVIEWS))
)

_FLUSH_S = 60.0


@dataclass(frozen=True)
class Messages:
    """What to make.

    Args:
        events: how many.
        start_ms: epoch ms of the first event's minute.
        users: how many there are.
        zipf: whether few of them send most events, as on a real site; otherwise all send alike.
        seed: another one gives other messages.
    """

    events: int
    start_ms: int
    users: int = 50_000
    zipf: bool = True
    seed: int = 4


def introductions(
    users: int, start_ms: int, days_ago: int = 0, name: str = "$pageview"
) -> Iterator[tuple[bytes, bytes]]:
    """Key and body of one event of each user, so many days before, so that every one of them is known."""
    random_bytes = np.random.default_rng((users, days_ago)).bytes(16 * users).hex()
    first_ms = start_ms - days_ago * DAY_MS
    for user in range(users):
        body = (
            f'{{"project":"{PROJECT}","event":"{name}","distinct_id":"member-{user:07d}",'
            f'"uuid":"{_uuid(random_bytes[32 * user : 32 * user + 32])}",'
            f'"timestamp":{first_ms + user * SPAN_MS // users},"session_id":"s-{user:07d}-{days_ago}",'
            f'"properties":{_properties(name, user, 4 + user % 396, 0)}}}'
        )
        yield f"{PROJECT}:member-{user:07d}".encode(), body.encode()


def write_messages(wanted: Messages, path: Path) -> None:
    """Write the file."""
    with path.open("wb") as file:
        for key, body in lines(wanted):
            file.write(b"%b\t%b\n" % (key, body))


def lines(wanted: Messages) -> Iterator[tuple[bytes, bytes]]:
    """Key and body of each message, in the order of publishing."""
    rng = np.random.default_rng(wanted.seed)
    count = wanted.events
    names = rng.choice(len(NAMES), count, p=_SHARES).tolist()
    weights = np.cumsum(1 / np.arange(1, wanted.users + 1) if wanted.zipf else np.ones(wanted.users))
    users = np.searchsorted(weights, rng.random(count) * weights[-1]).tolist()
    late = np.where(rng.random(count) < LATE_SHARE, rng.integers(0, LATEST_MS, count), 0)
    times = wanted.start_ms + np.maximum(np.arange(count) * SPAN_MS // count - late, 0)
    quarters = rng.integers(4, 400, count).tolist()
    texts = rng.choice(len(_TEXTS), count).tolist()
    invalid = (rng.random(count) < INVALID_SHARE).tolist()
    random_bytes = rng.bytes(16 * count).hex()
    for at, (name, user, time) in enumerate(zip(names, users, times.tolist(), strict=True)):
        distinct_id = INVALID_ID if invalid[at] else f"member-{user:07d}"
        key = f"{PROJECT}:{distinct_id}"
        properties = _properties(NAMES[name], user, quarters[at], texts[at])
        body = (
            f'{{"project":"{PROJECT}","event":"{NAMES[name]}","distinct_id":"{distinct_id}",'
            f'"uuid":"{_uuid(random_bytes[32 * at : 32 * at + 32])}","timestamp":{time},'
            f'"session_id":"s-{user:07d}-1","properties":{properties}}}'
        )
        yield key.encode(), body.encode()


def read_messages(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Key and body of each message of a file."""
    with path.open("rb") as file:
        for line in file:
            key, _, body = line.rstrip(b"\n").partition(b"\t")
            yield key, body


def publish(messages: Iterable[tuple[bytes, bytes]], bootstrap: str, topic: str) -> int:
    """Publish messages as the client SDK would, and wait for the broker; returns how many.

    Raises:
        RuntimeError: the broker did not take all of them.
    """
    producer = Producer(producer_config(bootstrap, 100_000, {"log_level": 0}))
    count = 0
    for key, body in messages:
        produce(producer, topic, key, body)
        count += 1
    if left := producer.flush(_FLUSH_S):
        raise RuntimeError(f"{left} messages were not taken by the broker")
    return count


def produce(producer: Producer, topic: str, key: bytes, body: bytes, partition: int = -1) -> None:
    """Queue one message, waiting for room; -1 leaves the partition to the key."""
    while True:
        try:
            producer.produce(topic, key=key, value=body, partition=partition)
        except BufferError:
            producer.poll(0.1)
        else:
            producer.poll(0)
            return


def closing_messages(start_ms: int, partitions: int, after_ms: int) -> list[tuple[bytes, bytes, int]]:
    """Key, body and partition of events far beyond the others, of each filtered name and each country.

    Windows are closed by the events that follow, and a preloaded topic has none; their own windows are not
    looked at.
    """
    time = start_ms + SPAN_MS + after_ms
    return [
        (
            b"closer",
            f'{{"project":"{PROJECT}","event":"{name}","distinct_id":"closer","timestamp":{time},'
            f'"uuid":"{_uuid(f"{partition:08x}{at:04x}{place:04x}".rjust(32, "f"))}",'
            f'"properties":{{"country":"{country}","amount":1.0}}}}'.encode(),
            partition,
        )
        for partition in range(partitions)
        for at, name in enumerate(NAMES)
        for place, country in enumerate(_COUNTRIES)
    ]


def _properties(name: str, user: int, quarters: int, text: int) -> str:
    country = _COUNTRIES[user % len(_COUNTRIES)]
    path = _PATHS[quarters % len(_PATHS)]
    common = f'"country":"{country}","path":"{path}","device_type":"mobile","os":"Android"'
    if name in _PAID:
        # Quarters are exact in binary: sums agree to the bit, whatever their order.
        paid = f'"amount":{quarters / 4},"currency":"EUR","payment_method":"card"'
        return f'{{{common},{paid},"event_id":"event-{quarters:03d}"}}'
    if name in ("content_commented", "event_reviewed"):
        return f'{{{common},"object_id":"post-{quarters:03d}","text":"{_TEXTS[text]}"}}'
    return (
        f'{{{common},"referrer":"https://loopin.example/events?page={quarters}","browser":"Chrome Mobile"}}'
    )


def _uuid(digits: str) -> str:
    """32 hexadecimal digits as a random UUID (version 4)."""
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"
