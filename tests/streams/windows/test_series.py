"""Which series a project's day has: bounded, and the same after a restart."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from loopin_streams.windows.series import MAX_BYTES, MAX_VALUES, OTHER, SeriesOfDay

VALUES = [f"v{number}" for number in range(MAX_VALUES)]


def full() -> SeriesOfDay:
    day = SeriesOfDay()
    for value in VALUES:
        day.admit("events", "country", value)
    return day


def test_a_series_keeps_its_number() -> None:
    day = SeriesOfDay()
    first = day.admit("events", "", "")
    second = day.admit("events", "country", "IN")
    assert (first, second) == ((("events", "", ""), 0), (("events", "country", "IN"), 1))
    assert (day.admit("events", "country", "IN"), day.admit("events", "", "")) == (second, first)


def test_each_metric_numbers_its_series_from_zero() -> None:
    day = SeriesOfDay()
    assert [day.admit(metric, "", "")[1] for metric in ("events", "active_users", "events")] == [0, 0, 0]


def test_values_beyond_the_limit_share_one_series() -> None:
    day = full()
    other = day.admit("events", "country", "new")
    assert other == (("events", "country", OTHER), MAX_VALUES)
    assert day.admit("events", "country", "newer") == other
    assert day.admit("events", "country", VALUES[7]) == (("events", "country", VALUES[7]), 7)


def test_each_dimension_of_each_metric_has_a_limit_of_its_own() -> None:
    day = full()
    for metric, dimension in (("events", "event"), ("revenue", "country")):
        assert day.admit(metric, dimension, "new")[0] == (metric, dimension, "new")
    assert day.admit("events", "", "")[0] == ("events", "", "")


def test_a_value_named_like_the_rest_counts_with_it_and_takes_no_room() -> None:
    day = SeriesOfDay()
    for value in (OTHER, *VALUES):
        assert day.admit("events", "country", value)[0] == ("events", "country", value)
    assert day.admit("events", "country", "new")[0] == ("events", "country", OTHER)


def test_long_values_have_less_room() -> None:
    day = SeriesOfDay()
    long = [f'{number:03}"' + "\U0001f3ab" * 196 for number in range(MAX_VALUES)]
    admitted = [series for value in long if (series := day.admit("events", "event", value)[0])[2] != OTHER]
    size = len(json.dumps(long[0], ensure_ascii=False).encode())
    assert len(admitted) == MAX_BYTES // size < MAX_VALUES
    assert day.admit("events", "event", long[-1])[0][2] == OTHER
    assert day.admit("events", "event", "short")[0][2] == "short"


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["", "c", "d"]), st.text(max_size=3))))
def test_a_day_that_was_restored_admits_alike(wanted: list[tuple[str, str, str]]) -> None:
    day = SeriesOfDay()
    found = dict(day.admit(*series) for series in wanted)
    restored = SeriesOfDay()
    for series, number in reversed(found.items()):
        restored.known(series, number)
    for series in [*wanted, ("a", "c", "new"), ("b", "d", "new"), ("c", "c", "new")]:
        assert restored.admit(*series) == day.admit(*series)


def test_a_full_day_that_was_restored_is_full() -> None:
    day, restored = full(), SeriesOfDay()
    day.admit("events", "country", "new")
    for number, value in enumerate([*VALUES, OTHER]):
        restored.known(("events", "country", value), number)
    assert restored.admit("events", "country", "newest") == day.admit("events", "country", "newest")
