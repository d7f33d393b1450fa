"""Days of places are turned by what lies between their clocks."""

from __future__ import annotations

import numpy as np
import pytest

from loopin_sinks.personas.rhythm import LEAST_HOURS, turned

DAY = np.array([1, 0, 0, 0, 0, 1, 3, 6, 8, 5, 3, 4, 9, 7, 3, 2, 3, 5, 9, 12, 14, 9, 5, 3], dtype=float)
"""Of somebody's clocks."""


def users(shift: int, number: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Hours in UTC of people whose clocks are so many hours ahead of it."""
    drawn = np.random.default_rng(seed).multinomial(50, np.roll(DAY, -shift) / DAY.sum(), size=number)
    return drawn.astype(np.float64)


@pytest.mark.parametrize("ahead", [-9, -4, 0, 1, 11])
def test_people_of_another_zone_are_put_on_the_clocks_of_the_most(ahead: int) -> None:
    hours = np.vstack([users(5, 400, 1), users(5 + ahead, 100, 2)])
    found = turned(hours, ["IN/Pune"] * 400 + ["elsewhere"] * 100)
    assert np.array_equal(found[:400], hours[:400])
    assert np.array_equal(found[400:], np.roll(hours[400:], ahead, axis=1))


def test_a_place_of_which_little_is_known_stays_as_it_is() -> None:
    few = users(-4, 3, 3)
    assert few.sum() < LEAST_HOURS
    found = turned(np.vstack([users(5, 400, 1), few]), ["IN/Pune"] * 400 + ["US/New York"] * 3)
    assert np.array_equal(found[400:], few)


def test_nobody_and_people_who_were_never_there_are_no_trouble() -> None:
    assert turned(np.zeros((0, 24)), []).shape == (0, 24)
    assert np.array_equal(turned(np.zeros((2, 24)), ["", "a"]), np.zeros((2, 24)))
