"""Hints are differences that chance hardly makes, by another library's test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from scipy.stats import ttest_ind

from loopin_sinks.recommendations import hints as module
from loopin_sinks.recommendations.hints import (
    FAR,
    LEAST_ITEMS,
    Hint,
    Measure,
    Subject,
    compared,
    of_content,
    of_events,
)
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


@pytest.mark.parametrize(
    ("subject", "by", "value", "measure", "begins"),
    [
        ("platform_event", "category", "music", "joins", "Platform events of the category music had"),
        ("platform_event", "price", "free", "joins", "Free platform events had"),
        ("platform_event", "city", "Pune", "joins", "Platform events in Pune had"),
        ("platform_event", "start_weekday", "Friday", "joins", "Platform events that start on a Friday had"),
        (
            "platform_event",
            "start_hours",
            "16:00-20:00",
            "joins",
            "Platform events that start between 16:00 and 20:00 had",
        ),
        (
            "platform_event",
            "announced",
            "14 days or more",
            "joins",
            "Platform events announced 14 days or more before their start had",
        ),
        ("content", "content_type", "note", "views", "Content of the type note had"),
        ("content", "published_weekday", "Monday", "views", "Content published on a Monday had"),
        (
            "content",
            "published_hours",
            "12:00-16:00",
            "views",
            "Content published between 12:00 and 16:00 had",
        ),
    ],
)
def test_each_is_told_in_one_sentence(
    subject: Subject, by: str, value: str, measure: Measure, begins: str
) -> None:
    hint = Hint(subject, by, value, measure, 15.7143, 1234.5, 40, 1200, 5.0)
    assert hint.text == f"{begins} 15.7 {measure} on average, all others 1,234 (40 and 1,200 of them)."


def test_every_attribute_has_its_sentence() -> None:
    """Of all that are compared, whatever comes of it."""
    known = [event(str(number), category="a", created=0, starts=9) for number in range(2)]
    asked: set[str] = set()

    def noted(subject: Subject, by: str, *rest: object) -> Iterator[Hint]:
        asked.add(by)
        yield Hint(subject, by, "x", "interactions_per_view", 0.25, 0.1, 20, 20, 4.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "compared", noted)
        found = list(of_events(PlatformEvents(tuple(known)), np.ones(2), 10, UTC))
        found += of_content(["a"], [datetime(2026, 1, 1, tzinfo=UTC)], np.ones(1), np.ones(1))
    assert len(asked) == 9
    assert all("had 0.25 interactions a view on average" in hint.text for hint in found)
