"""Every change of what is configured is in the store, but for the bodies of keys."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from loopin_schemas.codec import encode
from loopin_schemas.config import KIND_OF, ConfigRecord, config_key
from loopin_schemas.corrections import Correction
from loopin_sinks.config_history import ConfigHistorySink
from loopin_sinks.store import Store
from tests.sinks.metrics.topic import caught_up, running
from tests.sinks.topics_to_store import TopicsToStore
from tests.streams.kafka.configured import api_key
from tests.transactions import Out


def correction(**values: Any) -> Correction:
    return Correction(
        project="shop", resource="daily", row="2026-01-14", at=1_768_000_000_000, by="ops", values=values
    )


def record(body: Any, id: str, version: str, kind: str | None = None) -> tuple[bytes, bytes]:
    kind = kind or KIND_OF[type(body)]
    told = ConfigRecord(kind=kind, id=id, version=version, by="ops", body=msgspec.Raw(encode(body)))
    return config_key(kind, id), encode(told)


async def stored(store: Store) -> list[dict[str, Any]]:
    return await store.query(
        "SELECT kind, id, version, by, removed, body FROM config_history FINAL ORDER BY _offset"
    )


async def test_every_change_is_stored(topics_to_store: TopicsToStore) -> None:
    settings, _, store, topic_ids, writer = topics_to_store
    first, second = correction(error_count=2), correction(error_count=3)
    records: list[tuple[bytes, bytes | None]] = [
        record(first, first.id, "v1"),
        record(second, second.id, "v2"),
        record(api_key(), "k1", "v3"),
        record({"secret": "x"}, "n1", "v4", kind="newer"),
        (config_key("correction", first.id), None),
        (b"correction:broken", b"{"),
    ]
    topic = settings.topic("config")
    for key, value in records:
        writer.write([Out(topic, 0, key, value)])
    expected = [
        ("correction", first.id, "v1", "ops", False, {"error_count": 2}),
        ("correction", first.id, "v2", "ops", False, {"error_count": 3}),
        ("api_key", "k1", "v3", "ops", False, None),
        ("newer", "n1", "v4", "ops", False, None),
        ("correction", first.id, "", "", True, None),
    ]
    for _ in range(2):
        sink = ConfigHistorySink(settings, store, topic_ids["config"])
        async with running(sink):
            await caught_up(sink, {0: 2 * len(records)})
        found = [
            (
                *(row[name] for name in ("kind", "id", "version", "by", "removed")),
                json.loads(row["body"])["values"] if row["body"] else None,
            )
            for row in await stored(store)
        ]
        assert found == expected
    assert sink.unreadable == 0, "the second one had nothing left to read"
