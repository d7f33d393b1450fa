from __future__ import annotations

from datetime import UTC, datetime
from math import inf, nan
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import HuberRegressor

from loopin_schemas.codec import decoder, encode
from loopin_streams.alerts.seasonal import CRITICAL, WARNING, Expected, SeasonalModel, SeasonalState
from tests.streams.alerts.evaluation import HOURS, ORDINARY, SHIFTED, SHIFTS, adopt, find, scores
from tests.streams.alerts.series import (
    HOUR_MS,
    MONDAY,
    WEEK,
    Numbers,
    Series,
    counts,
    plant,
    profile,
    ratios,
    with_gaps,
)

DAY_MS = 24 * HOUR_MS
NEW_YORK = ZoneInfo("America/New_York")

decode = decoder(SeasonalState).decode


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def learned(values: Numbers, model: SeasonalModel | None = None) -> SeasonalModel:
    """A model that has learned hours from ``MONDAY`` on."""
    model = model or SeasonalModel("hour")
    for hour, value in enumerate(values):
        model.learn(MONDAY + hour * HOUR_MS, float(value))
    return model


def after(hours: int) -> int:
    return MONDAY + hours * HOUR_MS


def known(expected: Expected | None) -> Expected:
    assert expected is not None
    return expected


@pytest.mark.parametrize(("weeks", "grain"), [(2, "hour"), (4, "day")])
def test_the_first_weeks_only_warm_up(weeks: int, grain: str) -> None:
    model = SeasonalModel("hour" if grain == "hour" else "day")
    step = HOUR_MS if grain == "hour" else DAY_MS
    periods = weeks * 7 * DAY_MS // step
    for number, value in enumerate(rng().poisson(100, periods)):
        assert model.expected(MONDAY + number * step) is None
        assert model.score(MONDAY + number * step, 1e6) is None
        model.learn(MONDAY + number * step, float(value))
    assert known(model.expected(MONDAY + periods * step)).center == pytest.approx(100, rel=0.2)


def test_what_is_expected_is_what_the_counts_were_drawn_by() -> None:
    means = 200 * profile(9 * WEEK)
    model = learned(counts(rng(), means[: 8 * WEEK]).values)
    expected = [known(model.expected(after(hour))) for hour in range(8 * WEEK, 9 * WEEK)]
    truth = means[8 * WEEK :]
    errors = (np.array([one.center for one in expected]) - truth) / np.sqrt(truth)
    assert np.abs(errors).mean() < 0.5, "in standard deviations of one value"
    assert abs(errors.mean()) < 0.3
    widths = np.array([(one.high - one.low) / 2 for one in expected]) / np.sqrt(truth)
    assert np.all((widths > 3.2) & (widths < 6)), "4 of them, and the center's own error"


def test_it_is_hardly_further_off_than_a_robust_regression_over_all_that_was() -> None:
    series = ratios(rng(), 8 * WEEK)
    series.values[::19] += 0.5  # never in the same hour of two weeks on end
    model = learned(series.values, SeasonalModel("hour", "value"))
    ours = np.array([known(model.expected(after(8 * WEEK + hour))).center for hour in range(WEEK)])
    slots = np.eye(WEEK)[np.arange(8 * WEEK) % WEEK]
    batch = HuberRegressor(alpha=0, fit_intercept=False, max_iter=2000).fit(slots, series.values).coef_
    plain = series.values.reshape(8, WEEK).mean(axis=0)
    off_ours, off_batch, off_plain = (
        float(np.sqrt(np.mean((centers - series.means[:WEEK]) ** 2))) for centers in (ours, batch, plain)
    )
    assert off_ours < 1.5 * off_batch
    assert off_ours < 0.5 * off_plain


def test_the_root_makes_the_noise_of_counts_alike_at_all_levels() -> None:
    """Why counts are judged by their roots: they themselves, and their logarithms, are not."""

    def unlike(transformed: list[Numbers]) -> float:
        sds = [values.std() for values in transformed]
        return float(max(sds) / min(sds))

    draws = [rng().poisson(mean, 20_000).astype(float) for mean in (2, 10, 50, 500)]
    assert unlike([np.sqrt(values + 3 / 8) for values in draws]) < 1.1
    assert unlike(draws) > 10
    assert unlike([np.log1p(values) for values in draws]) > 5


FRESH = learned(counts(rng(), 50 * profile(3 * WEEK)).values)


@given(st.integers(0, WEEK), st.floats(0, 400), st.sampled_from([2.0, WARNING, CRITICAL]))
def test_a_value_is_out_of_the_range_if_its_score_is_above(hour: int, value: float, sds: float) -> None:
    at = after(3 * WEEK + hour)
    expected, score = known(FRESH.expected(at, sds)), FRESH.score(at, value)
    assert score is not None
    assert 0 <= expected.low <= expected.center <= expected.high
    if abs(abs(score) - sds) > 1e-6:
        assert (value < expected.low or value > expected.high) == (abs(score) > sds)


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_a_value_must_be_finite(value: float) -> None:
    model = SeasonalModel("hour")
    with pytest.raises(ValueError, match="finite"):
        model.learn(MONDAY, value)
    with pytest.raises(ValueError, match="finite"):
        model.score(MONDAY, value)
    assert model.state.last is None


class TestState:
    @pytest.mark.parametrize("kind", ["count", "value"])
    @pytest.mark.parametrize(
        "restored", [10, 2 * WEEK - 1, 2 * WEEK, SHIFTED + 5, SHIFTED + 40, HOURS - WEEK]
    )
    def test_a_restored_model_answers_as_one_that_never_stopped(self, restored: int, kind: str) -> None:
        make = SHIFTS["mean 100, x 0.3" if kind == "count" else "ratio 0.2, +0.1"]
        series = plant(make(rng()), 2 * WEEK)
        whole = SeasonalModel("hour", "count" if kind == "count" else "value")
        answers = scores(series, whole)
        first = SeasonalModel("hour", "count" if kind == "count" else "value")
        scores(Series(series.values[:restored], series.means, series.sds), first)
        second = SeasonalModel(
            "hour", "count" if kind == "count" else "value", state=decode(encode(first.state))
        )
        for hour in range(restored, HOURS):
            score = second.score(series.at(hour), series.values[hour])
            assert score is None or score == answers[hour]
            second.learn(series.at(hour), series.values[hour], score is not None and abs(score) > WARNING)
        assert encode(second.state) == encode(whole.state)

    def test_minutes_are_restored_within_an_hour_too(self) -> None:
        whole, again = SeasonalModel("minute"), SeasonalModel("minute")
        for number, value in enumerate(rng().poisson(20, 200)):
            for model in (whole, again):
                model.learn(MONDAY + number * 60_000, float(value))
            again = SeasonalModel("minute", state=decode(encode(again.state)))
            assert encode(again.state) == encode(whole.state)

    def test_it_stays_below_8_kb(self) -> None:
        """Even of a series that is out of the ordinary all the time, to either side by turns."""
        model = learned(1e6 + rng().normal(0, 12345.678, 2 * WEEK - 1), SeasonalModel("hour", "value"))
        assert len(encode(model.state)) < 8000
        largest = 0
        for hour in range(2 * WEEK - 1, 8 * WEEK):
            noise = (1e5 if hour % 2 else -1e5) / 7 * 2 ** (hour // 24 % 40) if hour > 2 * WEEK else 0
            model.learn(after(hour), 1e6 + noise + hour / 7)
            largest = max(largest, len(encode(model.state)))
        assert 3000 < largest < 8000

    def test_what_is_read_again_changes_nothing(self) -> None:
        model = learned(counts(rng(), 50 * profile(3 * WEEK)).values)
        before = encode(model.state)
        for hour in (0, 2 * WEEK, 3 * WEEK - 1):
            model.learn(after(hour), 1e6, fired=True)
        assert encode(model.state) == before

    def test_a_state_of_other_seasons_is_not_used(self) -> None:
        state = learned(counts(rng(), 50 * profile(3 * WEEK)).values).state
        assert SeasonalModel("hour", zone=ZoneInfo("UTC"), state=state).state is state
        for model in (
            SeasonalModel("day", state=state),
            SeasonalModel("hour", "value", state=state),
            SeasonalModel("hour", zone=NEW_YORK, state=state),
        ):
            assert model.expected(after(3 * WEEK)) is None
        older = decode(encode(state))
        older.version -= 1
        assert SeasonalModel("hour", state=older).expected(after(3 * WEEK)) is None


class TestWhatItLearns:
    def test_an_outlier_hardly_moves_it(self) -> None:
        values = counts(rng(), 100 * profile(5 * WEEK)).values
        spoiled = values.copy()
        spoiled[4 * WEEK + 15] = 1e6
        with_it, without = learned(spoiled), learned(values)
        for hour in (1, 5, 9, WEEK - 9 + 24):
            moved, usual = (known(model.expected(after(5 * WEEK + hour))) for model in (with_it, without))
            assert moved.center == pytest.approx(usual.center, rel=0.03)
        moved, usual = (known(model.expected(after(5 * WEEK + 15))) for model in (with_it, without))
        assert moved.center == pytest.approx(usual.center, rel=0.03)

    def test_an_outlier_of_the_warm_up_is_none_of_the_season(self) -> None:
        values = counts(rng(), 100 * profile(2 * WEEK)).values
        spoiled = values.copy()
        spoiled[[15, 40, WEEK + 80]] = 1e6, 0, 1e6
        with_them, without = learned(spoiled), learned(values)
        for hour in (15, 40, 80, 100):
            moved, usual = (known(model.expected(after(2 * WEEK + hour))) for model in (with_them, without))
            assert moved.center == pytest.approx(usual.center, rel=0.2)
            assert moved.high == pytest.approx(usual.high, rel=0.2)

    def test_what_fired_does_not_move_its_slot(self) -> None:
        values = counts(rng(), 100 * profile(4 * WEEK)).values
        models = learned(values), learned(values)
        for model, fired in zip(models, (True, False), strict=True):
            model.learn(after(4 * WEEK), 30.0, fired)
        slots = [model.state.slots[0] for model in models]
        assert slots[0] == learned(values).state.slots[0]
        assert slots[1] < slots[0]

    @pytest.mark.parametrize("name", SHIFTS)
    def test_a_new_level_fires_and_is_the_usual_after_two_days(self, name: str) -> None:
        taken = adopt(SHIFTS[name], 6)
        assert taken.fired == 1
        assert taken.slowest <= 48
        assert taken.false_4 < 1

    @pytest.mark.parametrize("hours", [3, 12, 18])
    def test_an_outage_fires_to_its_end_and_leaves_nothing_behind(self, hours: int) -> None:
        series = counts(rng(), 100 * profile(8 * WEEK))
        out = range(6 * WEEK + 8, 6 * WEEK + 8 + hours)
        series.values[out.start : out.stop] = 0
        found = np.abs(scores(series, SeasonalModel("hour")))
        by_day = [hour for hour in out if series.means[hour] > 40]
        assert np.all(found[by_day] > WARNING)
        assert np.sum(found[out.stop : 8 * WEEK] > WARNING) <= 1

    def test_outages_of_two_days_are_no_new_level(self) -> None:
        series = counts(rng(), 100 * profile(8 * WEEK))
        out = [6 * WEEK + day + hour for day in (0, 24) for hour in range(8, 22)]
        series.values[out] = 0
        found = np.abs(scores(series, SeasonalModel("hour")))
        assert np.all(found[[hour for hour in out if series.means[hour] > 40]] > WARNING)
        found[out] = 0
        assert np.sum(found[6 * WEEK :] > WARNING) <= 1

    def test_a_series_that_was_dead_for_months_is_back_as_it_was(self) -> None:
        """False alarms of 26 weeks of next to nothing, and of the 6 weeks after two days of being back."""
        dead = range(4 * WEEK, 30 * WEEK + 8)
        back = 0
        for seed in (2, 3):
            series = counts(rng(seed), 100 * profile(36 * WEEK))
            series.values[dead.start : dead.stop] = rng(seed).poisson(0.02, len(dead))
            alarms = np.abs(scores(series, SeasonalModel("hour"))) > WARNING
            assert not alarms[dead.start + 48 : dead.stop].any()
            assert alarms[dead.stop : dead.stop + 16].all()
            back += int(alarms[dead.stop + 48 :].sum())
        assert back <= 10

    def test_what_came_in_both_weeks_of_the_warm_up_is_the_usual(self) -> None:
        values = counts(rng(), 100 * profile(2 * WEEK)).values
        values[[34, WEEK + 34]] = 890, 910
        score = learned(values).score(after(2 * WEEK + 34), 900.0)
        assert score is not None
        assert abs(score) < 1

    def test_what_comes_every_week_is_the_usual_the_third_time(self) -> None:
        series = counts(rng(), 100 * profile(10 * WEEK))
        mailed = np.arange(5 * WEEK + 34, 10 * WEEK, WEEK)
        series.values[mailed] = 900 + rng().normal(0, 20, len(mailed))
        found = scores(series, SeasonalModel("hour"))[mailed]
        assert np.all(found[:2] > CRITICAL)
        assert np.all(np.abs(found[2:]) < WARNING)

    def test_a_constant_series_needs_one_week_and_begins_anew_when_it_is_so_no_more(self) -> None:
        model = SeasonalModel("hour")
        for hour in range(3 * WEEK):
            assert (model.expected(after(hour)) is None) == (hour < WEEK)
            model.learn(after(hour), 60.0)
        score = model.score(after(3 * WEEK), 40.0)
        assert score is not None
        assert score < -CRITICAL
        for hour in range(24):
            assert model.expected(after(3 * WEEK + hour)) is not None
            model.learn(after(3 * WEEK + hour), 40.0 - hour % 5, fired=True)
        assert model.expected(after(3 * WEEK + 24)) is None
        values = counts(rng(), 50 * profile(2 * WEEK)).values
        for hour, value in enumerate(values):
            model.learn(after(4 * WEEK + hour), value)
        assert known(model.expected(after(6 * WEEK + 15))).center == pytest.approx(90, rel=0.3)

    def test_a_few_events_in_a_silent_night_are_no_news(self) -> None:
        model = learned(np.zeros(2 * WEEK))
        for value in (1.0, 2.0, 3.0):
            score = model.score(after(2 * WEEK), value)
            assert score is not None
            assert score < WARNING
        score = model.score(after(2 * WEEK), 12.0)
        assert score is not None
        assert score > WARNING


class TestGaps:
    def test_missing_periods_are_not_learned_and_do_no_harm(self) -> None:
        series = with_gaps(counts(rng(), 100 * profile(9 * WEEK)), rng(), range(3 * WEEK, 5 * WEEK))
        found = scores(series, SeasonalModel("hour"))
        late = np.abs(found[5 * WEEK :])
        assert np.nanmax(late) < 6
        assert np.sum(late > WARNING) <= 1

    def test_hours_that_the_warm_up_never_saw_are_as_noisy_as_the_others(self) -> None:
        model = SeasonalModel("hour", "value")
        for hour, value in enumerate(rng().normal(0.5, 0.02, 2 * WEEK)):
            if hour % 24 not in (2, 3, 4):
                model.learn(after(hour), value)
        expected = known(model.expected(after(2 * WEEK + 3)))
        assert expected.center == pytest.approx(0.5, abs=0.02)
        assert expected.high - expected.low == pytest.approx(8 * 0.02, rel=0.4)

    def test_a_warm_up_with_too_little_takes_longer(self) -> None:
        values = counts(rng(), 100 * profile(6 * WEEK)).values
        model = SeasonalModel("hour")
        begun = [*range(30), *range(4 * WEEK - 60, 6 * WEEK)]
        for hour in begun:
            if hour == 5 * WEEK + 100:
                assert model.expected(after(hour)) is None
            model.learn(after(hour), values[hour])
        assert model.expected(after(6 * WEEK)) is not None

    def test_years_later_it_warms_up_anew(self) -> None:
        model = learned(counts(rng(), 100 * profile(WEEK)).values)
        later = 500 * WEEK
        for hour, value in enumerate(counts(rng(), 10 * profile(2 * WEEK)).values):
            assert model.expected(after(later + hour)) is None
            model.learn(after(later + hour), value)
        assert known(model.expected(after(later + 2 * WEEK + 15))).center == pytest.approx(18, rel=0.5)


class TestSeasons:
    def test_hours_are_those_of_the_zone_through_the_change_of_clocks(self) -> None:
        """In New York clocks went forward on 2026-03-08; what begins at 9 there began at 14 UTC before."""
        models = {zone: SeasonalModel("hour", zone=zone) for zone in (NEW_YORK, UTC)}
        change = int(datetime(2026, 3, 9, tzinfo=NEW_YORK).timestamp() * 1000)
        alarms = dict.fromkeys(models, 0)
        draw = rng()
        for at in range(MONDAY, change + 2 * DAY_MS, HOUR_MS):
            open_there = 9 <= datetime.fromtimestamp(at / 1000, NEW_YORK).hour < 17
            value = float(draw.poisson(400 if open_there else 20))
            for zone, model in models.items():
                score = model.score(at, value)
                alarms[zone] += at >= change and score is not None and abs(score) > WARNING
                model.learn(at, value)
        assert alarms[NEW_YORK] == 0
        assert alarms[UTC] >= 2

    @pytest.mark.parametrize("begins", [NEW_YORK, UTC], ids=str)
    def test_days_are_of_their_weekday_whether_they_begin_there_or_in_utc(self, begins: ZoneInfo) -> None:
        model = SeasonalModel("day", zone=NEW_YORK)
        draw = rng()
        starts = [
            int(datetime.fromordinal(day).replace(tzinfo=begins).timestamp() * 1000)
            for day in range(datetime(2026, 1, 5).toordinal(), datetime(2026, 4, 13).toordinal())
        ]
        for number, start in enumerate(starts):
            score = model.score(start, 300.0 if number % 7 == 6 else 1000.0)
            assert score is None or abs(score) < WARNING
            model.learn(start, float(draw.poisson(300 if number % 7 == 6 else 1000)))
        assert len(model.state.slots) == 7
        assert known(model.expected(starts[-1] + 7 * DAY_MS)).center == pytest.approx(300, rel=0.1)

    def test_a_day_may_be_missing_after_the_change_of_clocks(self) -> None:
        model = SeasonalModel("day", zone=NEW_YORK)
        first = datetime(2026, 2, 23).toordinal()
        for day in range(28):
            start = datetime.fromordinal(first + day).replace(tzinfo=NEW_YORK)
            if day != 17:
                model.learn(int(start.timestamp() * 1000), 300.0 if day % 7 == 6 else 1000.0 + day % 3)
        sunday = datetime(2026, 3, 29, tzinfo=NEW_YORK)
        assert known(model.expected(int(sunday.timestamp() * 1000))).center == pytest.approx(300, rel=0.05)

    def test_a_drop_of_half_shows_in_days(self) -> None:
        model = SeasonalModel("day")
        for day, value in enumerate(rng().normal(1000 * profile(12 * WEEK)[12::24], 60)):
            score = model.score(MONDAY + day * DAY_MS, value / 2)
            assert (score is None) == (day < 28)
            assert score is None or score < -WARNING
            model.learn(MONDAY + day * DAY_MS, value)

    def test_minutes_share_the_slot_of_their_hour(self) -> None:
        """Warm after a minute more than two weeks; silence shows at once, an hour later it is the usual."""
        means = np.repeat(30 * profile(3 * WEEK), 60)
        values = rng().poisson(means).astype(float)
        model = SeasonalModel("minute")
        false = 0
        for minute, value in enumerate(values):
            at = MONDAY + minute * 60_000
            score = model.score(at, value)
            assert (score is None) == (minute <= 2 * WEEK * 60)
            false += score is not None and abs(score) > WARNING
            model.learn(at, value)
        assert false < 0.001 * WEEK * 60
        assert len(encode(model.state)) < 8000
        silent = []
        for minute in range(len(values) + 15 * 60, len(values) + 16 * 60):
            silent.append(model.score(MONDAY + minute * 60_000, 0.0) or 0.0)
            model.learn(MONDAY + minute * 60_000, 0.0)
        assert max(silent[:20]) < -CRITICAL
        assert min(silent[-10:]) > -WARNING


class TestFigures:
    """What the module states of itself, with fewer series and room."""

    @pytest.mark.parametrize("name", ORDINARY)
    def test_false_alarms_are_rare(self, name: str) -> None:
        found = find(ORDINARY[name], 8)
        assert found.false_4 < 1.5
        assert found.false_6 < 0.2

    @pytest.mark.parametrize("name", [name for name in ORDINARY if name != "Poisson, mean 0.3"])
    def test_what_is_planted_is_found(self, name: str) -> None:
        found = find(ORDINARY[name], 8)
        assert found.sds_4 > 0.5
        assert np.isnan(found.half_4) or found.half_4 > 0.7
