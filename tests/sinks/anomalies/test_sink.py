"""Anomalies from their topic to the store, field by field."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from loopin_schemas.anomaly import Anomaly, OddFeature
from loopin_schemas.codec import encode
from loopin_sinks.anomalies.sink import AnomalySink
from loopin_sinks.anomalies.stored import Wanted, anomalies, number_of_anomalies
from tests.sinks.anomalies.found import T, some_anomaly
from tests.sinks.asking import until
from tests.sinks.metrics.topic import caught_up, running
from tests.sinks.topics_to_store import TopicsToStore
from tests.transactions import Out

FIRST = some_anomaly()
WHOLE = some_anomaly(
    T + 61_007,
    distinct_id='it\'s "odd" ü',
    kind="sudden_inactivity",
    score=1e-5,
    threshold=0.0002,
    features=(OddFeature(name="chance", value=1e-5, usual=None, weight=0.5),),
    detector="session_tails 7",
    raw_offset=2**40,
    event_name="",
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopin_sinks.anomalies.sink.INTERVAL_S", 0.05)


def sink_of(to_store: TopicsToStore, topic_id: str | None = None) -> AnomalySink:
    return AnomalySink(to_store.settings, to_store.store, topic_id or to_store.ids["anomalies"])


def has_read(sink: AnomalySink, number: int) -> bool:
    return sink.read_records == number


def publish(to_store: TopicsToStore, *found: Anomaly | bytes, commit: bool = True) -> None:
    topic = to_store.settings.topic("anomalies")
    values = [each if isinstance(each, bytes) else encode(each) for each in found]
    to_store.writer.begin([Out(topic, 0, b"shop:asha", value) for value in values])
    if commit:
        to_store.writer.commit()
    else:
        to_store.writer.abort()


async def test_every_field_is_stored(topics_to_store: TopicsToStore) -> None:
    publish(topics_to_store, FIRST, WHOLE)
    sink = sink_of(topics_to_store)
    async with running(sink):
        await caught_up(sink, {0: 3})
    assert (sink.read_records, sink.stored_rows, sink.unreadable) == (2, 2, 0)
    store = topics_to_store.store
    assert await anomalies(store, "shop", Wanted(), 10) == [WHOLE, FIRST]
    rows = await store.query("SELECT * FROM anomalies FINAL ORDER BY at")
    told = json.loads(encode(FIRST))
    assert {name: rows[0][name] for name in ("kind", "distinct_id", "score", "threshold", "detector")} == {
        name: told[name] for name in ("kind", "distinct_id", "score", "threshold", "detector")
    }
    assert (rows[0]["_raw_partition"], rows[0]["_raw_offset"]) == (2, 4711)
    assert rows[0]["feature_names"] == [feature["name"] for feature in told["features"]]
    assert rows[0]["feature_usual"] == [1000.0, None, None]
    assert rows[0]["at"] == datetime.fromtimestamp(T // 1000, UTC)
    # No field that a release adds is left out of the table unseen.
    left_out = {*Anomaly.__struct_fields__} - {*rows[0]}
    assert left_out == {"features", "raw_partition", "raw_offset", "version"}


async def test_what_is_read_again_counts_once_and_what_was_aborted_not_at_all(
    topics_to_store: TopicsToStore,
) -> None:
    publish(topics_to_store, some_anomaly(T + 1), commit=False)
    publish(topics_to_store, FIRST, b"{", FIRST, some_anomaly(project="other"))
    for topic_id in (None, "22222222-2222-4222-8222-222222222222"):
        # As of another topic, all is read again.
        sink = sink_of(topics_to_store, topic_id)
        async with running(sink):
            await until(partial(has_read, sink, 4), "it has read all records")
            await caught_up(sink, {0: 7})
        assert (sink.unreadable, sink.stored_rows) == (1, 2)
    assert await anomalies(topics_to_store.store, "shop", Wanted(), 10) == [FIRST]
    assert await number_of_anomalies(topics_to_store.store, "other", Wanted()) == 1


async def test_filters_find_what_is_asked_for(topics_to_store: TopicsToStore) -> None:
    publish(topics_to_store, FIRST, WHOLE)
    sink = sink_of(topics_to_store)
    async with running(sink):
        await caught_up(sink, {0: 3})
    store, at = topics_to_store.store, datetime.fromtimestamp(T / 1000, UTC)
    second = timedelta(seconds=1)
    for wanted, expected in (
        (Wanted(kind="sudden_inactivity"), [WHOLE]),
        (Wanted(distinct_id="asha"), [FIRST]),
        (Wanted(start=at + second), [WHOLE]),
        (Wanted(start=at, end=at + second), [FIRST]),
        (Wanted(end=at), []),
        (Wanted(distinct_id="' OR 1=1 --"), []),
    ):
        assert await anomalies(store, "shop", wanted, 10) == expected
        assert await number_of_anomalies(store, "shop", wanted) == len(expected)
    assert await anomalies(store, "shop", Wanted(), 1, 1) == [FIRST]
