"""What the scores of users cost an event, all targets together: ``python -m tests.bench.scoring``.

The events of J2 in one of its partitions, in batches as large as the worker gathers at most; whose they are
has been known for five days (of newcomers nothing is predicted, so J2 itself pays none of this). A batch's
users are scored once each, by the heuristics, by logistic regressions, and by ensembles of one with a forest
that has learned 4,400 examples.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
from threadpoolctl import threadpool_limits

from loopin_schemas.behaviour import KINDS
from loopin_schemas.codec import encode
from loopin_schemas.model import Blend, Forest, Linear, Model, ModelRecord, Scorer, Standing
from loopin_schemas.profile import Profile, Session
from loopin_streams.behaviour.counts import DAY_MS, count, new_behaviour
from loopin_streams.enrich.steps.partition import partition_of
from loopin_streams.kafka.partition import Limits
from loopin_streams.learning.answers import Answers
from loopin_streams.learning.candidates import AdaptiveForest, Candidate, RefittedLogistic
from loopin_streams.learning.features import contrasts, features_of
from loopin_streams.learning.foresight import Foresight
from loopin_streams.learning.models import Models, standing_key, version_key
from loopin_streams.learning.targets import CHURN, CONVERSION, Target
from tests.bench.bench import PARTITIONS
from tests.bench.messages import INVALID_ID, PROJECT, Messages, lines
from tests.streams.kafka.configured import Record

BATCHES = 12
LEARNT = 4_400
DAYS = 5
START_MS = 1_795_000_000_000
ROUNDS = 5


def batches() -> list[list[bytes]]:
    """Record keys, batch by batch."""
    size = Limits().max_events
    wanted = Messages(BATCHES * size * PARTITIONS * 11 // 10, START_MS)
    stranger = f"{PROJECT}:{INVALID_ID}".encode()
    keys = (key for key, _ in lines(wanted) if key != stranger and partition_of(key, PARTITIONS) == 0)
    return [list(islice(keys, size)) for _ in range(BATCHES)]


def known(key: bytes) -> Profile:
    """Somebody with an account who came on each of the days before."""
    dice = random.Random(key)
    first = START_MS - DAYS * DAY_MS
    behaviour = new_behaviour(first)
    behaviour.known = True
    for day in range(DAYS):
        at = first + day * DAY_MS + dice.randrange(DAY_MS)
        for _ in range(dice.randrange(1, 5)):
            count(behaviour, at, (dice.randrange(3, len(KINDS)),))
    session = Session(behaviour.last, behaviour.last, 1)
    return Profile(first, behaviour.last, 5, session, behaviour.last // DAY_MS, b"", behaviour=behaviour)


def fitted(candidate: Candidate, target: Target, users: Sequence[Profile]) -> Linear | Forest:
    """A model of outcomes drawn by the first contrast, and by chance."""
    behaviours = [user.behaviour for user in users if user.behaviour is not None]
    rows = contrasts(features_of(behaviours, [START_MS] * len(behaviours)))[:, list(target.columns())]
    odds = 3 * (rows[:, 0] - rows[:, 0].mean())
    outcomes = np.random.default_rng(1).random(len(rows)) < 1 / (1 + np.exp(-odds))
    for row, outcome in zip(rows, outcomes, strict=True):
        candidate.learn(row, bool(outcome))
    candidate.fit(rows, outcomes)
    found = candidate.scorer()
    assert isinstance(found, Linear | Forest)
    return found


def answers(scorers: Mapping[str, Scorer], method: str) -> Answers:
    """Models that say so, of each target that has a scorer."""
    models = Models()
    for target, scorer in scorers.items():
        model = Model(
            project=PROJECT, target=target, version=1, method=method, scorer=scorer, slope=1.0, intercept=0.0,
            made_at=START_MS, examples=LEARNT, positives=LEARNT // 5,
        )  # fmt: skip
        standing = Standing(
            project=PROJECT, target=target, answers="model", champion=method, version=1, rule=(1.0, 0.0),
            qualities={}, delayed=False, drifts=0, shifted={}, examples=LEARNT, at=START_MS,
        )  # fmt: skip
        for key, record in (
            (version_key(PROJECT, target, 1), ModelRecord(model=model)),
            (standing_key(PROJECT, target), ModelRecord(standing=standing)),
        ):
            if fault := models.apply(Record(key, encode(record))):
                raise ValueError(fault)
    return Answers(lambda: models)


def microseconds(said: Answers, users: Sequence[Sequence[tuple[bytes, Profile, int]]], events: int) -> float:
    """Processor time of an event; the median of the rounds."""
    foresight, found = Foresight(said), []
    with threadpool_limits(1):  # as the processes have it
        for _ in range(ROUNDS):
            began = time.process_time()
            for batch in users:
                foresight.score(batch)
            found.append((time.process_time() - began) / events * 1e6)
    assert all(profile.scores for _, profile, _ in users[0])
    return sorted(found)[ROUNDS // 2]


def main() -> None:
    keys = batches()
    profiles = {key: known(key) for key in {key for batch in keys for key in batch}}
    users = [[(key, profiles[key], START_MS) for key in dict.fromkeys(batch)] for batch in keys]
    events = sum(map(len, keys))
    targets = (CHURN, CONVERSION)
    learnt = list(profiles.values())[:LEARNT]
    lines_ = {target.name: fitted(RefittedLogistic(), target, learnt) for target in targets}
    forests = {target.name: fitted(AdaptiveForest(), target, learnt) for target in targets}
    both: dict[str, Scorer] = {name: Blend((lines_[name], forests[name])) for name in lines_}
    share = events / sum(map(len, users))
    print(f"{events:,} events in batches of {len(keys[0]):,}, {share:.2f} of a user in each batch")
    print(f"{'who answers':<14}{'us an event':>12}{'us a user':>11}")
    cases: dict[str, Mapping[str, Scorer]] = {"heuristic": {}, "logistic": lines_, "ensemble": both}
    for method, scorers in cases.items():
        spent = microseconds(answers(scorers, method), users, events)
        print(f"{method:<14}{spent:>12.2f}{spent * share:>11.2f}")


if __name__ == "__main__":
    main()
