"""Records of alerts from their topic to the store, field by field as the encoder wrote them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from loopin_schemas.alert import Alert, AlertWindow, ExpectedRange
from loopin_schemas.codec import encode
from loopin_sinks.alerts.rows import alert_of
from loopin_sinks.alerts.sink import AlertSink
from loopin_sinks.store import Store
from tests.sinks.alerts.recorded import MINUTE_MS, T, some_alert
from tests.sinks.asking import until
from tests.sinks.metrics.topic import caught_up, running
from tests.sinks.topics_to_store import TopicsToStore
from tests.transactions import Out

FIRST = some_alert()
WHOLE = some_alert(
    2,
    event="resolved",
    state="resolved",
    severity="critical",
    dimensions={"country": "IN", "it's": '"odd"'},
    value=None,
    threshold=-1.5,
    expected=ExpectedRange(low=-0.25, high=1e12),
    count=2**40,
    window=AlertWindow(grain="moment", start=T, end=T + 1),
    windows=["payment_failure_rate///minute/1768472940000", "a/b/c/hour/1"],
    labels={"owner": "finance"},
    silenced=True,
    escalated=True,
    acknowledged_by="key k1",
    resolved_at=T + 61_007,
    reason="the rule was removed or switched off.",
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopin_sinks.alerts.sink.INTERVAL_S", 0.05)


def sink_of(to_store: TopicsToStore, topic_id: str | None = None) -> AlertSink:
    return AlertSink(to_store.settings, to_store.store, topic_id or to_store.ids["alerts"])


def has_read(sink: AlertSink, number: int) -> bool:
    return sink.read_records == number


def publish(to_store: TopicsToStore, *alerts: Alert | bytes, commit: bool = True) -> None:
    topic = to_store.settings.topic("alerts")
    values = [alert if isinstance(alert, bytes) else encode(alert) for alert in alerts]
    to_store.writer.begin([Out(topic, 0, b"shop:payment_failure_rate", value) for value in values])
    if commit:
        to_store.writer.commit()
    else:
        to_store.writer.abort()


async def stored(store: Store) -> list[dict[str, Any]]:
    return await store.query("SELECT * FROM alerts FINAL ORDER BY project, id, sequence")


def written(alert: Alert) -> dict[str, Any]:
    """The row, from the record's JSON and what the schema says of what it leaves out."""
    told: dict[str, Any] = {
        **{"dimensions": {}, "threshold": None, "count": 0, "windows": [], "labels": {}, "silenced": False},
        **{"escalated": False, "acknowledged_by": "", "fired_at": None, "resolved_at": None, "reason": ""},
        **json.loads(encode(alert)),
    }
    window, expected = told.pop("window"), told.pop("expected", None)
    told |= {f"window_{name}": value for name, value in window.items()}
    told |= {f"expected_{end}": expected and expected[end] for end in ("low", "high")}
    for name in ("window_start", "window_end", "opened_at", "fired_at", "resolved_at", "at"):
        if told[name] is not None:
            told[name] = datetime.fromtimestamp(told[name] // 1000, UTC).replace(
                microsecond=told[name] % 1000 * 1000
            )
    return told


async def test_every_field_is_stored(topics_to_store: TopicsToStore) -> None:
    publish(topics_to_store, FIRST, WHOLE)
    sink = sink_of(topics_to_store)
    async with running(sink):
        await caught_up(sink, {0: 3})
    assert (sink.read_records, sink.stored_rows, sink.unreadable) == (2, 2, 0)
    rows = await stored(topics_to_store.store)
    assert [alert_of(row) for row in rows] == [FIRST, WHOLE]
    for row in rows:
        del row["revision"], row["_stored_at"]
    assert rows == [written(FIRST), written(WHOLE)]
    # No field that a release adds is left out of the table unseen.
    assert {*Alert.__struct_fields__} - {*rows[0]} == {"window", "expected", "version"}


async def test_what_is_read_again_counts_once_and_what_was_aborted_not_at_all(
    topics_to_store: TopicsToStore,
) -> None:
    publish(topics_to_store, some_alert(9), commit=False)
    publish(
        topics_to_store, FIRST, b"{", b'{"id": 1}', some_alert(1, value=0.2), some_alert(1, project="other")
    )
    for topic_id in (None, "22222222-2222-4222-8222-222222222222"):
        # As of another topic, all is read again.
        sink = sink_of(topics_to_store, topic_id)
        async with running(sink):
            await until(partial(has_read, sink, 5), "it has read all records")
            await caught_up(sink, {0: 8})
        assert (sink.unreadable, sink.stored_rows) == (2, 2)
    rows = await stored(topics_to_store.store)
    assert [(row["project"], row["sequence"], row["value"]) for row in rows] == [
        ("other", 1, 0.152),
        ("shop", 1, 0.2),
    ]


async def test_a_record_of_a_newer_release_waits_for_it(topics_to_store: TopicsToStore) -> None:
    publish(topics_to_store, FIRST, some_alert(2, version=2, at=T + 2 * MINUTE_MS))
    sink = sink_of(topics_to_store)
    async with running(sink):
        await caught_up(sink, {0: 1})
        assert "newer version" in (sink.refused() or "")
    assert [row["sequence"] for row in await stored(topics_to_store.store)] == [1]
