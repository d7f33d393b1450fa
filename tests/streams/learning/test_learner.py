"""A learner by examples whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from loopin_schemas.example import Example
from loopin_streams.learning import learner as learning
from loopin_streams.learning.drift import population_stability
from loopin_streams.learning.features import CONTRAST_NAMES, KEPT, contrasts, rows_of
from loopin_streams.learning.learner import DAY_MS, Learner
from loopin_streams.learning.quality import auc
from loopin_streams.learning.scoring import probabilities
from loopin_streams.learning.targets import ATTENDANCE, CHURN, TARGETS, Target
from loopin_streams.learning.versions import JUDGED

FAST = replace(CHURN, candidates=("logistic", "online_logistic"))
DELAY_MS = 30 * DAY_MS


def examples(
    number: int, *, seed: int = 1, first_day: float = 0, a_day: int = 50, flipped: bool = False
) -> list[Example]:
    """Outcomes that follow the third kept byte with noise; known 30 days after they were predicted."""
    rng = np.random.default_rng(seed)
    found = []
    for place in range(number):
        kept = rng.integers(80, 160, KEPT).astype(np.uint8)
        chance = 1 / (1 + np.exp(-(float(kept[1]) - 140) / 8))
        made_at = int((first_day + place / a_day) * DAY_MS)
        found.append(
            Example(
                project="demo",
                target="churn",
                distinct_id=f"user-{place}",
                made_at=made_at,
                known_at=made_at + DELAY_MS,
                features=kept.tobytes(),
                outcome=bool((rng.random() < chance) != flipped),
            )
        )
    return found


def test_below_a_hundred_examples_a_heuristic_answers() -> None:
    learner = Learner("demo", FAST)
    learner.learn(examples(99))
    assert learner.model() is None
    assert not learner.good_enough()


def test_it_learns_what_is_there() -> None:
    learner = Learner("demo", FAST)
    learner.learn(examples(3000))
    model = learner.model()
    assert model is not None
    assert learner.good_enough()
    fresh = examples(1000, seed=2)
    rows = contrasts(rows_of([example.features for example in fresh]))[:, list(FAST.columns())]
    outcomes = np.array([example.outcome for example in fresh])
    # The best there is: the byte itself.
    best = auc(np.array([float(example.features[1]) for example in fresh]), outcomes)
    reached = auc(probabilities(model, rows), outcomes)
    assert reached is not None
    assert best is not None
    assert reached > best - 0.02


def test_a_prediction_counts_only_for_versions_that_were_there_when_it_was_made() -> None:
    learner = Learner("demo", FAST)
    learner.learn(examples(1500))
    # The first version is of day 32: what it predicts is known from day 62 on, after these.
    first = learner.versions[0].made_at
    assert first >= DELAY_MS
    assert not learner._delayed
    assert len(learner._fresh["logistic"].outcomes) >= 1000
    more = examples(1500, seed=5, first_day=31)
    learner.learn(more)
    judged = [one for one in more if one.made_at >= first]
    assert 0 < len(judged) < len(more)
    assert len(learner._delayed["logistic"].outcomes) == len(judged)


def test_a_model_that_turns_wrong_gives_way_to_the_heuristic_and_comes_back() -> None:
    learner = Learner("demo", FAST)
    learner.learn(examples(3000))
    assert learner.good_enough()
    learner.learn(examples(2000, seed=6, first_day=60, flipped=True))
    assert not learner.good_enough()
    assert learner.drift.changes >= 1


def spoilt_for_a_week() -> list[Example]:
    """Labels are right for 20 days, flipped for 8, and right again for 6."""
    return [
        *examples(1000, seed=3),
        *examples(400, seed=23, first_day=20, flipped=True),
        *examples(300, seed=31, first_day=28),
    ]


def test_where_the_newest_version_learned_nonsense_the_one_before_answers_and_then_a_newer_one() -> None:
    learner = Learner("demo", FAST)
    given = spoilt_for_a_week()
    learner.learn(given)
    standing = learner.standing()
    assert standing.version is not None
    assert standing.earlier is not None
    newest = learner.versions[-1]
    earlier = next(one for one in learner.versions if one.number == standing.earlier)
    answering = learner.answering()
    assert answering is not None
    assert answering.version == standing.earlier
    # It had learned none of the flipped ones but the first few, and the newest had learned all.
    assert earlier.examples <= 1100
    assert newest.examples >= 1400
    since = given[newest.examples :]
    rows = contrasts(rows_of([example.features for example in since]))[:, list(FAST.columns())]
    outcomes = [example.outcome for example in since]
    method = learner.champion or ""
    said = [log_loss(outcomes, version.scored(method, rows)[1]) for version in (earlier, newest)]
    assert said[0] < said[1]
    reached = roc_auc_score(outcomes, earlier.scored(method, rows)[1])
    assert (standing.answers, standing.degraded) == ("model" if reached >= 0.75 else "heuristic", True)
    assert reached >= 0.75

    learner.learn(examples(1500, seed=37, first_day=34))
    healed = learner.standing()
    assert (healed.answers, healed.earlier, healed.degraded) == ("model", None, False)


def test_what_is_learned_once_more_makes_no_versions_but_those_that_may_answer() -> None:
    given = spoilt_for_a_week()
    first, second = Learner("demo", FAST), Learner("demo", FAST, version=30, learned=500)
    first.learn(given)
    second.relearn(given)
    was, now = first.standing(), second.standing()
    assert was.earlier is not None
    made = second.take_models()
    assert [model.version for model in made] == [31, 32]
    assert (now.earlier, now.version, second.version) == (31, 32, 32)
    earlier, newest = (model for model in first.take_models() if model.version in (was.earlier, was.version))
    for one, other in zip(made, (earlier, newest), strict=True):
        renumbered = msgspec.structs.replace(other, version=one.version, examples=other.examples + 500)
        assert one == renumbered
    plain = {"version": 0, "earlier": 0, "examples": 0}
    assert msgspec.structs.replace(now, **plain) == msgspec.structs.replace(was, **plain)
    # And both go on alike.
    more = examples(800, seed=37, first_day=34)
    first.learn(more)
    second.learn(more)
    assert msgspec.structs.replace(second.standing(), **plain) == msgspec.structs.replace(
        first.standing(), **plain
    )
    assert [model.version for model in second.take_models()] == [*range(33, second.version + 1)]


def test_what_is_too_little_for_a_version_can_be_learned_once_more() -> None:
    learner = Learner("demo", FAST, version=3, learned=7)
    learner.relearn(examples(99))
    assert (learner.version, learner.take_models(), learner.learned) == (3, [], 106)


def test_while_no_version_is_good_enough_the_heuristic_answers_and_that_counts_as_degraded() -> None:
    learner = Learner("demo", FAST)
    learner.learn(examples(99))
    assert not learner.standing().degraded
    learner.learn(examples(2000, seed=4, first_day=2))
    assert (learner.standing().answers, learner.standing().degraded) == ("model", False)
    assert learner.drift.worse_at is None
    flipped = examples(900, seed=6, first_day=42, flipped=True)
    learner.learn(flipped)
    standing = learner.standing()
    assert (standing.answers, standing.degraded) == ("heuristic", True)
    assert learner.answering() is None
    assert standing.worse_at is not None
    assert flipped[0].known_at < standing.worse_at <= flipped[-1].known_at


@pytest.mark.parametrize("batch", [100, 1300])
def test_a_fall_between_two_versions_counts_as_degraded_in_whatever_batches(
    monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    alone = replace(CHURN, candidates=("logistic",))
    given = [*examples(1200, a_day=400), *examples(300, seed=8, first_day=3, a_day=400, flipped=True)]
    watched, reached = Learner("demo", alone), {}
    for known in range(100, 1501, 100):
        watched.learn(given[known - 100 : known])
        found = watched.qualities().get("logistic")
        reached[known] = found.auc if found is not None and found.auc is not None else 0.0
    # Good enough only after the last version, and not for long.
    at_versions = max(reached[known] for known in (100, 200, 400, 800))
    limit = (at_versions + max(reached.values())) / 2
    assert at_versions < limit < reached[1200]
    assert reached[1500] < limit
    monkeypatch.setattr(learning, "THRESHOLD", limit)
    learner = Learner("demo", alone)
    for first in range(0, len(given), batch):
        learner.learn(given[first : first + batch])
    standing = learner.standing()
    assert (standing.version, standing.answers, standing.degraded) == (4, "heuristic", True)


def test_a_model_that_was_never_good_enough_is_not_degraded() -> None:
    learner = Learner("demo", FAST)
    rng = np.random.default_rng(2)
    chance = [msgspec.structs.replace(one, outcome=bool(rng.random() < 0.5)) for one in examples(1500)]
    learner.learn(chance)
    assert learner.versions
    assert (learner.standing().answers, learner.standing().degraded) == ("heuristic", False)


def test_scores_shift_where_users_do() -> None:
    calm, moved = Learner("demo", FAST), Learner("demo", FAST)
    calm.learn(examples(2400))
    given = examples(2400)
    for place in range(1800, 2400):
        kept = bytearray(given[place].features)
        kept[1] = min(kept[1] + 40, 255)
        given[place] = msgspec.structs.replace(given[place], features=bytes(kept))
    moved.learn(given)
    assert calm.score_shift is not None
    assert moved.score_shift is not None
    assert calm.score_shift < 0.1
    assert moved.score_shift > 0.25
    assert moved.shifted["visits_missed"] == max(moved.shifted.values()) > 0.25


def test_the_newest_quarter_is_what_has_shifted_against_the_others() -> None:
    learner = Learner("demo", FAST)
    given = [with_first(one, 50 + place // 4) for place, one in enumerate(examples(800))]
    learner.learn(given)
    known = learner.versions[-1].examples
    assert 400 < known <= len(given)
    rows = contrasts(rows_of([one.features for one in given[:known]]))[:, list(FAST.columns())]
    expected = population_stability(rows[: known * 3 // 4], rows[known * 3 // 4 :])
    assert learner.shifted == pytest.approx(dict(zip(FAST.features, expected.tolist(), strict=True)))
    assert max(learner.shifted.values()) > 1


def with_first(example: Example, byte: int) -> Example:
    """With another first kept byte."""
    return msgspec.structs.replace(example, features=bytes([byte]) + example.features[1:])


def test_in_parts_or_at_once_is_the_same() -> None:
    whole, parts = Learner("demo", FAST), Learner("demo", FAST)
    given = spoilt_for_a_week()
    whole.learn(given)
    for at in range(0, len(given), 7):
        parts.learn(given[at : at + 7])
    assert whole.standing() == parts.standing()
    one, other = parts.model(), whole.model()
    assert one is not None
    assert other is not None
    assert (one.method, one.version, one.made_at) == (other.method, other.version, other.made_at)
    rows = contrasts(rows_of([example.features for example in given]))[:, list(FAST.columns())]
    assert probabilities(one, rows) == pytest.approx(probabilities(other, rows), abs=1e-9)


def test_so_it_is_where_they_were_not_predicted_in_the_order_in_which_they_come() -> None:
    rng = np.random.default_rng(5)
    given = [
        msgspec.structs.replace(each, made_at=each.made_at - int(rng.integers(0, 40)) * DAY_MS)
        for each in examples(9000, a_day=60)
    ]
    target = replace(CHURN, candidates=("logistic",))
    whole, parts = Learner("demo", target), Learner("demo", target)
    whole.learn(given)
    for at in range(0, len(given), 7):
        parts.learn(given[at : at + 7])
    one, other = (msgspec.structs.asdict(each.qualities()["logistic"]) for each in (whole, parts))
    # No more than the newest are judged by.
    assert one["number"] == JUDGED < len(given)
    assert whole.standing().delayed
    assert one == pytest.approx(other, abs=1e-9)


def test_all_outcomes_alike_make_no_version() -> None:
    learner = Learner("demo", FAST)
    learner.learn([replace_outcome(example) for example in examples(400)])
    assert learner.model() is None


def replace_outcome(example: Example) -> Example:
    return Example(
        project="demo",
        target="churn",
        distinct_id=example.distinct_id,
        made_at=example.made_at,
        known_at=example.known_at,
        features=example.features,
        outcome=False,
    )


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_heuristics_are_probabilities_of_whatever_is_kept(target: Target) -> None:
    rng = np.random.default_rng(8)
    rows = contrasts(rng.integers(0, 256, (2000, KEPT)).astype(np.uint8))
    chances = target.heuristic(rows)
    assert ((chances >= 0) & (chances <= 1)).all()
    assert set(target.features) <= set(CONTRAST_NAMES)


def test_who_stays_away_longer_is_likelier_gone() -> None:
    rows = contrasts(np.full((20, KEPT), 100, np.uint8))
    rows[:, CONTRAST_NAMES.index("days_away")] = np.log1p(np.arange(20))
    assert (np.diff(CHURN.heuristic(rows)) > 0).all()


def test_who_came_before_is_likelier_to_come() -> None:
    rows = contrasts(np.full((2, KEPT), 60, np.uint8))
    rows[:, CONTRAST_NAMES.index("tenure")] = np.log1p(200)
    rows[:, CONTRAST_NAMES.index("joins")] = np.log(0.3 + 0.03)
    rows[:, CONTRAST_NAMES.index("attended")] = np.log(np.array([0.05, 0.28]) + 0.03)
    missed, came = ATTENDANCE.heuristic(rows)
    assert missed < 0.5 < 0.7 < came


def test_those_who_left_and_are_told_late_make_a_version() -> None:
    learner = Learner("demo", FAST)
    given = examples(1000)
    stayed, left = ([one for one in given if one.outcome is happened] for happened in (False, True))
    learner.learn(stayed + left[:15])
    before = learner.version
    # As an import tells them: of the same days as the others, and not as many.
    learner.learn(left[15:])
    assert len(left) < len(stayed)
    assert learner.version > before
    assert learner.versions[-1].positives > 30
