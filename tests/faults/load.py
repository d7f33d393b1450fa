"""What a case publishes: seeded records of a community platform, made without the code that is judged.

The same shape gives the same records. Users follow a Zipf law; some begin anonymous; some events are out of
order, some are sent twice, some are broken.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import NamedTuple
from uuid import UUID

from tests.faults.identities import Event, with_identities
from tests.faults.poison import ALARMING, Refused, alarming, poison
from tests.faults.vocabulary import COUNTRIES, EVENTS, ODD_COUNTRIES, WEIGHTS

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

OUT_OF_ORDER = 0.05
REPEATED = 0.01
POISON = 0.001
ALARMING_KEY = ALARMING.encode()
PAYMENTS, FAILED_PAYMENTS = 20, 5
"""The least of which a share is judged, and more than the tenth of them that a warning takes."""

LEAST_POISON = 60
"""However few the events, so many records are broken: each kind four times."""


class Record(NamedTuple):
    """One record for ``events.raw``.

    ``poison`` says, of one that is broken on purpose, why it is refused; ``partition``, of one that a foreign
    partitioner has placed, where it goes.
    """

    key: bytes
    body: bytes
    poison: Refused | None = None
    partition: int | None = None


@dataclass(frozen=True)
class Shape:
    """How the records of a case differ from an ordinary day.

    Args:
        events: distinct good events.
        seed: of everything random.
        until_ms: about the time of publishing (epoch ms); event times run up to it.
        minutes: how far back the first event lies.
        anonymous_one_of: of so many users one begins anonymous.
        history_hours: a tenth of the events lies in so many hours before that, published first.
        hot_times: the first user has so many times the events that Zipf's law gives.
        skewed: share of users whose clock is a day ahead or behind; half of them say when they sent.
        late: events of one batch in the middle, half up to an hour late, half months old.
        huge: records of 1 MB, spread evenly.
        deliveries: how often each client batch arrives.
        poison_partition: (partition, of how many): all of its records are broken, and can be mended.
        misplaced: (share, of how many partitions): good records that go to another one than their user's.
        alarming: records of a project that sends nothing good, at nine tenths of the log.
        spikes: projects in each of which a quarter of twenty payments fails, evenly over the log.
    """

    events: int
    seed: int
    until_ms: int
    minutes: int = 40
    anonymous_one_of: int = 33
    history_hours: int = 0
    hot_times: float = 1
    skewed: float = 0
    late: int = 0
    huge: int = 0
    deliveries: int = 1
    poison_partition: tuple[int, int] | None = None
    misplaced: tuple[float, int] | None = None
    alarming: int = 0
    spikes: int = 0


def make_records(shape: Shape) -> list[Record]:
    """The records of a shape, in the order of publishing."""
    rng = random.Random(shape.seed)
    events = list(_events(rng, shape))
    with_identities(events, shape.seed, shape.anonymous_one_of)
    if shape.late:
        _make_late(rng, events, shape)
    if shape.skewed:
        _skew_clocks(rng, events, shape)
    records = [Record(_key(event), json.dumps(event, ensure_ascii=False).encode()) for event in events]
    if shape.poison_partition is not None:
        records = _broken_partition(records, *shape.poison_partition)
    records = _with_repeats(rng, records)
    records = _with_poison(rng, records)
    if shape.huge:
        records = _with_huge(records, shape.huge)
    if shape.misplaced is not None:
        records = [_misplaced(rng, record, *shape.misplaced) for record in records]
    if shape.alarming:
        at = 9 * len(records) // 10
        records[at:at] = [Record(ALARMING_KEY, *alarming(number)) for number in range(shape.alarming)]
    if shape.spikes:
        records = _with_spikes(records, shape)
    if shape.deliveries > 1:
        records = [record for batch in _batches(records) for _ in range(shape.deliveries) for record in batch]
    return records


def spike_project(number: int) -> str:
    """The project of a spike."""
    return f"spike-{number}"


def _with_spikes(records: Sequence[Record], shape: Shape) -> list[Record]:
    """Payments of a moment among the records of that moment; only the last of them makes it too many."""
    found: list[Record] = []
    every = len(records) // (shape.spikes + 1)
    for at, record in enumerate(records):
        number, rest = divmod(at, every)
        if rest == 0 and 0 < number <= shape.spikes:
            back = shape.minutes * MINUTE_MS * (len(records) - at) // len(records)
            found += _payments(spike_project(number - 1), shape.until_ms - back)
        found.append(record)
    return found


def _payments(project: str, time_ms: int) -> Iterator[Record]:
    for number in range(PAYMENTS):
        failed = number < FAILED_PAYMENTS - 1 or number == PAYMENTS - 1
        event: Event = {
            "project": project,
            "event": "payment_failed" if failed else "payment_succeeded",
            "distinct_id": "payer",
            "uuid": str(UUID(int=hash_of(f"{project} {number}"), version=4)),
            "timestamp": time_ms,
            "properties": {},
        }
        yield Record(_key(event), json.dumps(event).encode())


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Kafka's own clients choose for a key (murmur2)."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def _events(rng: random.Random, shape: Shape) -> Iterator[Event]:
    users = _users(shape)
    for at, time_ms in enumerate(_times(rng, shape)):
        (user,) = rng.choices(users.names, cum_weights=users.up_to)
        (kind,) = rng.choices(EVENTS, cum_weights=WEIGHTS)
        properties = kind.properties(rng)
        if kind.placed:
            country = COUNTRIES[hash_of(user) % len(COUNTRIES)]
            properties["country"] = rng.choice(ODD_COUNTRIES) if rng.random() < 0.01 else country
        event: Event = {
            "project": "club" if user.endswith("7") else "shop",
            "event": kind.name,
            "distinct_id": user,
            "properties": properties,
        }
        if rng.random() > 0.01:
            event["uuid"] = str(UUID(int=rng.getrandbits(128), version=4))
        if rng.random() < 0.3:
            event["session_id"] = f"session-{rng.randrange(1000)}"
        # Without a time, the broker's counts: only near the end is that the time which is meant.
        if at < 0.9 * shape.events or rng.random() > 0.2:
            event["timestamp"] = _written(rng, time_ms)
        yield event


class _Users(NamedTuple):
    names: list[str]
    up_to: list[float]
    """Cumulative weights."""


def _users(shape: Shape) -> _Users:
    count = max(20, shape.events // 20)
    weights = [1 / rank for rank in range(1, count + 1)]
    weights[0] *= shape.hot_times
    return _Users([f"user-{number}" for number in range(count)], list(accumulate(weights)))


def hash_of(user: str) -> int:
    """A number of a user's own, the same in every run."""
    return _murmur2(user.encode())


def _times(rng: random.Random, shape: Shape) -> Iterator[int]:
    """Event times in the order of publishing: rising but for those that are out of order."""
    recent = shape.minutes * MINUTE_MS
    old = shape.events // 10 if shape.history_hours else 0
    begin = shape.until_ms - recent - shape.history_hours * HOUR_MS
    for at in range(old):
        yield begin + shape.history_hours * HOUR_MS * at // old
    new = shape.events - old
    for at in range(new):
        late = rng.randrange(1_000, 10 * MINUTE_MS) if rng.random() < OUT_OF_ORDER else 0
        yield shape.until_ms - recent + recent * at // new - late


def _written(rng: random.Random, time_ms: int) -> int | str:
    """A time as one client or another writes it."""
    if rng.random() < 0.6:
        return time_ms
    moment = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


def _make_late(rng: random.Random, events: list[Event], shape: Shape) -> None:
    first = len(events) // 2
    for event in events[first : first + shape.late]:
        if rng.random() < 0.5:
            event["timestamp"] = shape.until_ms - rng.randrange(HOUR_MS)
        else:
            event["timestamp"] = shape.until_ms - rng.randrange(30 * DAY_MS, 80 * DAY_MS)


def _skew_clocks(rng: random.Random, events: list[Event], shape: Shape) -> None:
    for event in events:
        number = hash_of(event["distinct_id"])
        if number % 1000 >= 1000 * shape.skewed or not isinstance(event.get("timestamp"), int):
            continue
        error = DAY_MS if number >> 16 & 1 else -DAY_MS
        event["timestamp"] += error
        if number >> 17 & 1:
            event["sent_at"] = shape.until_ms + error


def _broken_partition(records: Sequence[Record], partition: int, partitions: int) -> list[Record]:
    """All of a partition's events under a field that nobody knows, as after a client's faulty release."""
    return [
        Record(
            record.key,
            record.body.replace(b'"event":', b'"evnt":', 1),
            Refused(record.key.decode().partition(":")[0], "missing_field"),
        )
        if partition_of(record.key, partitions) == partition
        else record
        for record in records
    ]


def _with_repeats(rng: random.Random, records: Sequence[Record]) -> list[Record]:
    """Some come again a little later, as from a client that missed the answer."""
    again: dict[int, list[Record]] = {}
    for at, record in enumerate(records):
        if rng.random() < REPEATED and not record.poison and b'"uuid":' in record.body:
            again.setdefault(at + rng.randrange(1, 300), []).append(record)
    out = []
    for at, record in enumerate(records):
        out += [record, *again.pop(at, ())]
    return [*out, *(record for late in again.values() for record in late)]


def _with_poison(rng: random.Random, records: Sequence[Record]) -> list[Record]:
    share = max(POISON, LEAST_POISON / len(records))
    out: list[Record] = []
    made = 0
    for record in records:
        out.append(record)
        if rng.random() < share:
            out.append(Record(record.key, *poison(made)))
            made += 1
    return out


def _with_huge(records: Sequence[Record], count: int) -> list[Record]:
    """Records that are good but for their size."""
    every = max(1, len(records) // count)
    out: list[Record] = []
    for at, record in enumerate(records):
        out.append(record)
        if at % every == every // 2 and at // every < count:
            filling = "x" * 1_000_000
            event = {
                "project": "shop",
                "event": "content_created",
                "distinct_id": f"user-{at}",
                "properties": {"number": at, "filling": filling},
            }
            # So long a body is not read as far as to find whose it is.
            out.append(Record(_key(event), json.dumps(event).encode(), Refused("", "too_large")))
    return out


def _misplaced(rng: random.Random, record: Record, share: float, partitions: int) -> Record:
    if record.poison or rng.random() >= share:
        return record
    right = partition_of(record.key, partitions)
    return record._replace(partition=(right + rng.randrange(1, partitions)) % partitions)


def _batches(records: Sequence[Record], size: int = 500) -> Iterator[Sequence[Record]]:
    for start in range(0, len(records), size):
        yield records[start : start + size]


def _key(event: Event) -> bytes:
    return f"{event['project']}:{event['distinct_id']}".encode()


def _murmur2(data: bytes) -> int:
    """Murmur2 with Kafka's seed, 32 bits (https://kafka.apache.org, org.apache.kafka.common.utils.Utils)."""
    factor, mask = 0x5BD1E995, 0xFFFFFFFF
    found = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * factor & mask
        word = (word ^ word >> 24) * factor & mask
        found = found * factor & mask ^ word
    if rest := data[whole:]:
        found = (found ^ int.from_bytes(rest, "little")) * factor & mask
    found = (found ^ found >> 13) * factor & mask
    return found ^ found >> 15
