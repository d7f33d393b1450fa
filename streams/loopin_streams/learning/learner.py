"""Learns one target of one project: candidates, what each was worth, and which one answers.

Examples come in the order in which their outcomes became known. Each is first scored by the versions of the
candidates that were there when its prediction was made: a month may lie between, and what a model has
learned since does not count for it (delayed prequential evaluation). Until there are such, by the newest
version that had not learned it. Then it is learned. A version is made each seven days, when the examples
have doubled, and when as many as had happened before are told late, as an import does. It answers at once,
and is tried against the one that answered before, on the outcomes that come to be known since: where that
one is clearly better, it answers again. What is not good enough gives way to the heuristic. All that it
knows comes from the examples in their order: a learner that is given the same is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.example import Example
from loopin_schemas.model import Model, Quality, Scorer, Standing
from loopin_streams.learning.candidates import CANDIDATES, Candidate, scorers
from loopin_streams.learning.drift import ErrorDrift, population_stability
from loopin_streams.learning.features import contrasts, rows_of
from loopin_streams.learning.quality import calibrated, losses
from loopin_streams.learning.scoring import logit, sigmoid
from loopin_streams.learning.targets import LEAST_EXAMPLES, LEAST_OF_EACH, REFIT_DAYS, THRESHOLD, Target
from loopin_streams.learning.versions import Record, Trial, Version, better

DAY_MS: Final = 86_400_000

CALIBRATED_BY: Final = 1_000
"""Newest predictions that calibrate a version."""


class Learner:
    """One target of one project.

    ``champion`` is the candidate that answers, once it is good enough; until then the target's heuristic
    does, whose log odds ``rule`` (slope and intercept) calibrates. ``drift`` watches the champion's errors,
    ``shifted`` is each feature's population stability index: the newest quarter of examples against the rest;
    ``score_shift`` is that of what the newest version says of them.
    """

    def __init__(self, project: str, target: Target, *, version: int = 0, learned: int = 0) -> None:
        """``version`` is that of the newest model there was before, ``learned`` how many examples it had."""
        self.project = project
        self.target = target
        self.champion: str | None = None
        self.versions: list[Version] = []
        self.drift = ErrorDrift()
        self.shifted: dict[str, float] = {}
        self.score_shift: float | None = None
        self._columns = list(target.columns())
        self._candidates = self._beginners()
        self._examples: list[Example] = []
        self.rule = (1.0, 0.0)
        self._version = version
        self._learned = learned
        self._now = self._known = self._last_count = self._late = self._last_happened = 0
        self._delayed: dict[str, Record] = {}
        self._fresh: dict[str, Record] = {}
        self._trial: Trial | None = None
        self._made: list[Model] = []
        self._has_answered = False

    @property
    def version(self) -> int:
        """Of its newest model; 0 before the first."""
        return self._version

    @property
    def learned(self) -> int:
        """How many examples it has had, those before it began anew among them."""
        return self._learned + self._known

    def learn(self, examples: Sequence[Example]) -> None:
        """Judge and learn examples, in the order in which their outcomes became known."""
        for run in self._runs(examples):
            self._judge(run)
            self._examples.extend(run)
            self._known += len(run)
            self._late += sum(map(self._told_late, run))
            self._teach(run)
            # Of several partitions, outcomes come in no strict order.
            self._now = max(self._now, *(example.known_at for example in run))
            if self._known % LEAST_EXAMPLES == 0:
                self._note_answer()
            self._renew()

    def relearn(self, examples: Sequence[Example]) -> None:
        """Learn what a learner before it had learned already.

        Of the versions that this makes, only those that may answer are numbered and told: the newest, and the
        one that it is tried against.
        """
        before = self._version
        self.learn(examples)
        self._version, self._made = before, []
        if not self.versions or self.champion is None:
            return
        *unnumbered, newest = self.versions
        self.versions = [replace(version, number=0) for version in unnumbered]
        if self._trial is not None:
            self._trial.version = self._numbered(self._trial.version)
            self._made.append(self._model(self._trial.version, self._trial.method))
        self.versions.append(self._numbered(newest))
        self._made.append(self._model(self.versions[-1], self.champion))

    def model(self) -> Model | None:
        """Its newest model, whether it answers or not; None before the first."""
        if not self.versions or self.champion is None:
            return None
        return self._model(self.versions[-1], self.champion)

    def answering(self) -> Model | None:
        """What answers now; None where the heuristic does."""
        found = self._answering()
        return self._model(*found) if found is not None and self.good_enough() else None

    def take_models(self) -> list[Model]:
        """What was to answer as each version was made, oldest first; those since this was last called."""
        made, self._made = self._made, []
        return made

    def standing(self) -> Standing:
        """How its models stand."""
        return Standing(
            project=self.project,
            target=self.target.name,
            answers="model" if self.good_enough() else "heuristic",
            champion=self.champion,
            version=self.versions[-1].number if self.versions else None,
            earlier=self.earlier(),
            degraded=self.degraded(),
            rule=self.rule,
            qualities=self.qualities(),
            delayed=self._records() is not self._fresh,
            drifts=self.drift.changes,
            worse_at=self.drift.worse_at,
            shifted=self.shifted,
            score_shift=self.score_shift,
            examples=self.learned,
            at=self._now,
        )

    def by_rule(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the target's heuristic says of all contrasts of users, made right by what is known so far."""
        slope, intercept = self.rule
        return sigmoid(slope * logit(self.target.heuristic(rows)) + intercept)

    def good_enough(self) -> bool:
        """Whether a model may answer (document 002: min_data_points, model_accuracy_threshold).

        Of a version before the newest, what counts is how good it has been since then.
        """
        trial = self._lost_trial()
        record = trial.earlier if trial is not None else self._records().get(self.champion or "")
        found = record.quality() if record is not None else None
        if found is None or self._known < LEAST_EXAMPLES:
            return False
        reached = found.auc if self.target.quality == "auc" else found.accuracy
        return reached is not None and reached >= THRESHOLD

    def earlier(self) -> int | None:
        """The version before the newest that answers in its place, if one does."""
        trial = self._lost_trial()
        return trial.version.number if trial is not None else None

    def tried_against(self) -> int | None:
        """The version that the newest is tried against: it may answer in its place, now or later."""
        return self._trial.version.number if self._trial is not None else None

    def degraded(self) -> bool:
        """Whether what answers is less than what has answered before."""
        answers = self.good_enough()
        return (answers and self.earlier() is not None) or (not answers and self._has_answered)

    def qualities(self) -> dict[str, Quality]:
        """By candidate: with the delay of the outcomes as soon as enough are known, else without."""
        return {
            name: found for name, record in self._records().items() if (found := record.quality()) is not None
        }

    def _beginners(self) -> dict[str, Candidate]:
        return {name: CANDIDATES[name]() for name in self.target.candidates if name in CANDIDATES}

    def _teach(self, examples: Sequence[Example]) -> None:
        for example, row in zip(examples, self._rows(examples), strict=True):
            for candidate in self._candidates.values():
                candidate.learn(row, example.outcome)

    def _records(self) -> dict[str, Record]:
        enough = {
            name: record for name, record in self._delayed.items() if len(record.outcomes) >= LEAST_EXAMPLES
        }
        return enough or self._fresh

    def _runs(self, examples: Sequence[Example]) -> Iterator[list[Example]]:
        """Parts of the examples after each of which a version is due, or a hundred more are known."""
        run: list[Example] = []
        late = 0
        for example in examples:
            run.append(example)
            late += self._told_late(example)
            hundred = (self._known + len(run)) % LEAST_EXAMPLES == 0
            if hundred or self._due(len(run), late, example.known_at):
                yield run
                run, late = [], 0
        if run:
            yield run

    def _told_late(self, example: Example) -> bool:
        """Whether it happened, and the newest version should have known."""
        return example.outcome and bool(self.versions) and example.known_at < self.versions[-1].made_at

    def _due(self, more: int, late: int, now: int) -> bool:
        """Whether a version is due after so many more examples, of which so many happened and are late."""
        known = self._known + more
        if not self.versions:
            return known >= LEAST_EXAMPLES and known % LEAST_EXAMPLES == 0
        week_over = now - self.versions[-1].made_at >= REFIT_DAYS * DAY_MS
        return week_over or known >= 2 * self._last_count or self._late + late >= self._last_happened

    def _rows(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        rows: NDArray[np.float64] = contrasts(rows_of([example.features for example in examples]))
        return rows[:, self._columns]

    def _judge(self, examples: Sequence[Example]) -> None:
        """Let versions that did not know the examples predict them."""
        if not self.versions:
            return
        rows = self._rows(examples)
        outcomes = np.array([example.outcome for example in examples], np.bool_)
        self._score(self._fresh, self.versions[-1], rows, outcomes)
        self._judge_delayed(np.array([self._version_at(one.made_at) for one in examples]), rows, outcomes)
        if self.champion is not None:
            scores, chances = self.versions[-1].scored(self.champion, rows)
            for example, loss in zip(examples, losses(chances, outcomes), strict=True):
                self.drift.see(float(loss), example.known_at)
            if self._trial is not None:
                self._trial.newest.add(scores.tolist(), chances.tolist(), outcomes.tolist())
                scores, chances = self._trial.version.scored(self._trial.method, rows)
                self._trial.earlier.add(scores.tolist(), chances.tolist(), outcomes.tolist())

    def _judge_delayed(
        self, numbers: NDArray[np.intp], rows: NDArray[np.float64], outcomes: NDArray[np.bool_]
    ) -> None:
        """Let each example be predicted by the version that was there; ``numbers`` are their places.

        They are noted in the order in which they came: what is kept of them must not depend on how many are
        given at once.
        """
        found: dict[str, NDArray[np.float64]] = {}
        for number in np.unique(numbers[numbers >= 0]):
            chosen, version = numbers == number, self.versions[number]
            for name in version.scorers:
                said = found.setdefault(name, np.full((2, len(numbers)), np.nan))
                said[:, chosen] = version.scored(name, rows[chosen])
        for name, (scores, chances) in found.items():
            there = ~np.isnan(scores)
            record = self._delayed.setdefault(name, Record())
            record.add(scores[there].tolist(), chances[there].tolist(), outcomes[there].tolist())

    def _version_at(self, made_at: int) -> int:
        """Place of the newest version that was there at a time; -1 where none was."""
        for place in range(len(self.versions) - 1, -1, -1):
            if self.versions[place].made_at <= made_at:
                return place
        return -1

    def _score(
        self,
        records: dict[str, Record],
        version: Version,
        rows: NDArray[np.float64],
        outcomes: NDArray[np.bool_],
    ) -> None:
        for name in version.scorers:
            scores, chances = version.scored(name, rows)
            records.setdefault(name, Record()).add(scores.tolist(), chances.tolist(), outcomes.tolist())

    def _renew(self) -> None:
        """Make a version, if one is due."""
        now = self._now
        if not self._due(0, 0, now):
            return
        outcomes = np.array([example.outcome for example in self._examples], np.bool_)
        if min(int(outcomes.sum()), int((~outcomes).sum())) < LEAST_OF_EACH:
            return
        rows = self._rows(self._examples)
        for candidate in self._candidates.values():
            candidate.fit(rows, outcomes)
        found = {
            name: scorer
            for name, scorer in scorers(self._candidates).items()
            if name in self.target.candidates
        }
        before = self._answering()
        self._note_answer()
        self._trial = Trial(*before) if before is not None else None
        self._version += 1
        self.rule = self._rule()
        calibration = {name: self._calibration(name) for name in found}
        positives = int(outcomes.sum())
        self.versions.append(Version(self._version, now, self.learned, positives, found, calibration))
        self._forget(now)
        # An import tells of those who never came back late, and of all at once.
        self._last_count, self._last_happened, self._late = self._known, int(outcomes.sum()), 0
        self._choose(found)
        self._watch_shift(rows)
        model = self.model()
        if model is not None:
            self._made.append(model)

    def _numbered(self, version: Version) -> Version:
        self._version += 1
        return replace(version, number=self._version)

    def _note_answer(self) -> None:
        """Remember that a model answers, for the day on which none does."""
        self._has_answered = self._has_answered or (self._answering() is not None and self.good_enough())

    def _lost_trial(self) -> Trial | None:
        return self._trial if self._trial is not None and self._trial.lost() else None

    def _answering(self) -> tuple[Version, str] | None:
        """The version and the candidate that answer, where they are good enough."""
        trial = self._lost_trial()
        if trial is not None:
            return trial.version, trial.method
        return (self.versions[-1], self.champion) if self.versions and self.champion is not None else None

    def _model(self, version: Version, method: str) -> Model:
        slope, intercept = version.calibration[method]
        return Model(
            project=self.project,
            target=self.target.name,
            version=version.number,
            method=method,
            scorer=version.scorers[method],
            slope=slope,
            intercept=intercept,
            made_at=version.made_at,
            examples=version.examples,
            positives=version.positives,
        )

    def _watch_shift(self, rows: NDArray[np.float64]) -> None:
        """How much the newest quarter differs from the others."""
        cut = len(rows) * 3 // 4
        if cut < LEAST_EXAMPLES or self.champion is None:
            return
        scores, _ = self.versions[-1].scored(self.champion, rows)
        seen = np.column_stack([rows, scores])
        *features, self.score_shift = population_stability(seen[:cut], seen[cut:]).tolist()
        self.shifted = dict(zip(self.target.features, features, strict=True))

    def _calibration(self, name: str) -> tuple[float, float]:
        """By what the last versions said of examples that they did not know: older ones were other models."""
        record = self._fresh.get(name)
        if record is None or len(record.outcomes) < LEAST_EXAMPLES:
            return 1.0, 0.0
        newest = slice(-CALIBRATED_BY, None)
        return calibrated(np.array(record.scores)[newest], np.array(record.outcomes, np.bool_)[newest])

    def _rule(self) -> tuple[float, float]:
        newest = self._examples[-CALIBRATED_BY:]
        said = self.target.heuristic(contrasts(rows_of([example.features for example in newest])))
        return calibrated(logit(said), np.array([example.outcome for example in newest], np.bool_))

    def _forget(self, now: int) -> None:
        """Let go of versions that no open prediction was made by."""
        oldest = now - (self.target.horizon_days + REFIT_DAYS) * DAY_MS
        while len(self.versions) > 1 and self.versions[1].made_at <= oldest:
            del self.versions[0]

    def _choose(self, found: dict[str, Scorer]) -> None:
        """Keep the champion, unless another one was clearly better."""
        if self.champion not in found:
            self.champion = next(name for name in self.target.candidates if name in found)
        records = self._records()
        champion = records.get(self.champion)
        if champion is None:
            return
        for name, record in records.items():
            if name in found and len(record.outcomes) == len(champion.outcomes) and better(record, champion):
                self.champion, champion = name, record
