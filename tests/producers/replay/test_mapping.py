from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from loopin_producers.replay.ecom import ecom_map
from loopin_producers.replay.errors import ReplayError
from loopin_producers.replay.mapper import Mapper
from loopin_producers.replay.mapping import default_mapping, load_mapping, parse_mapping
from loopin_schemas import InvalidEvent

NEW_YEAR = 1_767_225_600_000
"""2026-01-01T00:00:00Z"""
BASE = {"event": "action", "distinct_id": "who"}


def test_every_part_of_a_mapping() -> None:
    mapping = parse_mapping(
        {
            "columns": {**BASE, "timestamp": "at", "session_id": "s", "uuid": "id", "properties": "more"},
            "timestamp": {"format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"},
            "properties": {
                "exclude": ["secret"],
                "types": {"price": "float", "count": "int", "vip": "bool", "zip": "text"},
                "rename": {"price": "amount"},
                "constant": {"currency": "EUR"},
            },
        }
    )
    row = Mapper(mapping)(
        {
            "action": "buy",
            "who": 17,
            "at": "01.01.2026 01:00",
            "s": "s1",
            "id": "",
            "more": '{"nested":{"a":1}}',
            "secret": "x",
            "price": "9.5",
            "count": "3",
            "vip": "Yes",
            "zip": 1234,
            "empty": "",
            "null": None,
        }
    )
    assert row[:5] == ("buy", "17", NEW_YEAR, "s1", None)
    assert row.properties == {
        "currency": "EUR",
        "nested": {"a": 1},
        "amount": 9.5,
        "count": 3,
        "vip": True,
        "zip": "1234",
    }


def test_only_included_columns_become_properties() -> None:
    mapping = parse_mapping({"columns": BASE, "properties": {"include": ["a", "who"]}})
    assert Mapper(mapping)({"action": "x", "who": "u", "a": 1, "b": 2}).properties == {"a": 1, "who": "u"}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("iso", "2026-01-01T01:00:00+01:00"),
        ("iso", "2026-01-01"),
        ("iso", NEW_YEAR),
        ("iso", datetime(2026, 1, 1)),
        ("iso", datetime(2026, 1, 1, tzinfo=UTC)),
        ("epoch_s", "1767225600"),
        ("epoch_s", 1767225600.0),
        ("epoch_ms", str(NEW_YEAR)),
        ("%Y/%m/%d", "2026/01/01"),
    ],
)
def test_timestamp_formats(kind: str, value: Any) -> None:
    mapping = parse_mapping({"columns": {**BASE, "timestamp": "at"}, "timestamp": {"format": kind}})
    assert Mapper(mapping).timestamp({"at": value}) == NEW_YEAR


def test_iso_without_offset_is_in_the_zone() -> None:
    rule = {"zone": "Europe/Berlin"}
    mapper = Mapper(parse_mapping({"columns": {**BASE, "timestamp": "at"}, "timestamp": rule}))
    assert mapper.timestamp({"at": "2026-01-01 01:00:00"}) == NEW_YEAR
    assert mapper.timestamp({"at": "2026-01-01T00:00:00Z"}) == NEW_YEAR


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"at": "soon"}, "timestamp"),
        ({"at": "NaN"}, "timestamp"),
        ({"who": 1.5}, "who"),
        ({"n": "many"}, "properties.n"),
        ({"flag": "maybe"}, "properties.flag"),
        ({"more": "[1]"}, "properties"),
        ({"more": "{"}, "properties"),
    ],
)
def test_cells_that_do_not_fit(values: dict[str, Any], field: str) -> None:
    mapping = parse_mapping(
        {
            "columns": {**BASE, "timestamp": "at", "properties": "more"},
            "timestamp": {"format": "epoch_s"},
            "properties": {"types": {"n": "int", "flag": "bool"}},
        }
    )
    with pytest.raises(InvalidEvent) as caught:
        Mapper(mapping)({"action": "x", "who": "u", **values})
    assert caught.value.field == field


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"columns": {}},
        {"columns": {"event": "a"}},
        {"columns": {**BASE, "evnt": "x"}},
        {"columns": {**BASE, "timestamp": 5}},
        {"columns": BASE, "timestamp": {"zone": "Mars/Olympus"}},
        {"columns": BASE, "properties": {"types": {"a": "decimal"}}},
    ],
)
def test_wrong_mappings_are_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ReplayError, match="mapping") as caught:
        parse_mapping(document)
    assert caught.value.code == "mapping_invalid"


def test_missing_column_is_named() -> None:
    with pytest.raises(ReplayError, match="'who'.*a, action"):
        parse_mapping({"columns": BASE}).check_columns(["a", "action"])


def test_two_columns_may_not_become_one_property() -> None:
    mapping = parse_mapping({"columns": BASE, "properties": {"rename": {"a": "b"}}})
    mapping.check_columns(["action", "who", "a"])
    with pytest.raises(ReplayError, match="same property"):
        mapping.check_columns(["action", "who", "a", "b"])


def test_default_mapping_takes_canonical_names() -> None:
    mapping = default_mapping(["event", "distinct_id", "timestamp", "price"])
    assert mapping.columns.named() == ("event", "distinct_id", "timestamp")
    with pytest.raises(ReplayError):
        default_mapping(["name"]).check_columns(["name"])


def test_map_files(tmp_path: Path) -> None:
    assert load_mapping(ecom_map()).columns.distinct_id == "user_id"
    (tmp_path / "bad.toml").write_text("columns = [")
    for name, code in (("bad.toml", "mapping_invalid"), ("none.toml", "mapping_unreadable")):
        with pytest.raises(ReplayError) as caught:
            load_mapping(tmp_path / name)
        assert caught.value.code == code
