"""The Python SDKs of PostHog, Segment and RudderStack, with only their host changed; and our own."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import posthog
import pytest
import rudderstack.analytics.client as rudderstack
import segment.analytics.client as segment

from loopin_producers import Loopin
from tests.e2e.receiving import WRITE_KEY, Receiving


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("v0", {}),
        ("v0", {"gzip": True}),
        ("v1", {"capture_compression": "none"}),
        ("v1", {"capture_compression": "gzip"}),
        ("v1", {"capture_compression": "deflate"}),
    ],
)
def test_posthog(system: Receiving, user: str, mode: str, options: dict[str, Any]) -> None:
    errors: list[object] = []
    client = posthog.Posthog(
        WRITE_KEY,
        host=system.url,
        capture_mode=mode,
        flush_at=3,
        flush_interval=0.05,
        on_error=lambda error, _: errors.append(error),
        **options,
    )
    yesterday = datetime.now(UTC) - timedelta(days=1)
    sent = [
        client.capture("ticket_purchased", distinct_id=user, properties={"amount": 12.5, "currency": "INR"}),
        client.capture("My Event", distinct_id=user, properties={"$session_id": "s-1"}, timestamp=yesterday),
        client.set(distinct_id=user, properties={"plan": "pro"}),
        client.set_once(distinct_id=user, properties={"first": True}),
        client.alias(previous_id=f"{user}-before", distinct_id=user),
        client.group_identify("company", "acme", properties={"size": 3}, distinct_id=user),
        client.capture("grouped", distinct_id=user, groups={"company": "acme"}),
    ]
    client.shutdown()

    # PostHog has the alias event happen to the id that was used before.
    rows = {row["uuid"]: row for row in system.rows([user, f"{user}-before"], len(sent))}

    assert not errors
    assert set(rows) == set(sent)
    purchase, mine, set_, once, alias, group, grouped = (rows[str(each)] for each in sent)
    assert purchase["event"] == "ticket_purchased"
    assert purchase["properties"]["amount"] == 12.5
    assert purchase["properties"]["$lib"] == "posthog-python"
    assert "$ip" not in purchase["properties"]
    assert (mine["event"], mine["session_id"]) == ("My Event", "s-1")
    assert abs(datetime.fromisoformat(mine["timestamp"]) - yesterday) < timedelta(seconds=1)
    assert (set_["event"], set_["properties"]["$set"]) == ("$set", {"plan": "pro"})
    assert once["properties"]["$set_once"] == {"first": True}
    assert alias["event"] == "$create_alias"
    assert group["properties"]["$group_set"] == {"size": 3}
    assert grouped["properties"]["$groups"] == {"company": "acme"}


def test_posthog_is_told_which_events_were_refused(system: Receiving, user: str) -> None:
    errors: list[Any] = []
    client = posthog.Posthog(
        WRITE_KEY, host=system.url, capture_mode="v1", on_error=lambda error, _: errors.append(error)
    )
    refused = client.capture("x" * 300, distinct_id=user)
    kept = client.capture("kept", distinct_id=user)
    client.shutdown()

    (row,) = system.rows([user], 1)

    assert row["uuid"] == kept
    (error,) = errors
    assert [uuid for uuid, _ in error.drops] == [refused]
    assert "at most 200" in error.drops[0][1]


@pytest.mark.parametrize("mode", ["v0", "v1"])
def test_posthog_is_told_that_its_key_is_wrong(system: Receiving, mode: str) -> None:
    errors: list[Any] = []
    client = posthog.Posthog(
        "lk_wrong", host=system.url, capture_mode=mode, on_error=lambda error, _: errors.append(error)
    )
    client.capture("lost", distinct_id="somebody")
    client.shutdown()
    assert [int(error.status) for error in errors] == [401]
    assert "not known" in str(errors[0])


def test_posthog_finds_no_feature_flags(system: Receiving, user: str) -> None:
    client = posthog.Posthog(WRITE_KEY, host=system.url)
    assert client.get_all_flags(user) == {}
    client.shutdown()


@pytest.mark.parametrize("zipped", [False, True])
def test_segment(system: Receiving, user: str, zipped: bool) -> None:
    errors: list[Any] = []
    client = segment.Client(
        WRITE_KEY, host=system.url, gzip=zipped, on_error=lambda error, _: errors.append(error)
    )
    named = str(uuid.uuid4())
    client.track(user, "My Event", {"a": 1}, message_id=named)
    client.track(user, "Order Completed", {"order_id": "o-1", "total": 20.0, "currency": "INR"})
    client.identify(user, {"plan": "pro"}, anonymous_id=f"{user}-before")
    client.page(user, name="Home", properties={"url": "https://example.com/?a=1", "path": "/"})
    client.screen(user, name="Start")
    client.group(user, "acme", {"size": 3})
    client.alias(f"{user}-old", user)
    client.flush()
    client.join()

    rows = system.rows([user], 7)

    assert not errors
    _check_segment(rows, user)
    by_event = {row["event"]: row for row in rows}
    assert by_event["My Event"]["uuid"] == named
    assert by_event["My Event"]["properties"]["$lib"] == "analytics-python"


def test_rudderstack(system: Receiving, user: str) -> None:
    errors: list[Any] = []
    client = rudderstack.Client(WRITE_KEY, host=system.url, on_error=lambda error, _: errors.append(error))
    client.track(user, "My Event", {"a": 1})
    client.track(user, "Order Completed", {"order_id": "o-1", "total": 20.0, "currency": "INR"})
    client.identify(user, {"plan": "pro"}, anonymous_id=f"{user}-before")
    client.page(user, name="Home", properties={"url": "https://example.com/?a=1", "path": "/"})
    client.screen(user, name="Start")
    client.group(user, "acme", {"size": 3})
    client.alias(f"{user}-old", user)
    client.shutdown()

    rows = system.rows([user], 7)

    assert not errors
    _check_segment(rows, user)


def _check_segment(rows: list[dict[str, Any]], user: str) -> None:
    by_event = {row["event"]: row["properties"] for row in rows}
    assert Counter(row["event"] for row in rows) == Counter(
        [
            "My Event",
            "ticket_purchased",
            "$identify",
            "$pageview",
            "$screen",
            "$groupidentify",
            "$create_alias",
        ]
    )
    assert by_event["My Event"]["a"] == 1
    assert by_event["ticket_purchased"]["amount"] == 20.0
    assert by_event["$identify"]["$set"] == {"plan": "pro"}
    assert by_event["$identify"]["$anon_distinct_id"] == f"{user}-before"
    assert by_event["$pageview"]["$current_url"] == "https://example.com/?a=1"
    assert by_event["$screen"]["$screen_name"] == "Start"
    assert by_event["$groupidentify"]["$group_set"] == {"size": 3}
    assert by_event["$create_alias"]["alias"] == f"{user}-old"


NODE = Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the Node.js SDKs of the lock file."""
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(NODE / name, folder)
    subprocess.run(["npm", "ci"], cwd=folder, check=True, capture_output=True, timeout=600)
    return folder


def test_the_sdks_of_node(system: Receiving, node_modules: Path) -> None:
    command = ["node", str(NODE / "send.mjs"), system.url, WRITE_KEY]
    ran = subprocess.run(command, cwd=node_modules, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert {name: told["errors"] for name, told in said.items()} == dict.fromkeys(NODE_EVENTS, [])

    rows = system.rows(list(NODE_EVENTS), sum(map(len, NODE_EVENTS.values())))

    found = Counter((row["distinct_id"], row["event"]) for row in rows)
    assert found == Counter((who, event) for who, events in NODE_EVENTS.items() for event in events)
    assert len({row["uuid"] for row in rows}) == len(rows)
    for row in rows:
        assert row["properties"]["$lib"] in ("posthog-node", "@segment/analytics-node", "analytics-node")
        assert "$ip" not in row["properties"], row


_POSTHOG_EVENTS = ("$identify", "$create_alias", "$groupidentify", "$feature_flag_called")
_SEGMENT_EVENTS = (
    *("ticket_purchased", "$identify", "$pageview", "$screen", "$groupidentify", "$create_alias"),
)
NODE_EVENTS = {
    "node-v0": ("node-v0 event",) * 3 + _POSTHOG_EVENTS,
    "node-v1": ("node-v1 event",) * 3 + _POSTHOG_EVENTS,
    "node-segment": ("node-segment event", *_SEGMENT_EVENTS),
    "node-rudder": ("node-rudder event", "$identify", "$pageview"),
}
"""What ``send.mjs`` sends, by user, under the names that are stored."""


def test_our_own_over_http(system: Receiving, user: str, tmp_path: Path) -> None:
    """Its events are those that it would publish to Kafka, with the project that the key tells."""
    errors: list[str] = []
    client = Loopin(
        url=system.url,
        api_key=WRITE_KEY,
        flush_interval=0.05,
        spool_dir=tmp_path,
        on_error=lambda error: errors.append(error.reason),
    )
    sent = [
        client.capture("ticket_purchased", user, {"amount": 25.0 + number}, session_id="session-1")
        for number in range(700)
    ]
    sent.append(client.capture("message_sent", user, {"text": "What a wonderful evening"}))
    assert client.shutdown(120) == 0
    assert errors == []
    rows = system.rows([user], len(sent))
    assert sorted(row["uuid"] for row in rows) == sorted(map(str, sent))
    assert Counter(row["event"] for row in rows) == {"ticket_purchased": 700, "message_sent": 1}
    message = next(row for row in rows if row["event"] == "message_sent")
    assert "wonderful" not in json.dumps(message)
    assert {row["session_id"] for row in rows if row["event"] == "ticket_purchased"} == {"session-1"}
