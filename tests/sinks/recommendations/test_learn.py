"""Precision counted by hand, and weights that are found again."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from loopin_sinks.recommendations import learn as module
from loopin_sinks.recommendations.checks import Checks
from loopin_sinks.recommendations.community_signals import SIGNALS, community_week
from loopin_sinks.recommendations.history import Demand, History
from loopin_sinks.recommendations.learn import PART, Week, cutoffs, learn, measured, precision, top
from loopin_sinks.recommendations.platform_events import Bools, Floats
from loopin_sinks.recommendations.ranker import LEAST_TAKEN, Ranker, by_hand, learned
from tests.sinks.recommendations.placed import placed
from tests.uncounted import uncounted

DAY_MS = 86_400_000


def plain_precision(
    scores: list[list[float]], allowed: list[list[bool]], taken: list[list[bool]], k: int
) -> float:
    """Of each user who took any, the share of k that were taken, in plain loops."""
    shares = []
    for user, row in enumerate(scores):
        mine = [item for item in range(len(row)) if allowed[user][item]]
        if not any(taken[user][item] for item in mine):
            continue
        best = sorted(mine, key=lambda item: (-row[item], item))[:k]
        shares.append(sum(taken[user][item] for item in best) / k)
    return sum(shares) / len(shares)


@pytest.mark.parametrize("items", [4, 10, 25])
def test_precision_is_that_of_a_plain_count(items: int) -> None:
    dice = np.random.default_rng(items)
    scores = dice.integers(0, 6, (30, items)).astype(float)  # many are equal
    allowed, taken = dice.random((30, items)) < 0.8, dice.random((30, items)) < 0.1
    found = precision(top(scores, allowed), taken & allowed)
    assert found == pytest.approx(plain_precision(scores.tolist(), allowed.tolist(), taken.tolist(), 10))


def test_nobody_who_took_anything_has_no_precision() -> None:
    assert precision(np.zeros((3, 10), dtype=np.int64), np.zeros((3, 20), dtype=np.bool_)) is None


def test_what_is_not_allowed_is_never_chosen_even_where_there_is_nothing_else() -> None:
    chosen = top(np.array([[3.0, 2.0, 1.0]]), np.array([[False, True, False]]), 2)
    assert chosen.tolist() == [[1, -1]]
    assert top(np.zeros((1, 0)), np.zeros((1, 0), dtype=np.bool_), 2).tolist() == [[-1, -1]]


def drawn(pairs: int, seed: int) -> tuple[Floats, Bools]:
    """Signals in units of their own, and what was taken by known weights."""
    dice = np.random.default_rng(seed)
    signals = dice.normal(size=(pairs, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, 1.0]
    odds = 1.5 * signals[:, 0] - 0.1 * (signals[:, 1] - 5) - 2
    return signals, dice.random(pairs) < 1 / (1 + np.exp(-odds))


def test_weights_are_found_again_in_the_signals_own_units() -> None:
    signals, taken = drawn(60_000, 1)
    found = learned(("a", "b", "c"), signals[taken], signals[~taken])
    assert found is not None
    assert found.learned
    assert found.weights[0] == pytest.approx(1.5, abs=0.08)
    assert found.weights[1] == pytest.approx(-0.1, abs=0.008)
    assert abs(found.weights[2]) < 0.5  # of a signal that spreads by 0.1
    # Scores are probabilities: as often taken as they say.
    scores = found.scores(signals)
    for low in (0.0, 0.2, 0.4, 0.6):
        those = (scores >= low) & (scores < low + 0.2)
        assert taken[those].mean() == pytest.approx(scores[those].mean(), abs=0.02)
    assert found.parts(signals).sum(axis=1) + found.bias == pytest.approx(np.log(scores / (1 - scores)))


def test_few_that_were_taken_and_such_that_all_were_teach_nothing() -> None:
    signals = np.ones((500, 2))
    assert learned(("a", "b"), signals[: LEAST_TAKEN - 1], signals[LEAST_TAKEN - 1 :]) is None
    assert learned(("a", "b"), signals, signals[:0]) is None
    # A signal that is the same everywhere counts nothing.
    same = learned(("a", "b"), signals[:LEAST_TAKEN], signals[LEAST_TAKEN:])
    assert same is not None
    assert same.scores(signals) == pytest.approx(LEAST_TAKEN / 500, abs=1e-3)


def week(seed: int) -> Week:
    dice = np.random.default_rng(seed)
    signals = dice.normal(size=(300, 20, 2))
    taken = dice.random((300, 20)) < 1 / (1 + np.exp(3 - 2 * signals[:, :, 0]))
    return Week(np.arange(20), signals, np.ones((300, 20), dtype=np.bool_), taken, dice.random(20))


def halves(of: Week) -> list[Week]:
    """The same in two parts."""
    return [
        of._replace(signals=of.signals[rows], allowed=of.allowed[rows], taken=of.taken[rows])
        for rows in (slice(90), slice(90, None))
    ]


def test_weights_are_learned_of_the_weeks_that_are_over_and_judged_on_another() -> None:
    asked: list[int] = []

    def of(at: int) -> list[Week]:
        asked.append(at)
        return halves(week(at // DAY_MS))

    at = 100 * DAY_MS
    found = learn(("good", "noise"), of, at)
    assert asked == cutoffs(at) == [93 * DAY_MS, 86 * DAY_MS, 79 * DAY_MS]
    assert found is not None
    last = week(100)
    ranked, popular, users = measured(halves(last), found)
    assert users == int(last.taken.any(axis=1).sum())
    assert ranked == pytest.approx(
        plain_precision(found.scores(last.signals).tolist(), last.allowed.tolist(), last.taken.tolist(), 10)
    )
    assert popular == pytest.approx(
        plain_precision([last.popular.tolist()] * 300, last.allowed.tolist(), last.taken.tolist(), 10)
    )
    assert ranked is not None
    assert popular is not None
    assert ranked > 1.5 * popular


def test_fewer_pairs_teach_the_same_and_scores_stay_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 600,000 pairs of which one in fifty was taken, no more than 4,000 of each kind are kept."""
    dice = np.random.default_rng(5)
    signals = dice.normal(size=(3, 2_000, 100, 2))
    taken = dice.random((3, 2_000, 100)) < 1 / (
        1 + np.exp(4.5 - 1.2 * signals[..., 0] + 0.5 * signals[..., 1])
    )
    everywhere = np.ones((100, 100), dtype=np.bool_)

    def of(at: int) -> Iterator[Week]:
        week = cutoffs(100 * DAY_MS).index(at)
        for start in range(0, 2_000, 100):
            rows = slice(start, start + 100)
            yield Week(np.arange(100), signals[week, rows], everywhere, taken[week, rows], dice.random(100))

    monkeypatch.setattr(module, "KEPT", 4_000)
    found = learn(("more", "less"), of, 100 * DAY_MS)
    assert found is not None
    assert found == learn(("more", "less"), of, 100 * DAY_MS)  # by the same seed
    # Five standard errors of a slope that is fitted on 4,000 of each kind.
    assert found.weights == pytest.approx((1.2, -0.5), abs=0.15)
    scores = found.scores(signals)
    assert scores.mean() == pytest.approx(taken.mean(), rel=0.05)
    for low, high in ((0.0, 0.01), (0.01, 0.05), (0.05, 0.2), (0.2, 1.0)):
        those = (scores >= low) & (scores < high)
        assert taken[those].mean() == pytest.approx(scores[those].mean(), rel=0.15), low


def test_no_more_than_a_part_of_a_week_is_held() -> None:
    """Weeks of 1,000 users and 1,000 communities, which in one table of float64 would take 40 MB each."""
    users, items, rows = 1_000, 1_000, 20_000
    dice, none = np.random.default_rng(6), np.zeros(0, dtype=np.int64)
    history = History(
        tuple(map(str, range(users))),
        placed(*[""] * users),
        dice.integers(0, users, rows),
        dice.integers(0, items, rows),
        dice.random(rows) < 0.3,
        dice.integers(60 * DAY_MS, 100 * DAY_MS, rows),
    )
    every = np.arange(items)
    demand = Demand(every, every, every, every)
    checks = Checks(none, none, np.zeros(0, dtype=np.bool_), none, {})

    def week(at: int) -> Iterator[Week]:
        return community_week(items, history, demand, checks, at)

    def parted(at: int) -> Iterator[Week]:
        for part in week(at):
            assert part.taken.size <= PART
            yield part

    assert learn(SIGNALS, parted, 100 * DAY_MS) is not None  # what is imported is not counted below
    with uncounted():
        tracemalloc.start()
        try:
            ranker = learn(SIGNALS, week, 100 * DAY_MS)
            assert ranker is not None
            _, _, judged = measured(week(93 * DAY_MS), ranker)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert judged > 900
    assert most < 3 * 40_000_000


def test_a_model_is_named_by_what_it_is_made_of() -> None:
    one = by_hand(("a", "b"), (1.0, 2.0), -1.0)
    assert one.version == Ranker(("a", "b"), (0.0, 0.0), (1.0, 2.0), -1.0, learned=False).version
    others = [by_hand(("a", "c"), (1.0, 2.0), -1.0), by_hand(("a", "b"), (1.0, 2.1), -1.0)]
    assert one.version not in {other.version for other in others}
