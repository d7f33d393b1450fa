"""Planted kinds are found, keep their names, and users keep their kind unless they clearly changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from loopin_sinks.personas.activity import GROUPS, Activity, activity_of
from loopin_sinks.personas.features import FEATURES, features
from loopin_sinks.personas.run import LEAST_ASSIGNED, LEAST_EVENTS, Run, assign, personas_of
from tests.sinks.personas.planted import KINDS, permuted, planted

ACTIVITY, KIND = planted()


def personas(run: Run) -> dict[str, str]:
    return {user: run.clusters[at].persona for user, at in zip(run.users, run.personas, strict=True)}


@pytest.fixture(scope="module")
def run() -> Run:
    found = personas_of(ACTIVITY)
    assert found is not None
    return found


def test_planted_kinds_are_found_and_named(run: Run) -> None:
    of = personas(run)
    assert adjusted_rand_score(KIND, [of[user] for user in ACTIVITY.users]) > 0.98
    named = {kind: of[f"{kind}-0"] for kind in KINDS}
    assert named == {"talkers": "social_explorer", "readers": "passive_observer", "goers": "event_regular"}
    assert sum(cluster.size for cluster in run.clusters) == len(run.users) == len(ACTIVITY)
    assert run.fitted_on == len(ACTIVITY)
    assert all((run.distances <= run.others).tolist())


def test_a_run_over_users_in_another_order_is_the_same_one(run: Run) -> None:
    again = personas_of(permuted(ACTIVITY, 7))
    assert again is not None
    assert personas(again) == personas(run)


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_a_run_on_other_days_gives_kinds_the_names_that_they_had(run: Run, seed: int) -> None:
    # Whatever they are called, and wherever they stand.
    former = [replace(each, persona=f"name_{at}") for at, each in enumerate(run.clusters)]
    before = {user: former[at].persona for user, at in zip(run.users, run.personas, strict=True)}
    later, kinds = planted(seed=seed)
    found = personas_of(later, former[::-1])
    assert found is not None
    of = personas(found)
    right = [of[user] == before[f"{kind}-0"] for user, kind in zip(later.users, kinds, strict=True)]
    assert np.mean(right) > 0.98


def test_features_of_an_older_release_are_not_compared_with(run: Run) -> None:
    former = [replace(each, persona=f"name_{at}", centroid=(1.0,)) for at, each in enumerate(run.clusters)]
    found = personas_of(ACTIVITY, former)
    assert found is not None
    assert personas(found) == personas(run)


def test_whoever_stands_between_two_keeps_what_they_have() -> None:
    away = np.array([[1.0, 1.05], [1.0, 1.05], [1.0, 1.05], [1.0, 1.2]])
    assert assign(away, [-1, 0, 1, 1]).tolist() == [0, 0, 1, 0]


def row(user: str, number: float, hour: int | None = None, **counts: float) -> tuple[Any, ...]:
    """A user with so many events, there at one hour of the day or evenly at all."""
    there = [number / 24 if hour is None else number * (at == hour) for at in range(24)]
    return (user, number, [counts.get(group, 0) for group in GROUPS], there, "IN/Pune")


def with_rows(*rows: tuple[Any, ...]) -> Activity:
    """The planted users, and these."""
    known = ACTIVITY
    of_known = zip(known.users, known.events, known.counts, known.hours, known.places, strict=True)
    return activity_of([*of_known, *rows])


def test_users_of_whom_little_is_known_shape_nothing_and_the_fewest_have_no_persona(run: Run) -> None:
    found = personas_of(
        with_rows(
            row("one", 1, content=1),
            row("some", LEAST_ASSIGNED, 21, social=LEAST_ASSIGNED),
            row("many", LEAST_EVENTS - 1, 8, content=LEAST_EVENTS - 1),
        )
    )
    assert found is not None
    assert found.fitted_on == run.fitted_on
    of = personas(found)
    assert "one" not in of
    assert (of["some"], of["many"]) == ("social_explorer", "passive_observer")


def test_a_user_with_a_million_events_moves_nobody_else(run: Run) -> None:
    found = personas_of(with_rows(row("busy", 1_000_000, 21, social=1_000_000, hosting=1)))
    assert found is not None
    of = personas(found)
    assert of["busy"] == "social_explorer"
    assert {user: of[user] for user in ACTIVITY.users} == personas(run)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -5.0])
def test_counts_that_are_none_count_nothing(bad: float) -> None:
    found = features(with_rows(row("odd", 100, social=bad, content=100)))
    assert found.shape == (len(ACTIVITY) + 1, len(FEATURES))
    assert np.isfinite(found).all()


def test_too_few_users_have_no_personas() -> None:
    assert personas_of(activity_of([])) is None
    assert personas_of(activity_of([row("one", 1, content=1)])) is None
    same = [row(f"same-{number}", 100, content=50, social=50) for number in range(500)]
    assert personas_of(activity_of(same)) is None


def test_shares_by_hand() -> None:
    """Two users of whom a thousand actions each are known: the average hardly counts."""
    found = features(activity_of([row("a", 1_000, events=750, content=250), row("b", 1_000, content=1_000)]))
    # Of a: (750 + 10 * 0.375) / 1010; the mean of both is 37.5 % events.
    assert found[0, 0] ** 2 == pytest.approx((750 + 3.75) / 1010)
    assert found[1, 0] ** 2 == pytest.approx(3.75 / 1010)
    assert (found[:, :6] ** 2).sum(axis=1) == pytest.approx(1)
    # Even over the day: no wave.
    assert found[:, 6:10] == pytest.approx(0)
