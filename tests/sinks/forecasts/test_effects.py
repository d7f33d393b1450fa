"""What the calendar adds: holidays by the library's calendar and by name, and the year."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from loopin_sinks.forecasts.effects import holiday_effects, yearly_season
from loopin_sinks.forecasts.errors import UnknownCountry
from loopin_sinks.forecasts.public_holidays import holidays_of
from tests.sinks.forecasts.made_up import FIRST, noise, of, weekly


def test_holidays_are_those_of_the_country() -> None:
    india = holidays_of("IN", 2025, 2026)
    assert india[date(2026, 1, 26)] == "Republic Day"
    assert india[date(2025, 8, 15)] == "Independence Day"
    assert date(2026, 10, 3) not in india
    assert date(2026, 10, 3) in holidays_of("DE", 2026, 2026)
    with pytest.raises(UnknownCountry, match="Nothing is known of the holidays of XX"):
        holidays_of("XX", 2026, 2026)


def test_each_holiday_has_its_own_effect_and_a_new_one_that_of_all() -> None:
    at = {20: "Feast", 55: "Feast", 90: "Feast", 30: "Fast", 65: "Fast", 100: "Fast", 125: "New", 126: "Fast"}
    effect = {"Feast": 200.0, "Fast": -100.0}
    values = 1000 + weekly(120) + noise(1, 120, 5.0)
    for day, name in at.items():
        if day < 120:
            values[day] += effect[name]
    holidays = {FIRST + timedelta(days=day): name for day, name in at.items()}
    found = holiday_effects(of(values), 10, holidays)
    assert found[[20, 55, 90]] == pytest.approx(200, abs=50)
    assert found[[30, 65, 100, 126]] == pytest.approx(-100, abs=50)
    # Between them: nobody has seen it.
    assert -100 < found[125] < 150
    others = np.delete(found, list(at))
    assert not others.any()


def test_without_a_holiday_before_none_has_an_effect() -> None:
    found = holiday_effects(of(100 + noise(2, 60)), 10, {FIRST + timedelta(days=65): "Feast"})
    assert not found.any()


def test_the_year_is_what_comes_back_each_year() -> None:
    days = np.arange(790)
    year = 100 * np.sin(2 * np.pi * (days + 40) / 365.25) + 40 * np.cos(4 * np.pi * days / 365.25)
    found = yearly_season(of(500 + 0.3 * days[:760] + weekly(760) + year[:760] + noise(3, 760, 10.0)), 30)
    assert found - found.mean() == pytest.approx(year - year.mean(), abs=8)
