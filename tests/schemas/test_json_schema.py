"""The checked-in JSON Schemas: current, valid themselves, and true of what really travels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from loopin_schemas import DeadLetter, EnrichedEvent, Event, anomaly, encode
from loopin_schemas.alert import Alert, AlertWindow, ExpectedRange
from loopin_schemas.alert_rule import (
    Absence,
    Acknowledgement,
    AlertRule,
    Anomaly,
    Change,
    Silence,
    Span,
    Threshold,
)
from loopin_schemas.catalogue import CATALOGUE, EVERY_EVENT, EventType, Property, check_properties_types
from loopin_schemas.config import ApiKey, ConfigRecord
from loopin_schemas.dead_letter import Replayed, fingerprint
from loopin_schemas.example import Example
from loopin_schemas.habits import Habits, PastSessions, Prices, Spending
from loopin_schemas.identity import Link, LinkRequest, Person, PersonMerge
from loopin_schemas.insight import Evidence, InsightRecord
from loopin_schemas.json_schema import main, schema_files
from loopin_schemas.model import Linear, Model, ModelRecord, Quality, Standing
from loopin_schemas.notification import Notification
from loopin_schemas.profile import Profile, Session
from loopin_schemas.topics import TOPICS
from loopin_schemas.window import Cell, MetricWindow, Window, WindowPartials

FOLDER = Path(__file__).parents[2] / "schemas" / "jsonschema"
UUID = "0190b7a2-8c1e-7d3f-9a4b-5c6d7e8f9a0b"
SCHEMAS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}

EVENT = Event(
    project="demo", event="click", distinct_id="u1", uuid=UUID, timestamp="2026-01-02T03:04:05Z", sent_at=1.5,
    properties=msgspec.Raw(b'{"a":[1]}'), origin=f"{UUID}:0:7",
)  # fmt: skip
ENRICHED = EnrichedEvent(
    uuid=UUID, project="demo", event="click", distinct_id="u1", timestamp=1, received_at=2, sentiment=-0.5,
    sentiment_label="negative", warnings=("url:wrong_type",), properties=msgspec.Raw(b"{}"), raw_partition=0,
    late="minute", raw_offset=9,
)  # fmt: skip
LETTER = DeadLetter(
    reason="not_json", step="decode", message="This is not JSON.", topic="loopin.events.raw", topic_id="t",
    partition=0, offset=1, first_seen=1, last_seen=2, size=2, sha256=fingerprint(b"\xff\x00"),
    body=b"\xff\x00", key=b"demo:u1",
)  # fmt: skip
REPLAYED = Replayed(
    place=f"{UUID}:0:7", origin=f"{UUID}:0:7", project="demo", uuid=UUID, first_seen=1, replayed_at=2,
)  # fmt: skip
PROFILE = Profile(
    first_seen=1, last_seen=2, events=3, session=Session(1, 2, 3), active_day=0, active_days=b"\x80\x01",
    revenue={"": -5, "INR": 7}, past=PastSessions(1, 2, 3), looked_at=3,
    habits=Habits(
        1, bytearray(31), {"3": 8, "=mine": 4}, {"music": 8}, {"c-1": 8}, "Asia/Kolkata",
        Spending({"INR": Prices(1, 2, 2, 3)}, {}, 1, 5),
    ),
)  # fmt: skip
CELL = Cell("revenue", "currency", "INR", 1, 5, -5, 5)
PARTIALS = WindowPartials(
    partition=1, position=9, windows=[Window(project="demo", grain="hour", start=0, cells=[CELL])], more=True
)  # fmt: skip
MERGED = MetricWindow(project="demo", metric="events", grain="day", start=0, count=3, revision=1)
ALERT = Alert(
    id="a", sequence=2, event="worse", state="firing", severity="critical", project="demo",
    rule="invalid_ratio", rule_version="v", metric="invalid_ratio", dimensions={"reason": "not_json"},
    value=0.5, threshold=0.05, expected=ExpectedRange(low=0.0, high=0.1), count=20,
    window=AlertWindow(grain="minute", start=0, end=60_000), windows=["m/d/v/minute/0"],
    message="Too many.", labels={"owner": "ops"}, silenced=True, escalated=True, acknowledged_by="mira",
    opened_at=1, fired_at=2, resolved_at=3, at=4, reason="over",
)  # fmt: skip
ODD = anomaly.Anomaly(
    project="demo", distinct_id="u1", kind="burst", at=2, since=1, score=40, threshold=30,
    features=(anomaly.OddFeature(name="events_in_a_minute", value=40, usual=30, weight=1),),
    detector="rules 1", raw_partition=0, raw_offset=7, event_name="click",
)  # fmt: skip
NOTIFICATION = Notification(
    channel="ops", alert="a", sequence=1, event="fired", project="demo", outcome="failed", attempts=2,
    reason="it answered 404", at=4,
)  # fmt: skip
API_KEY = ApiKey(
    project="demo", kind="write", scopes=("ingest",), sha256="ab" * 32, last4="wxyz", created_at=1,
    created_by="root", name="web", expires_at=2, revoked_at=3,
)  # fmt: skip
RULE = AlertRule(
    project="demo", name="failures", metric="payment_failure_rate", spans=(15, 60),
    condition=Threshold(warning=0.1, critical=0.2), longer=(Span(grain="hour", windows=6),), by="country",
    at_least=20, for_s=60, quiet_s=1, remind_s=2, escalate_s=3, enabled=False, description="d",
    labels={"team": "ops"},
)  # fmt: skip
OF_CONFIG: dict[str, msgspec.Struct] = {
    "config.api_key": API_KEY,
    "config.alert_rule": RULE,
    "config.silence": Silence(
        project="demo",
        starts_at=1,
        ends_at=2,
        rule="r",
        severity="warning",
        dimensions={"a": "b"},
        comment="c",
    ),
    "config.acknowledgement": Acknowledgement(project="demo", sequence=1, at=1, comment="c"),
}
OTHER_CONDITIONS = [Change(warning=0.5, against="week"), Anomaly(), Absence(windows=5)]
INSIGHT = InsightRecord(
    id="i", project="demo", insight_type="metric_change", target_id="dau", title="t", description="d",
    confidence_score=0.9, is_actionable=True, suggested_actions=("a",), priority="high", created_at=1,
    expires_at=2, withdrawn=True,
    evidence=Evidence(
        metric="dau", grain="day", start=0, value=1.0, calculated_at=1, expected=2.0, low=1.5, high=2.5,
        compared=(0,),
    ),
)  # fmt: skip
EXAMPLE = Example(
    project="demo", target="churn", distinct_id="u1", made_at=1, known_at=2, features=b"\x80\x01",
    outcome=True,
)  # fmt: skip
MODEL = Model(
    project="demo", target="churn", version=2, method="logistic", slope=1.0, intercept=0.0, made_at=1,
    examples=9, positives=3, scorer=Linear(bias=0.1, weights=(0.5,), centre=(1.0,)),
)  # fmt: skip
STANDING = Standing(
    project="demo", target="churn", answers="model", champion="logistic", version=2, rule=(1.0, 0.0),
    delayed=True, drifts=0, shifted={"events": 0.1}, examples=9, at=1,
    qualities={
        "logistic": Quality(
            number=9, positives=3, auc=None, log_loss=0.5, calibration_error=0.1, precision_top=1.0,
            accuracy=0.8,
        )
    },
)  # fmt: skip
CONFIGURED = ConfigRecord(kind="api_key", id="k", version="v", by="root", body=msgspec.Raw(encode(API_KEY)))
REQUEST = LinkRequest(
    id=UUID, project="demo", kind="identify", distinct_id="u1", other="anon", event_uuid=UUID, timestamp=1,
    raw_partition=0, raw_offset=9,
)  # fmt: skip
PERSON = Person(distinct_ids=["u1", "anon"], identified=[0], links=[Link(UUID, 0, 1)], revision=2)
MERGE = PersonMerge(
    id=UUID, project="demo", kind="identify", outcome="merged", distinct_id="u1", other="anon", person="u1",
    moved=["anon"], kept=["u1"], event_at=1, decided_at=2, revision=2, link_offset=0,
)  # fmt: skip
VALUES_OF_TOPICS: dict[str, msgspec.Struct] = {
    "events.raw": EVENT,
    "events.enriched": ENRICHED,
    "events.dlq": LETTER,
    "dlq.replayed": REPLAYED,
    "profiles": PROFILE,
    "windows": PARTIALS,
    "metrics": MERGED,
    "alerts": ALERT,
    "anomalies": ODD,
    "notifications": NOTIFICATION,
    "insights": INSIGHT,
    "examples": EXAMPLE,
    "models": ModelRecord(model=MODEL, standing=STANDING),
    "config": CONFIGURED,
    "identity.links": REQUEST,
    "persons": PERSON,
    "person.merges": MERGE,
}


def valid(name: str, value: object) -> bool:
    """Whether a value satisfies a checked-in schema."""
    return Draft202012Validator(SCHEMAS[name]).is_valid(value)


def test_the_checked_in_files_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--folder", str(FOLDER)]) == 0, capsys.readouterr().err


def test_no_other_file_lies_there() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(schema_files())


def test_a_stale_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--write", "--folder", str(tmp_path)]) == 0
    assert main(["--check", "--folder", str(tmp_path)]) == 0
    (tmp_path / "events.raw.json").write_text("{}")
    (tmp_path / "events.dlq.json").unlink()
    assert main(["--check", "--folder", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert "events.raw.json, events.dlq.json" in message
    assert "--write" in message
    assert message.count("\n") == 1


def test_a_missing_folder_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--write", "--folder", str(tmp_path / "absent")])
    assert "top of a checkout" in capsys.readouterr().err


def test_every_topic_with_a_value_is_among_these_tests() -> None:
    assert {topic.name: topic.value for topic in TOPICS if topic.value} == {
        name: type(value) for name, value in VALUES_OF_TOPICS.items()
    }


@pytest.mark.parametrize("name", [*VALUES_OF_TOPICS, "events.catalogue", *OF_CONFIG])
def test_is_a_schema_of_the_2020_dialect(name: str) -> None:
    assert SCHEMAS[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["description"]


@pytest.mark.parametrize("condition", OTHER_CONDITIONS)
def test_rules_on_other_conditions(condition: Change | Anomaly | Absence) -> None:
    rule = AlertRule(project="demo", name="r", metric="events", condition=condition, grain="hour")
    plain: dict[str, Any] = json.loads(encode(rule))
    assert valid("config.alert_rule", plain)
    assert not valid("config.alert_rule", plain | {"condition": plain["condition"] | {"typo": 1}})


@pytest.mark.parametrize(("name", "value"), [*VALUES_OF_TOPICS.items(), *OF_CONFIG.items()])
def test_real_encodings_are_valid_and_broken_ones_are_not(name: str, value: msgspec.Struct) -> None:
    plain: dict[str, Any] = json.loads(encode(value))
    assert valid(name, plain)
    assert not valid(name, [plain])
    for required in SCHEMAS[name]["required"]:
        assert not valid(name, {key: held for key, held in plain.items() if key != required})
        assert not valid(name, plain | {required: [{}]})


@pytest.mark.parametrize(("name", "value"), VALUES_OF_TOPICS.items())
def test_what_an_encoding_may_leave_out_is_not_required(name: str, value: msgspec.Struct) -> None:
    bare = {
        field.name: getattr(value, field.name) for field in msgspec.structs.fields(value) if field.required
    }
    assert valid(name, json.loads(encode(type(value)(**bare))))


def test_the_parts_of_a_value_are_held_to_their_schema_too() -> None:
    partials, profile = json.loads(encode(PARTIALS)), json.loads(encode(PROFILE))
    [window] = partials["windows"]
    [cell] = window["cells"]
    for broken in (
        window | {"grain": "week"},
        window | {"cells": [cell[:3]]},
        window | {"cells": [[1, *cell]]},
    ):
        assert not valid("windows", partials | {"windows": [broken]})
    assert not valid("profiles", profile | {"session": [1, 2]})
    assert not valid("profiles", profile | {"revenue": {"INR": "7"}})


@pytest.mark.parametrize("name", ["events.raw", "events.enriched"])
@pytest.mark.parametrize(
    "broken",
    [
        {"properties": []},
        {"properties": "{}"},
        {"properties": None},
        {"source": "web"},
        {"event": ""},
        {"event": "a" * 201},
        {"distinct_id": "a" * 201},
        {"project": "a b"},
        {"uuid": "1"},
        {"_origin": "0:7"},
        {"timestamp": True},
    ],
)
def test_limits_are_in_the_schema(name: str, broken: dict[str, object]) -> None:
    plain = json.loads(encode(EVENT if name == "events.raw" else ENRICHED))
    assert valid(name, plain | {"event": "a" * 200})
    assert not valid(name, plain | broken)


def test_unknown_events_and_properties_satisfy_the_catalogue() -> None:
    assert valid("events.catalogue", {"event": "anything", "properties": {"amount": "x"}})
    assert valid("events.catalogue", {"event": "click", "properties": {"other": "x"}})
    assert valid("events.catalogue", {"event": "click"})
    assert not valid("events.catalogue", {"event": "ticket_purchased"})
    assert not valid("events.catalogue", {"event": "click", "properties": {"url": 1}})


TIMES = st.just("2026-01-02T03:04:05Z") | st.integers(0, 10**12) | st.booleans() | st.none()
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 700),
    st.floats(-1, 700),
    st.text(max_size=2),
    st.just([]),
    st.just({}),
)


def values_of(declared: Property) -> st.SearchStrategy[Any]:
    """Right and wrong values of a property."""
    if declared.type == "time":
        return TIMES
    return st.sampled_from(declared.choices) | VALUES if declared.choices else VALUES


@given(st.data())
def test_the_schema_and_the_check_agree(data: st.DataObject) -> None:
    event: EventType = data.draw(st.sampled_from(CATALOGUE))
    declared = {one.name: values_of(one) for one in (*EVERY_EVENT[:3], *event.properties)}
    properties = data.draw(st.fixed_dictionaries({}, optional=declared))
    agrees = valid("events.catalogue", {"event": event.name, "properties": properties})
    assert agrees == (check_properties_types(event.name, properties) == ())
