"""Times in: ISO 8601 and epoch milliseconds; everything else is refused by one error."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas import InvalidEvent
from loopin_schemas.timestamps import MAX_MS, MIN_MS, parse_timestamp, to_iso

NOON = 1_705_314_600_123
"""2024-01-15T10:30:00.123Z, by ``date -u -d @1705314600``."""


@pytest.mark.parametrize(
    "value",
    [
        "2024-01-15T10:30:00.123Z",
        "2024-01-15t10:30:00.123z",
        "2024-01-15 10:30:00.123",
        "2024-01-15T10:30:00,123+00:00",
        "2024-01-15T16:00:00.123+05:30",
        "2024-01-15T05:30:00.123-0500",
        "20240115T103000.123Z",
        "2024-W03-1T10:30:00.123Z",
        "  2024-01-15T10:30:00.123Z\n",
        "2024-01-15T10:30:00.123999Z",
        "2024-01-15T10:30:00.123456789Z",
        NOON,
        NOON + 0.9,
        str(NOON),
        f"{NOON}.9",
        f"+{NOON}",
    ],
)
def test_spellings_of_one_moment(value: object) -> None:
    assert parse_timestamp(value) == NOON


@pytest.mark.parametrize(
    ("value", "iso"),
    [
        ("2024-01-15", "2024-01-15T00:00:00.000Z"),
        ("2024-01-15T10:30", "2024-01-15T10:30:00.000Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"),
        ("1900-01-01T00:00:00Z", "1900-01-01T00:00:00.000Z"),
        ("2200-12-31T23:59:59.999Z", "2200-12-31T23:59:59.999Z"),
        ("9999-12-31T23:59:59.9999Z", "9999-12-31T23:59:59.999Z"),
        ("0001-01-01", "0001-01-01T00:00:00.000Z"),
        ("1969-12-31T23:59:59.9996Z", "1969-12-31T23:59:59.999Z"),
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (-0.5, "1969-12-31T23:59:59.999Z"),
        ("-1", "1969-12-31T23:59:59.999Z"),
        (MIN_MS, "0001-01-01T00:00:00.000Z"),
        (MAX_MS, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_reads_and_writes_back(value: object, iso: str) -> None:
    assert to_iso(parse_timestamp(value)) == iso


@pytest.mark.parametrize(
    ("value", "iso"),
    [
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
        ("2016-12-31T23:59:60.500Z", "2017-01-01T00:00:00.500Z"),
        ("2017-01-01T05:29:60+05:30", "2017-01-01T00:00:00.000Z"),
    ],
)
def test_a_leap_second_is_the_first_of_the_next_day(value: str, iso: str) -> None:
    assert to_iso(parse_timestamp(value)) == iso


@pytest.mark.parametrize(
    "text",
    ["1712011500000", "1712012400000", "20240115", "2024"],
    ids=["date-like", "hour-like", "day", "year"],
)
def test_digits_are_milliseconds_even_where_they_look_like_a_date(text: str) -> None:
    assert parse_timestamp(text) == int(text)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        [],
        {},
        b"2024-01-15",
        float("nan"),
        float("inf"),
        float("-inf"),
        1e300,
        10**400,
        MAX_MS + 1,
        MIN_MS - 1,
        "",
        " ",
        "now",
        "NaN",
        "Infinity",
        "1e5",
        "1_705_314_600_123",
        "9" * 18,
        "9" * 5000,
        "2024-13-01",
        "2023-02-29",
        "2024-01-15T25:00:00Z",
        "2024-01-15T10:60:00Z",
        "2024-06-15T10:30:60Z",
        "2024-01-15T10:30:00+24:00",
        "2024-01-15x10:30:00",
        "2024-01-15\x0010:30:00",
        "20240115x103000",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:60Z",
        "10000-01-01T00:00:00Z",
        "\u0662\u0660\u0662\u0664-01-15",
        "\ud800",
        "Mon, 15 Jan 2024 10:30:00 GMT",
    ],
)
def test_refuses_what_is_no_time(value: object) -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse_timestamp(value, "sent_at")
    assert (caught.value.code, caught.value.field) == ("timestamp_invalid", "sent_at")
    assert "sent_at" in caught.value.reason
    assert caught.value.reason.endswith(".")


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)),
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["T", " "]),
)
def test_agrees_with_datetime(moment: datetime, offset_minutes: int, separator: str) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    exact = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert parse_timestamp(aware.isoformat(separator)) == exact


@given(st.integers(MIN_MS, MAX_MS))
def test_text_and_milliseconds_are_inverse(milliseconds: int) -> None:
    assert parse_timestamp(to_iso(milliseconds)) == milliseconds


@given(st.text(alphabet="0123456789-+:.,TZW \x00\ud800tz", max_size=40) | st.floats() | st.integers())
def test_anything_is_a_time_within_range_or_our_error(value: object) -> None:
    try:
        milliseconds = parse_timestamp(value)
    except InvalidEvent:
        return
    assert MIN_MS <= milliseconds <= MAX_MS


@pytest.mark.parametrize("milliseconds", [MIN_MS - 1, MAX_MS + 1])
def test_writing_refuses_years_without_four_digits(milliseconds: int) -> None:
    with pytest.raises(OverflowError):
        to_iso(milliseconds)
