"""Enriched events as rows: every field goes into the real table and comes back."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas import EnrichedEvent
from loopin_sinks.rows import EARLIEST_MS, END_MS, EVENTS_SCHEMA, by_month, to_arrow
from loopin_sinks.store import Store, StoreSettings
from loopin_sinks.store.properties import PROPERTY_COLUMNS
from tests.migrated import fill

TOPIC_ID = "0b5a1c70-6d3b-4b6e-9a51-3f1f0a2b7c11"
NOW_MS = int(datetime.now(UTC).timestamp() * 1000)
DAY_MS = 86_400_000

ARROW_OF = {
    "LowCardinality(String)": pa.string(),
    "String": pa.string(),
    "UUID": pa.string(),
    "Nullable(UUID)": pa.string(),
    "DateTime64(3, 'UTC')": pa.timestamp("ms", "UTC"),
    "Nullable(DateTime64(3, 'UTC'))": pa.timestamp("ms", "UTC"),
    "Nullable(Float64)": pa.float64(),
    "Array(LowCardinality(String))": pa.list_(pa.string()),
    "UInt16": pa.uint16(),
    "UInt32": pa.uint32(),
    "Int64": pa.int64(),
}


def event(**fields: Any) -> EnrichedEvent:
    complete: dict[str, Any] = {
        "uuid": str(uuid.uuid4()),
        "project": "shop",
        "event": "ticket_purchased",
        "distinct_id": "user-1",
        "timestamp": NOW_MS,
        "received_at": NOW_MS + 5,
        "raw_partition": 1,
        "raw_offset": 2,
    }
    return EnrichedEvent(**complete | fields)


def table(*events: EnrichedEvent, first_offset: int = 0, days: int = 90) -> pa.Table:
    offsets = range(first_offset, first_offset + len(events))
    return to_arrow(events, 3, offsets, TOPIC_ID, lambda project: days, NOW_MS)


def at(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


@pytest.fixture
def events(embedded: Store, embedded_settings: StoreSettings, migrated: Path) -> Store:
    """A store with its tables."""
    fill(embedded_settings, migrated)
    return embedded


async def test_the_schema_is_the_tables(events: Store) -> None:
    described = await events.query("DESCRIBE TABLE events")
    ordinary = [(row["name"], row["type"]) for row in described if not row["default_type"]]
    assert [name for name, _ in ordinary] == EVENTS_SCHEMA.names
    for (name, kind), field in zip(ordinary, EVENTS_SCHEMA, strict=True):
        assert field.type == ARROW_OF[kind] or (name, field.type) == ("properties", pa.binary())
        assert field.nullable == kind.startswith("Nullable")


def test_every_field_of_an_event_has_a_column() -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(EnrichedEvent)}
    assert fields <= set(EVENTS_SCHEMA.names)


async def test_every_field_comes_back(events: Store) -> None:
    full = event(
        event="événement 🎉",
        distinct_id='it\'s \\ "quoted" {x:String} 😀',
        original_timestamp=NOW_MS - 61_000,
        sent_at=NOW_MS - 60_000,
        session_id="s-1",
        properties=msgspec.Raw('{"text":"😀 it\'s","big":9007199254740993123,"none":null}'.encode()),
        source="middleware",
        parent_uuid=str(uuid.uuid4()),
        sentiment=-0.6369,
        sentiment_label="negative",
        warnings=("amount", "currency"),
        late="hour",
        raw_partition=2**31 - 1,
        raw_offset=2**63 - 1,
        origin=f"{TOPIC_ID}:7:{2**63 - 1}",
    )
    await events.insert("events", table(full, first_offset=2**62, days=365), token="a")
    rows = await events.query("SELECT *, user = cityHash64(distinct_id) AS user_is_hash FROM events")
    assert rows == [
        {
            "project": "shop",
            "uuid": uuid.UUID(full.uuid),
            "event": full.event,
            "distinct_id": full.distinct_id,
            "timestamp": at(full.timestamp),
            "received_at": at(full.received_at),
            "original_timestamp": at(NOW_MS - 61_000),
            "sent_at": at(NOW_MS - 60_000),
            "session_id": "s-1",
            "properties": bytes(full.properties).decode(),
            "source": "middleware",
            "parent_uuid": uuid.UUID(full.parent_uuid),
            "sentiment": -0.6369,
            "sentiment_label": "negative",
            "warnings": ["amount", "currency"],
            "late": "hour",
            "_raw_partition": 2**31 - 1,
            "_raw_offset": 2**63 - 1,
            "_origin": f"{TOPIC_ID}:7:{2**63 - 1}",
            "_topic_id": uuid.UUID(TOPIC_ID),
            "_partition": 3,
            "_offset": 2**62,
            "_stored_at": at(NOW_MS),
            "_retention_days": 365,
            "user_is_hash": 1,
        }
    ]


async def test_what_an_event_lacks_is_null_or_empty(events: Store) -> None:
    await events.insert("events", table(event()), token="a")
    [row] = await events.query("SELECT * FROM events")
    lacked = {
        name: value
        for name, value in row.items()
        if not name.startswith("_") and name not in ("uuid", "project", "event", "distinct_id")
    }
    assert [lacked] == [
        {
            "original_timestamp": None,
            "sent_at": None,
            "session_id": "",
            "properties": "{}",
            "source": "sdk",
            "parent_uuid": None,
            "sentiment": None,
            "sentiment_label": "",
            "warnings": [],
            "late": "",
            "timestamp": at(NOW_MS),
            "received_at": at(NOW_MS + 5),
        }
    ]


async def test_listed_properties_have_columns(events: Store) -> None:
    properties = {
        "amount": "12.50",
        "currency": "EUR",
        "rating": 4,
        "status": "503",
        "event_id": 12,
        "community_id": "c-9",
        "country": None,
        "city": ["not", "text"],
        "duration_ms": "slow",
        "url": "https://example.org/😀?q='\\",
    }
    await events.insert(
        "events", table(event(properties=msgspec.Raw(msgspec.json.encode(properties)))), token="a"
    )
    rows = await events.query(f"SELECT {', '.join(column.name for column in PROPERTY_COLUMNS)} FROM events")
    of_nothing = {"String": "", "LowCardinality(String)": "", "Bool": False}
    absent = {column.name: of_nothing.get(column.type) for column in PROPERTY_COLUMNS}
    assert rows == [
        absent
        | {
            "amount": 12.5,
            "currency": "EUR",
            "rating": 4.0,
            "status": 503,
            "event_id": "12",
            "community_id": "c-9",
            "city": '["not","text"]',
            "url": "https://example.org/😀?q='\\",
        }
    ]


async def test_what_was_found_out_stands_in_where_the_client_named_nothing(events: Store) -> None:
    found = {
        **{"$geoip_country_code": "IN", "$geoip_subdivision_1_name": "Goa", "$geoip_city_name": "Panaji"},
        **{"$device_type": "Tablet", "$browser": "Chrome", "$os": "Android", "$is_bot": True},
        **{"$current_url": "https://x.test/a", "$pathname": "/a", "$referrer": "https://y.test/"},
        **{"utm_source": "news", "utm_medium": "email", "utm_campaign": "may"},
    }
    named = {"country": "Peru", "browser": "Lynx", "url": "/b", "$is_bot": False, "city": "", "os": None}
    for offset, properties in enumerate((found, found | named)):
        raw = msgspec.Raw(msgspec.json.encode(properties))
        await events.insert("events", table(event(properties=raw)), token=str(offset))
    columns = [column.name for column in PROPERTY_COLUMNS if column.otherwise]
    rows = await events.query(f"SELECT {', '.join(columns)} FROM events ORDER BY country")
    by_name = {column.name: found[column.otherwise] for column in PROPERTY_COLUMNS if column.otherwise}
    named_too = {"country": "Peru", "browser": "Lynx", "url": "/b", "is_bot": False}
    assert rows == [by_name, by_name | named_too]


@pytest.mark.parametrize(
    ("value", "amount", "status"),
    [
        ("true", None, None),
        ("false", None, None),
        ('"true"', None, None),
        ('"nan"', None, None),
        ('"inf"', None, None),
        ("[1]", None, None),
        ('{"a":1}', None, None),
        ("1.5", 1.5, None),
        ("404.0", 404.0, 404),
        ("2147483647", 2147483647.0, 2**31 - 1),
        ("2147483648", 2147483648.0, None),
        ("-2147483649", -2147483649.0, None),
        ("18446744073709551616", 2.0**64, None),
        ("1.7e308", 1.7e308, None),
        ("0.1", 0.1, None),
    ],
)
async def test_only_numbers_that_fit_are_numbers(
    events: Store, value: str, amount: float | None, status: int | None
) -> None:
    properties = f'{{"amount":{value},"status":{value}}}'.encode()
    await events.insert("events", table(event(properties=msgspec.Raw(properties))), token="a")
    assert await events.query("SELECT amount, status FROM events") == [{"amount": amount, "status": status}]


async def test_a_claim_no_column_can_hold_is_null(events: Store) -> None:
    claims = (EARLIEST_MS, END_MS - 1, EARLIEST_MS - 1, END_MS, -(2**70), 2**70)
    rows = [event(original_timestamp=claim, sent_at=claim) for claim in claims]
    await events.insert("events", table(*rows), token="a")
    stored = await events.query("SELECT original_timestamp AS o, sent_at AS s FROM events ORDER BY _offset")
    kept = [at(EARLIEST_MS), at(END_MS - 1), None, None, None, None]
    assert stored == [{"o": claim, "s": claim} for claim in kept]


async def test_rows_past_their_own_retention_are_removed(events: Store) -> None:
    old = NOW_MS - 10 * DAY_MS
    for number, days in enumerate((5, 30)):
        for name, rows in by_month(table(event(timestamp=old), first_offset=number, days=days)):
            await events.insert("events", rows, token=f"{number}{name}")
    await events.command("OPTIMIZE TABLE events FINAL")
    assert await events.query("SELECT _retention_days AS days FROM events") == [{"days": 30}]


async def test_recent_offsets_are_found_without_reading_old_rows(events: Store) -> None:
    await events.command("SYSTEM STOP MERGES events")
    for batch in range(3):
        rows = [event(distinct_id=f"user-{i % 97}") for i in range(9000)]
        for month, part in by_month(table(*rows, first_offset=batch * 9000)):
            await events.insert("events", part, token=f"{batch}{month}")
    where = (
        "FROM events WHERE _topic_id = {topic:UUID} AND _partition = 3 "
        "AND _offset >= {a:Int64} AND _offset < {b:Int64}"
    )
    span = {"topic": TOPIC_ID, "a": 26_990, "b": 27_100}
    stored = await events.query(f"SELECT groupArray(_offset) AS offsets {where}", span)
    assert sorted(stored[0]["offsets"]) == list(range(26_990, 27_000))
    plan = [
        str(row["explain"]).strip()
        for row in await events.query(f"EXPLAIN indexes = 1 SELECT _offset {where}", span)
    ]
    after_skip = plan[plan.index("Name: stored_offsets") :]
    assert "Parts: 1/3" in after_skip


def test_offsets_must_match_the_events() -> None:
    with pytest.raises(ValueError, match="1 events came with 2 offsets"):
        to_arrow([event()], 0, [1, 2], TOPIC_ID, lambda project: 1, NOW_MS)


def test_no_events_make_no_rows_and_no_months() -> None:
    empty = table()
    assert empty.schema == EVENTS_SCHEMA
    assert by_month(empty) == []


def test_retention_is_asked_once_for_each_project() -> None:
    asked: list[str] = []

    def retention(project: str) -> int:
        asked.append(project)
        return len(project)

    rows = to_arrow(
        [event(project=p) for p in ("shop", "demo1", "shop")], 0, [0, 1, 2], TOPIC_ID, retention, NOW_MS
    )
    assert rows["_retention_days"].to_pylist() == [4, 5, 4]
    assert sorted(asked) == ["demo1", "shop"]


@given(st.lists(st.integers(EARLIEST_MS, END_MS - 1), max_size=30))
def test_months_hold_every_row_once_and_in_order(times: list[int]) -> None:
    months = by_month(table(*(event(timestamp=t) for t in times)))
    assert [name for name, _ in months] == sorted({f"{at(t):%Y%m}" for t in times})
    for name, rows in months:
        expected = [offset for offset, t in enumerate(times) if f"{at(t):%Y%m}" == name]
        assert rows["_offset"].to_pylist() == expected


def test_the_last_and_first_millisecond_of_a_month_are_apart() -> None:
    first_of_may = int(datetime(2026, 5, 1, tzinfo=UTC).timestamp() * 1000)
    months = by_month(table(event(timestamp=first_of_may - 1), event(timestamp=first_of_may)))
    assert [(name, rows.num_rows) for name, rows in months] == [("202604", 1), ("202605", 1)]
