"""Late events through the running system: in the end every stored window is what a plain count gives."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Sequence
from functools import partial

import pytest
from confluent_kafka import Producer
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from loopin_sinks.repair.requests import pending_repairs
from loopin_sinks.store import Store, StoreSettings, open_store
from loopin_streams.kafka.progress import least_watermark
from loopin_streams.kafka.reader import Reader
from tests.e2e.conftest import PARTITIONS
from tests.sinks.repair.installation import until
from tests.sinks.repair.plain import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    SIZES,
    Happened,
    Numbers,
    Series,
    some_events,
    windows_of,
)
from tests.sinks.repair.stored import all_rows, newest_rows
from tests.sinks.repair.stream import OPERATIONAL, raw

pytestmark = pytest.mark.usefixtures("collected")

KEPT: dict[str, int] = {"minute": HOUR_MS, "hour": 6 * HOUR_MS, "day": 2 * DAY_MS}
"""How long after their end the stream holds windows open."""

REPAIRS = 1 << 62
"""Revisions from here on are repairs'."""

TEXT = "What a great evening, thank you all!"


def publish(environment: dict[str, str], events: Sequence[Happened]) -> None:
    """As any client does it, in one go."""
    producer = Producer(
        {"bootstrap.servers": environment["LOOPIN_KAFKA_BOOTSTRAP"], "partitioner": "murmur2_random"}
    )
    topic = f"{environment['LOOPIN_TOPIC_PREFIX']}events.raw"
    for key, body in map(raw, events):
        producer.produce(topic, body, key)
    assert producer.flush(60) == 0


def some_of(seed: int, moment: int, number: int) -> list[Happened]:
    """Events around a moment; every third has a text."""
    score = SentimentIntensityAnalyzer().polarity_scores(TEXT)["compound"]
    events = [
        event._replace(sentiment=None) for event in some_events(seed, [moment], ["shop", "shop-2"], number)
    ]
    with_text = f'{{"text": {json.dumps(TEXT)}, '
    return [
        event._replace(
            properties=event.properties.replace("{", with_text, 1), sentiment=round(score * 1_000_000)
        )
        if at % 3 == 0
        else event
        for at, event in enumerate(events)
    ]


async def stored(store: Store, number: int) -> bool:
    [row] = await store.query("SELECT count() AS events FROM events")
    return bool(row["events"] >= number)


async def watermark(environment: dict[str, str], least: int) -> bool:
    topic = f"{environment['LOOPIN_TOPIC_PREFIX']}enrich.state"
    partitions = [(topic, number) for number in range(PARTITIONS)]
    async with Reader(environment["LOOPIN_KAFKA_BOOTSTRAP"], partitions) as reader:
        return (await least_watermark(reader, topic, PARTITIONS) or 0) >= least


async def windows(store: Store) -> dict[Series, Numbers]:
    return {
        series: numbers
        for series, numbers in (await newest_rows(store)).items()
        if (numbers.number or numbers.sum) and series.metric not in OPERATIONAL
    }


async def repaired(store: Store) -> set[tuple[str, str, int]]:
    return {
        (series.project, series.grain, series.start)
        for series, revision, _ in await all_rows(store)
        if revision >= REPAIRS
    }


def gone(events: Sequence[Happened], watermark: int) -> set[tuple[str, str, int]]:
    """The events' windows that no stream holds any more."""
    return {
        (series.project, series.grain, series.start)
        for series in windows_of(events)
        if series.start + SIZES[series.grain] + KEPT[series.grain] <= watermark
    }


async def test_in_the_end_every_window_is_what_a_plain_count_gives(
    environment: dict[str, str], roles: list[subprocess.Popen[bytes]]
) -> None:
    now = int(time.time() * 1000)
    # Not so near to an edge that a window could leave the stream's memory while the test runs.
    edge = now // HOUR_MS * HOUR_MS + HOUR_MS // 2
    fresh = some_of(1, now - 3 * MINUTE_MS, 300)
    late = [
        *some_of(2, edge - 3 * HOUR_MS, 300),
        *some_of(3, edge - 10 * HOUR_MS, 300),
        *some_of(4, edge - 92 * DAY_MS, 300),
    ]
    variables = {name.lower().removeprefix("loopin_"): value for name, value in environment.items()}
    store = open_store(StoreSettings.model_validate(variables))
    try:
        publish(environment, fresh)
        await until(partial(stored, store, len(fresh)), "the fresh events are stored")
        await until(partial(watermark, environment, now - 10 * MINUTE_MS), "every partition has a watermark")

        publish(environment, late[::2])
        await until(partial(stored, store, len(fresh) + len(late[::2])), "the first late events are stored")
        publish(environment, late[1::2])

        truth = windows_of([*fresh, *late])
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and (await pending_repairs(store) or await windows(store) != truth):
            assert all(role.poll() is None for role in roles)
            await asyncio.sleep(0.1)
        assert await windows(store) == truth
        assert await pending_repairs(store) == []
        # And not because everything was repaired: what the stream still held, it has corrected itself.
        assert await repaired(store) == gone(late, now - MINUTE_MS)
        held = {grain for _, grain, _ in gone(some_of(2, edge - 3 * HOUR_MS, 300), now)}
        assert held == {"minute"}
    finally:
        await store.close()
