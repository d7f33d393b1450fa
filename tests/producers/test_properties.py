from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from ipaddress import ip_address
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_producers.guard import Kinds
from loopin_producers.properties import encode_properties
from loopin_schemas import InvalidEvent
from loopin_schemas.validation import MAX_PROPERTIES_BYTES

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Safe(str):
    """As Django's SafeString: to format it is to get another of its kind."""

    def __str__(self) -> str:
        return self


class Count(int):
    def __repr__(self) -> str:
        return "many"


class Failing(Mapping[str, Any]):
    """A mapping whose source has gone away."""

    def __getitem__(self, key: str) -> Any:
        raise OSError

    def __iter__(self) -> Iterator[str]:
        raise OSError

    def __len__(self) -> int:
        return 1


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_json_values_survive_unchanged(properties: dict[str, Any]) -> None:
    assert json.loads(encode_properties(properties)) == properties


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05+00:00"),
        (datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T03:00:00+02:00"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(minutes=1.5), 90.0),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("10.50"), 10.5),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Safe("<b>"), "<b>"),
        ({Safe("a"): Safe("b")}, {"a": "b"}),
        (Count(7), 7),
        (2**70, 2**70),
        ({"only"}, ["only"]),
        ((1, 2), [1, 2]),
        ({Colour.RED: 1, 7: 2}, {"red": 1, "7": 2}),
    ],
)
def test_values_that_are_converted(value: Any, expected: Any) -> None:
    assert json.loads(encode_properties({"x": [value]})) == {"x": [expected]}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (float("nan"), "number_not_finite"),
        (float("-inf"), "number_not_finite"),
        (Decimal("NaN"), "number_not_finite"),
        (Decimal("sNaN"), "number_not_finite"),
        (Decimal("1e400"), "number_out_of_range"),
        pytest.param(10**400, "number_out_of_range", id="long"),
        pytest.param(-(10**400), "number_out_of_range", id="long negative"),
        ({None: 1}, "wrong_type"),
    ],
)
def test_values_without_json_name_their_path(value: Any, code: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        encode_properties({"cart": {"lines": [1, value]}})
    assert (caught.value.code, caught.value.field) == (code, "properties.cart.lines.1")


class Article:
    """As an object-relational mapper's: whatever is asked of it asks the database."""

    def _ask(self, *_: object) -> Any:
        raise AssertionError("a query was run")

    item = tolist = __str__ = __repr__ = __iter__ = __len__ = __bool__ = __float__ = _ask
    __class__ = property(_ask)


@dataclass
class Account:
    name: str
    password_hash: str


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(7), 7),
        (np.float32(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.datetime64("2026-01-02"), "2026-01-02"),
        (np.datetime64("2026-01-02T03:04:05"), "2026-01-02T03:04:05+00:00"),
        (np.datetime64("2026-01-02T03:04:05.123456789"), "2026-01-02T03:04:05.123456+00:00"),
        (np.datetime64("20000-01-01"), "20000-01-01"),
        (np.datetime64("NaT", "ns"), None),
        (np.timedelta64(5, "s"), 5.0),
        (np.timedelta64(90_000_000_000, "ns"), 90.0),
        (np.timedelta64(5, "ns"), 5e-9),
        (np.timedelta64("NaT", "ns"), None),
        (np.timedelta64(5, "M"), "5 months"),
        (np.array([["2026-01-02"]], dtype="datetime64[ns]"), [["2026-01-02T00:00:00+00:00"]]),
        (np.array([1500, "NaT"], dtype="timedelta64[ms]"), [1.5, None]),
        (np.array("2026-01-02", dtype="datetime64[ns]"), "2026-01-02T00:00:00+00:00"),
        (np.bytes_(b"abc"), "abc"),
        (np.longdouble(0.5), 0.5),
        (np.array(7), 7),
        (np.array([1]), [1]),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array(["a", None, Account("ann", "x")], dtype=object), ["a", None, "<Account>"]),
        (np.array(Account("ann", "x"), dtype=object), "<Account>"),
        (np.array({"a": 1}, dtype=object), {"a": 1}),
        (np.array([(1, Account("ann", "x"))], dtype=[("n", int), ("of", object)])[0], [1, "<Account>"]),
        (Account("ann", "pbkdf2$x"), "<Account>"),
        (ValueError("ann@example.com"), "<ValueError>"),
        (PurePosixPath("/a/b"), "/a/b"),
        (Fraction(1, 2), "1/2"),
        (ip_address("203.0.113.7"), "203.0.113.7"),
        (b"caf\xc3\xa9", "café"),
        (b"\xff", "\ufffd"),
        (1j, "1j"),
    ],
)
def test_values_of_foreign_classes_arrive_as_numbers_or_text(value: Any, expected: Any) -> None:
    found = json.loads(encode_properties({"x": [value], "y": value}))
    assert found == {"x": [expected], "y": expected}
    assert type(found["y"]) is type(expected)


def test_no_code_of_an_unknown_object_runs() -> None:
    assert json.loads(encode_properties({"x": Article(), "y": [Article()]})) == {
        "x": "<Article>",
        "y": ["<Article>"],
    }


def test_an_array_that_cannot_fit_is_not_converted() -> None:
    class Counted(np.ndarray):
        def tolist(self) -> Any:
            raise AssertionError("it was converted")

    Counted.__module__ = "numpy"
    for shape in (1_000_000, (1000, 1000)):
        with pytest.raises(InvalidEvent) as caught:
            encode_properties({"x": [np.zeros(shape).view(Counted)]})
        assert (caught.value.code, caught.value.field) == ("properties_too_large", "properties.x.0")
    most = np.zeros(MAX_PROPERTIES_BYTES // 2 - 4, dtype=int)
    assert len(encode_properties({"x": most})) == MAX_PROPERTIES_BYTES - 1


def test_a_foreign_class_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    made = type("Made", (), {})
    for _ in range(3):
        encode_properties({"cart": {"lines": [made()]}})
    (said,) = [one.getMessage() for one in caplog.records]
    assert said.startswith("Convert properties.cart.lines.0 first: a Made is captured as <Made>.")


def test_a_scalars_number_is_checked_as_any_other() -> None:
    for value, code in ((np.float32("nan"), "number_not_finite"), (np.float32("inf"), "number_not_finite")):
        with pytest.raises(InvalidEvent) as caught:
            encode_properties({"x": [value]})
        assert (caught.value.code, caught.value.field) == (code, "properties.x.0")


def test_group_keys_are_text_and_those_that_are_none_are_left_out() -> None:
    groups = {"company": 7, "team": UUID(int=1), "plan": None, "city": "Pune"}
    assert json.loads(encode_properties(None, groups)) == {
        "$groups": {"company": "7", "team": "00000000-0000-0000-0000-000000000001", "city": "Pune"}
    }


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ([1], "has the wrong type"),
        (17.0, "has the wrong type"),
        (float("nan"), "has the wrong type"),
        (True, "has the wrong type"),
        ("x" * 201, "has 201 characters"),
        ("", "is empty"),
    ],
)
def test_an_odd_group_key_costs_its_group_only(
    key: Any, said: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopin_producers.properties._odd_groups", Kinds())
    for _ in range(3):
        found = json.loads(encode_properties({"amount": 1}, {"company": key, "city": "Pune"}))
        assert found == {"amount": 1, "$groups": {"city": "Pune"}}
    (told,) = [one.getMessage() for one in caplog.records]
    assert told.startswith("An event belongs to no 'company': The group_key ")
    assert said in told


def test_an_integer_too_long_to_be_written_is_out_of_range() -> None:
    for properties, field in (({"x": 10**5000}, "properties.x"), ({10**5000: 1}, "properties")):
        with pytest.raises(InvalidEvent) as caught:
            encode_properties(properties)  # type: ignore[arg-type]
        assert (caught.value.code, caught.value.field) == ("number_out_of_range", field)


def test_an_object_that_raises_is_an_invalid_event() -> None:
    for properties in (Failing(), {"a": [Failing()]}):
        with pytest.raises(InvalidEvent) as caught:
            encode_properties(properties)
        assert (caught.value.code, caught.value.field) == ("unreadable", "properties")
        assert "OSError" in caught.value.reason
    with pytest.raises(InvalidEvent):
        encode_properties({}, Failing())


def test_wrong_names_depth_and_text() -> None:
    circle: dict[str, Any] = {}
    circle["again"] = circle
    for properties, code in (
        ([("a", 1)], "properties_not_object"),
        ({None: 1}, "wrong_type"),
        ({True: 1}, "wrong_type"),
        (circle, "too_deep"),
        ({"text": "\ud800"}, "not_utf8"),
    ):
        with pytest.raises(InvalidEvent) as caught:
            encode_properties(properties)  # type: ignore[arg-type]
        assert caught.value.code == code


def test_none_is_an_empty_object() -> None:
    assert encode_properties(None) == encode_properties({}) == b"{}"
