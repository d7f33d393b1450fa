"""Planted kinds are found, keep their names, and users keep their kind unless they clearly changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from loopin_sinks.personas.activity import GROUPS, Activity, activity_of
from loopin_sinks.personas.features import FEATURES, features
from loopin_sinks.personas.naming import AFTER_TRAITS, PERSONAS
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


def with_lookers(follows: int) -> tuple[Activity, NDArray[np.float64]]:
    """The planted users, none of whom follows recommendations, one who does so many times, and 25 who look
    at pages and do nothing else; how often each did what traits count, (users, traits)."""
    lookers = [row(f"looker-{number}", 60) for number in range(25)]
    activity = with_rows(
        *lookers, row("follower", 400, 21, social=200, content=100, recommendations=float(follows))
    )
    place = list(GROUPS).index("recommendations")
    activity.counts[:-1, place] = 0
    return activity, activity.counts


SAID_BY = {
    **{AFTER_TRAITS[group]: group for group in ("events", "content", "search", "social", "communities")},
    **{
        AFTER_TRAITS[group]: group for group in ("recommendations", "hosting", "joining", "buying", "sharing")
    },
    AFTER_TRAITS["attending"]: "attendance",
    "social_explorer": "social",
    "event_regular": "attendance",
    "passive_observer": "content",
    "power_user": "hosting",
}
"""What somebody has done who is called so."""


def assert_named_after_deeds(run: Run, counts: NDArray[np.float64]) -> None:
    """What a name says was done by half of the cluster's users at least."""
    for number, cluster in enumerate(run.clusters):
        theirs = counts[run.personas == number]
        for word, group in SAID_BY.items():
            if f"_{word}_" in f"_{cluster.persona}_":
                done = theirs[:, list(GROUPS).index(group)] > 0
                assert done.mean() >= 0.5, (cluster.persona, group)


@pytest.mark.parametrize("follows", [1, 25, 300])
def test_nobody_is_named_after_what_they_never_did(follows: int) -> None:
    activity, counts = with_lookers(follows)
    found = personas_of(activity)
    assert found is not None
    assert_named_after_deeds(found, counts)
    of = personas(found)
    assert of["looker-0"] not in PERSONAS
    # What tells the lookers apart is not how much of the average stands for them.
    looking = next(each for each in found.clusters if each.persona == of["looker-0"])
    assert looking.traits["recommendations"] <= 0


def test_a_name_that_says_what_they_never_did_is_not_kept() -> None:
    activity, counts = with_lookers(25)
    found = personas_of(activity)
    assert found is not None
    wrong = [
        "recommendation_follower_event_browser",
        "power_user",
        "host",
        "buyer",
        "sharer",
        "community_member",
    ]
    former = [replace(each, persona=name) for each, name in zip(found.clusters, wrong, strict=False)]
    again = personas_of(activity, former)
    assert again is not None
    assert again.clusters[0].persona not in wrong
    assert_named_after_deeds(again, counts)


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
