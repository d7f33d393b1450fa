"""Hints are differences that chance hardly makes, by another library's test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from scipy.stats import ttest_ind

from loopin_sinks.recommendations.hints import FAR, LEAST_ITEMS, compared, of_content, of_events
from loopin_sinks.recommendations.platform_events import PlatformEvents
from tests.sinks.recommendations.test_platform_events import event


def test_the_distance_is_that_of_welchs_test() -> None:
    dice = np.random.default_rng(1)
    values = ["free"] * 40 + ["dear"] * 60 + [""] * 10
    outcomes = np.concatenate([dice.poisson(9, 40), dice.poisson(5, 60), np.full(10, 99)]).astype(float)
    found = {hint.value: hint for hint in compared("platform_event", "price", "joins", values, outcomes)}
    test = ttest_ind(outcomes[:40], outcomes[40:100], equal_var=False)
    assert found["free"].errors == pytest.approx(test.statistic)
    assert found["dear"].errors == pytest.approx(-test.statistic)
    assert (found["free"].mean, found["free"].others) == (outcomes[:40].mean(), outcomes[40:100].mean())
    assert (found["free"].items, found["free"].other_items) == (40, 60)
    assert found["free"].change == pytest.approx(outcomes[:40].mean() / outcomes[40:100].mean() - 1)


def test_chance_gives_no_hints() -> None:
    dice = np.random.default_rng(2)
    told = 0
    for _ in range(200):
        values = [str(number) for number in dice.integers(0, 5, 200)]
        told += len(list(compared("content", "by", "views", values, dice.poisson(4, 200).astype(float))))
    assert told <= 5  # of a thousand


def test_few_and_such_that_are_all_alike_say_nothing() -> None:
    few = ["a"] * (LEAST_ITEMS - 1) + ["b"] * 100
    assert list(compared("content", "by", "views", few, np.array([9.0] * 19 + [1.0] * 100))) == []
    same = ["a"] * 50 + ["b"] * 50
    assert list(compared("content", "by", "views", same, np.ones(100))) == []
    assert list(compared("content", "by", "views", [], np.zeros(0))) == []


def test_events_are_told_apart_by_category_day_and_hour_of_the_projects_clocks() -> None:
    # 15:00 UTC on a Friday is 20:30 there, still Friday.
    friday = datetime(2026, 1, 2, 15, tzinfo=UTC)
    known = []
    joins = []
    dice = np.random.default_rng(3)
    for number in range(120):
        good = number % 2 == 0
        starts = friday + timedelta(weeks=number % 3, days=0 if good else 3, hours=0 if good else -9)
        ms = round(starts.timestamp() * 1000)
        known.append(event(str(number), category="music" if good else "books", created=ms - 5, starts=ms))
        joins.append(dice.poisson(20 if good else 5))
    open_still = event("open", created=0, starts=2**42)
    events = PlatformEvents((*known, open_still))
    at = round((friday + timedelta(weeks=9)).timestamp() * 1000)
    found = list(of_events(events, np.array([*joins, 0.0]), at, ZoneInfo("Asia/Kolkata")))
    better = {(hint.by, hint.value) for hint in found if hint.errors > FAR}
    assert better == {("category", "music"), ("start_weekday", "Friday"), ("start_hours", "20:00-24:00")}
    assert all(hint.items + hint.other_items == 120 for hint in found)


def test_content_is_told_apart_by_views_and_by_reactions_a_view() -> None:
    dice = np.random.default_rng(4)
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=7 * number) for number in range(200)]
    kinds = ["article" if number % 2 else "post" for number in range(200)]
    views = dice.poisson(20, 200).astype(float)
    views[0] = 0  # of which no rate is known
    reactions = views * np.where(np.array(kinds) == "article", 0.5, 0.1) + dice.random(200)
    found = {(hint.by, hint.value, hint.measure): hint for hint in of_content(kinds, times, views, reactions)}
    assert ("content_type", "article", "views") not in found
    article = found["content_type", "article", "interactions_per_view"]
    assert article.mean == pytest.approx(0.5, abs=0.05)
    assert article.others == pytest.approx(0.1, abs=0.05)
    assert (article.items, article.other_items) == (100, 99)
