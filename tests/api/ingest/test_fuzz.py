"""Whatever stands beside them, valid events arrive once each, and everything sent has its receipt."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.api.conftest import Broker
from tests.api.letters import through
from tests.api.served import served

pytestmark = pytest.mark.scenario

KEY = "lk_write"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    *("event", "distinct_id", "uuid", "timestamp", "offset", "sent_at", "properties", "options", "$set"),
    *("type", "userId", "anonymousId", "messageId", "context", "traits", "session_id", "source", "token"),
    *("originalTimestamp", "event_type", "user_id", "event_data", "queued_at", "parent_uuid", "groupId"),
)
odd_events = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=8)
NUL_AND_DEEP = '{"event":"a\\u0000","distinct_id":"b","properties":{"x":' + "[" * 600 + "]" * 600 + "}}"
broken = st.sampled_from(
    [
        *(
            '{"event":"a","distinct_id":"b","properties":{"n":1e999}}',
            '{"event":"\\ud800","distinct_id":"b"}',
        ),
        *('{"a":' * 50 + "1" + "}" * 50, '{"event":"a\\u0000","distinct_id":"b"}', '""', "7", "null", "[]"),
        NUL_AND_DEEP,
        *('{"event":"e","distinct_id":"' + "x" * 300 + '"}', '{"properties":"' + "x" * 70_000 + '"}'),
    ]
)
beside = st.lists(odd_events.map(json.dumps) | json_values.map(json.dumps) | broken, max_size=6)


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Broker]]:
    """One application for all examples: it keeps nothing but its counts."""
    settings = {"rate_limit_events_per_minute": 10**9}
    with (
        served(tmp_path_factory.mktemp("fuzz"), settings) as running,
        httpx.Client(base_url=running.url, trust_env=False, timeout=60) as client,
    ):
        yield client, running.broker


def posthog_list(texts: list[str]) -> tuple[str, Any, dict[str, str]]:
    return f"/e/?token={KEY}", f"[{','.join(texts)}]", {}


def posthog_batch(texts: list[str]) -> tuple[str, Any, dict[str, str]]:
    body = gzip.compress(f'{{"api_key":"{KEY}","batch":[{",".join(texts)}]}}'.encode())
    return "/batch/", body, {"Content-Encoding": "gzip"}


def posthog_form(texts: list[str]) -> tuple[str, Any, dict[str, str]]:
    body = base64.b64encode(f'{{"api_key":"{KEY}","batch":[{",".join(texts)}]}}'.encode())
    return "/e/?compression=base64", "data=" + quote(body), {}


def own(texts: list[str]) -> tuple[str, Any, dict[str, str]]:
    return (
        "/api/analytics/events/batch",
        f'{{"events":[{",".join(texts)}]}}',
        {"Authorization": f"Bearer {KEY}"},
    )


def documents(texts: list[str]) -> tuple[str, Any, dict[str, str]]:
    return "/api/analytics/events", f"[{','.join(texts)}]", {"Authorization": f"Bearer {KEY}"}


def segment(texts: list[str]) -> tuple[str, Any, dict[str, str]]:
    return "/v1/batch", f'{{"writeKey":"{KEY}","batch":[{",".join(texts)}]}}', {}


VALID = {"event": "valid", "distinct_id": "somebody"}
SHAPES = {
    "posthog list": (posthog_list, VALID),
    "posthog batch": (posthog_batch, VALID),
    "posthog form": (posthog_form, VALID),
    "own": (own, VALID),
    "documents": (documents, {"event_type": "valid", "user_id": "somebody"}),
    "segment": (segment, {"type": "track", "event": "valid", "userId": "somebody"}),
}


@pytest.mark.parametrize("shape", SHAPES)
@example(before=[NUL_AND_DEEP], after=[])
@given(before=beside, after=beside)
def test_no_valid_event_is_lost(
    answering: tuple[httpx.Client, Broker], shape: str, before: list[str], after: list[str]
) -> None:
    client, broker = answering
    broker.records.clear()
    written, valid = SHAPES[shape]
    texts = [*before, json.dumps(valid), *after, json.dumps(valid)]
    path, body, headers = written(texts)

    response = client.post(path, content=body, headers=headers)

    assert response.status_code == 200, response.text
    answer = response.json()
    receipts = answer.get("receipts") or answer["data"]["receipts"]
    assert len(receipts) == len(texts)
    accepted = [receipt["uuid"] for receipt in receipts if receipt["result"] in ("ok", "warning")]
    # Of what is refused, too, the stream learns where the client does not: as dead letters, never as events.
    passed, letters = through(broker.records)
    assert [draft.uuid for draft in passed] == accepted
    told = shape in ("own", "documents")
    assert len(letters) == (0 if told else len(texts) - len(accepted))
    assert {letter.project for letter in letters} <= {"shop"}
    assert receipts[len(before)]["uuid"] in accepted
    assert receipts[-1]["uuid"] in accepted
    assert all(receipt["reason"] for receipt in receipts if receipt["result"] != "ok")
    ours = [
        draft.event for draft in passed if draft.uuid in (receipts[len(before)]["uuid"], receipts[-1]["uuid"])
    ]
    assert {(event.event, event.distinct_id) for event in ours} == {("valid", "somebody")}


@given(
    body=st.binary(max_size=300),
    path=st.sampled_from(
        [
            "/e/",
            "/batch/",
            "/v1/batch",
            "/i/v1/analytics/events",
            "/api/analytics/events",
            "/api/analytics/events/batch",
        ]
    ),
    encoding=st.sampled_from(["", "gzip", "br", "zstd", "deflate"]),
)
def test_no_body_breaks_it(
    answering: tuple[httpx.Client, Broker], body: bytes, path: str, encoding: str
) -> None:
    client, _ = answering
    headers = {"Authorization": f"Bearer {KEY}", "Content-Encoding": encoding}
    assert client.post(path, content=body, headers=headers).status_code in (200, 400, 413, 415, 422)
