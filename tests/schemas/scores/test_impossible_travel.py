"""The published examples, known distances, and that farther and faster never gives less."""

from __future__ import annotations

from math import pi

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.scores.impossible_travel import (
    EARTH_RADIUS_KM,
    FARTHEST_KM,
    LOOKBACK_S,
    SPEED_LIMIT_KMH,
    great_circle_km,
    travel_speed,
)

PLACES = st.tuples(st.floats(-90, 90), st.floats(-180, 180))
KM, SECONDS, OFF = st.floats(0, FARTHEST_KM), st.floats(0, 1e7), st.floats(0, 2000)

MUMBAI, PUNE, LONDON = (19.1, 72.9), (18.5, 73.9), (51.5, -0.1)
BERLIN, NEW_YORK = (52.5, 13.4), (40.7, -74.0)


@pytest.mark.parametrize(
    ("a", "b", "km", "hours", "off", "speed", "possible"),
    [
        (MUMBAI, PUNE, 125, 2, 20, 52.5, True),
        (MUMBAI, LONDON, 7189, 10, 100, 708.9, True),
        (BERLIN, NEW_YORK, 6386, 1, 100, 6286, False),
    ],
)
def test_the_published_examples(
    a: tuple[float, float],
    b: tuple[float, float],
    km: int,
    hours: int,
    off: int,
    speed: float,
    possible: bool,
) -> None:
    assert round(great_circle_km(a, b)) == km
    assert travel_speed(km, hours * 3600, off) == pytest.approx(speed)
    assert (travel_speed(km, hours * 3600, off) < SPEED_LIMIT_KMH) is possible


def test_distances_that_are_known() -> None:
    """A quarter of the way around, half of it, and one degree of the equator (R. W. Sinnott's own checks)."""
    around = 2 * pi * EARTH_RADIUS_KM
    assert great_circle_km((0, 0), (90, 0)) == pytest.approx(around / 4)
    assert great_circle_km((0, 0), (0, 180)) == pytest.approx(around / 2)
    assert great_circle_km((30, 10), (-30, -170)) == pytest.approx(around / 2)
    assert great_circle_km((0, 179.5), (0, -179.5)) == pytest.approx(around / 360)
    assert around / 2 <= FARTHEST_KM


@given(PLACES, PLACES, PLACES)
def test_a_way_is_as_long_back_and_no_longer_than_over_a_third_place(
    a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]
) -> None:
    assert great_circle_km(a, b) == pytest.approx(great_circle_km(b, a))
    # Of places nearly opposite each other the haversine formula knows the angle to the root of the precision.
    assert great_circle_km(a, b) <= great_circle_km(a, c) + great_circle_km(c, b) + 1e-3
    assert 0 <= great_circle_km(a, b) <= FARTHEST_KM


@given(KM, KM, SECONDS, SECONDS, OFF, OFF)
def test_farther_sooner_and_surer_is_never_slower(
    km: float, more: float, seconds: float, later: float, off: float, surer: float
) -> None:
    near, far = sorted((km, more))
    soon, late = sorted((seconds, later))
    exact, vague = sorted((off, surer))
    assert 0 <= travel_speed(near, late, vague) <= travel_speed(far, soon, exact)


@given(KM, st.floats(LOOKBACK_S, 1e7))
def test_what_lies_longer_ago_than_is_looked_back_is_never_impossible(km: float, seconds: float) -> None:
    assert travel_speed(km, seconds, 0) <= SPEED_LIMIT_KMH
