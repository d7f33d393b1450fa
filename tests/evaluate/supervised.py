"""Churn, conversion and attendance: the models as the worker and the trainer drive them, and their bars."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from loopin_schemas.behaviour import Behaviour, Rsvp
from loopin_schemas.example import Example
from loopin_schemas.model import Model
from loopin_streams.behaviour.counts import DAY_MS, count, new_behaviour
from loopin_streams.behaviour.deeds import deeds, follow_account
from loopin_streams.enrich.bots import bot_of
from loopin_streams.learning import predictions
from loopin_streams.learning.features import contrasts, features_of
from loopin_streams.learning.foresight import phase_of
from loopin_streams.learning.head_count import head_count
from loopin_streams.learning.learner import Learner
from loopin_streams.learning.predictions import Outcome
from loopin_streams.learning.quality import calibration_error
from loopin_streams.learning.scoring import probabilities
from loopin_streams.learning.targets import ATTENDANCE, CHURN, CONVERSION, Target
from loopin_text.sentiment import score, texts_of
from tests.evaluate.part import Event, Figure, Section, Table, Truth
from tests.producers.simulator.hindsight import SYSTEM, History

CUTOFFS = (60, 90)
"""Days at whose beginning users are judged; 30 days of truth follow the second, which figures are of."""

LEAST_TENURE_DAYS = 14
FEW = 5
"""Of platform events with fewer participants no head count is judged."""


class Supervised:
    """Drives behaviours, predictions and the learner of one target, day by day."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.behaviours: dict[str, Behaviour] = {}
        self.learner = Learner("demo", target)
        self.model: Model | None = None
        self.cuts: dict[int, Cut] = {}
        self.chances: dict[tuple[str, str], float] = {}
        self.there: dict[str, set[str]] = defaultdict(set)
        self.participants: dict[str, set[str]] = defaultdict(set)
        self.bought: dict[str, list[int]] = defaultdict(list)
        self.history: dict[int, dict[str, History]] = {day: defaultdict(History) for day in CUTOFFS}
        self._examples: list[Example] = []
        self._bots: set[str] = set()
        self._first_day = self._day = -1

    def see(self, event: Event) -> None:
        """Count an event as the pipeline does."""
        at, user, name = event["timestamp"], event["distinct_id"], event["event"]
        properties = event["properties"]
        day = at // DAY_MS
        if day != self._day:
            self._turn(day)
        if name in SYSTEM or user in self._bots or self._is_bot(user, properties):
            return
        behaviour = self.behaviours.get(user)
        if behaviour is None:
            behaviour = self.behaviours[user] = new_behaviour(at)
        again = name == "event_joined" and bool(predictions.open_rsvp(behaviour, properties["event_id"], at))
        if not again:
            self._follow(behaviour, user, name, properties, at)
        count(behaviour, at, deeds(name, properties, _felt(properties), again=again))
        follow_account(behaviour, name, at)
        for cutoff, histories in self.history.items():
            age = (self._first_day + cutoff) * DAY_MS - 1 - at
            if age >= 0:
                histories[user].add(event, age // DAY_MS)

    def _is_bot(self, user: str, properties: Mapping[str, Any]) -> bool:
        if "$raw_user_agent" not in properties or bot_of(properties) is None:
            return False
        self._bots.add(user)
        return True

    def _follow(
        self, behaviour: Behaviour, user: str, name: str, properties: Mapping[str, Any], at: int
    ) -> None:
        if name == "ticket_purchased":
            predictions.bought(behaviour, at)
            self.bought[user].append(at)
        elif name == "event_joined":
            event_id = properties["event_id"]
            features = features_of([behaviour], [at])
            chance = float(self._chances(features)[0])
            for outcome in predictions.joined(behaviour, Rsvp(event_id, at, features[0].tobytes(), chance)):
                self._keep(user, outcome)
            self.chances[event_id, user] = chance
            self.participants[event_id].add(user)
        elif name == "event_left":
            predictions.left(behaviour, properties["event_id"])
            self.participants[properties["event_id"]].discard(user)
        elif name == "event_attended":
            self.there[properties["event_id"]].add(user)
            predictions.attended(behaviour, properties["event_id"], at)

    def _keep(self, user: str, outcome: Outcome) -> None:
        if outcome.target is not self.target:
            return
        self._examples.append(
            Example(
                project="demo",
                target=outcome.target.name,
                distinct_id=user,
                subject=outcome.subject,
                made_at=outcome.made_at,
                known_at=outcome.known_at,
                features=outcome.features,
                outcome=outcome.happened,
            )
        )

    def _turn(self, day: int) -> None:
        """The sweep of a day's beginning: outcomes, learning, new predictions."""
        self._day = day
        if self._first_day < 0:
            self._first_day = day
        now = day * DAY_MS
        for user, behaviour in self.behaviours.items():
            for outcome in predictions.pass_time(behaviour, now, phase_of(user.encode())):
                self._keep(user, outcome)
        self.learner.learn(sorted(self._examples, key=lambda example: example.known_at))
        self._examples = []
        self.model = self.learner.answering()
        if day - self._first_day in CUTOFFS:
            self.cuts[day - self._first_day] = self._cut(now)

    def _cut(self, now: int) -> Cut:
        users = [user for user, one in self.behaviours.items() if predictions.is_predicted(one, now)]
        features = features_of([self.behaviours[user] for user in users], [now] * len(users))
        method = "heuristic" if self.model is None else self.model.method
        return Cut(now, users, features, self._chances(features), method)

    def _chances(self, features: NDArray[np.uint8]) -> NDArray[np.float64]:
        rows = contrasts(features)
        if self.model is not None:
            return probabilities(self.model, rows[:, list(self.target.columns())])
        return self.learner.by_rule(rows)


class Cut(NamedTuple):
    """What was said of all users at one moment, and by which method."""

    now: int
    users: list[str]
    features: NDArray[np.uint8]
    chances: NDArray[np.float64]
    method: str


class Churn(Supervised):
    """Churn against the hidden date at which each user leaves."""

    def __init__(self) -> None:
        super().__init__(CHURN)

    def section(self, truth: Truth) -> Section:
        """Bars of docs/simulator.md, and the calibration against what was seen."""
        figures: list[Figure] = []
        for day, cut in sorted(self.cuts.items(), reverse=True):
            figures += self._judged(day, cut, truth, last=day == CUTOFFS[-1])
        return Section(
            title="Churn",
            simulated=True,
            intro=(
                f"Users who have been there for {LEAST_TENURE_DAYS} days, have not left by the cutoff and "
                "were seen in the 30 days before it; who leaves in the 30 days after it, by the hidden date. "
                "The models have learned from what was seen before the cutoff, and never see that date. "
                "Offline: the best of gradient boosting and logistic regression (scikit-learn) with full "
                "hindsight, fitted to the hidden labels of other users at the same cutoff (5 folds). By "
                "recency: days since the last event. The calibration is that of all scores against what was "
                "predicted: not seen from the 15th to the 30th day after."
            ),
            figures=tuple(figures),
            tables=(_qualities(self.learner),),
        )

    def _judged(self, day: int, cut: Cut, truth: Truth, *, last: bool) -> list[Figure]:
        chosen, labels = [], []
        for place, user in enumerate(cut.users):
            known = truth.users.get(user)
            if known is None or known["signup_day"] > day - LEAST_TENURE_DAYS or known["churn"] <= cut.now:
                continue
            chosen.append(place)
            labels.append(known["churn"] <= cut.now + 30 * DAY_MS)
        y, scores = np.array(labels), cut.chances[chosen]
        users = [cut.users[place] for place in chosen]
        recency = np.array([(cut.now - self.history[day][user].last_ms) / DAY_MS for user in users])
        hindsight = np.array(
            [self.history[day][user].features(float(r)) for user, r in zip(users, recency, strict=True)]
        )
        ceiling = _ceiling([hindsight, contrasts(cut.features[chosen])], y)
        reached = float(roc_auc_score(y, scores))
        seen = np.array([self._gone(user, cut.now) for user in cut.users])
        error = calibration_error(cut.chances, seen)
        name = f"day {day}"
        return [
            Figure(f"{name}: users judged", len(y)),
            Figure(f"{name}: of them leave", float(y.sum())),
            _barred(f"{name}: AUC", reached, ">= 0.85", reached >= 0.85, last)._replace(
                note=f"Day {day}: {cut.method}."
            ),
            Figure(f"{name}: AUC offline, with hindsight", ceiling),
            _barred(f"{name}: distance to it", ceiling - reached, "<= 0.03", ceiling - reached <= 0.03, last),
            Figure(f"{name}: AUC by recency", float(roc_auc_score(y, recency))),
            _barred(f"{name}: calibration error", error, "<= 0.03", error <= 0.03, last),
        ]

    def _gone(self, user: str, at: int) -> bool:
        """By the behaviour at the end: whether the user was not seen from the 15th to the 30th day after."""
        return predictions.has_left(self.behaviours[user], at)


class Conversion(Supervised):
    """Tickets bought, by those who were seen in the month before."""

    def __init__(self) -> None:
        super().__init__(CONVERSION)

    def section(self, truth: Truth) -> Section:
        """AUC next to the user's own rate and to gradient boosting with hindsight."""
        figures: list[Figure] = []
        for day, cut in sorted(self.cuts.items(), reverse=True):
            until = cut.now + CONVERSION.horizon_days * DAY_MS
            y = np.array([any(cut.now < at <= until for at in self.bought[user]) for user in cut.users])
            rows = contrasts(cut.features)
            scores = cut.chances
            ruled = CONVERSION.heuristic(rows)
            figures += [
                Figure(f"day {day}: users judged", len(y)),
                Figure(f"day {day}: of them buy", float(y.sum())),
                Figure(f"day {day}: AUC", float(roc_auc_score(y, scores)), note=f"Day {day}: {cut.method}."),
                Figure(f"day {day}: AUC offline, with hindsight", _ceiling([rows], y)),
                Figure(f"day {day}: AUC by the user's own rate", float(roc_auc_score(y, ruled))),
                Figure(f"day {day}: calibration error", calibration_error(scores, y)),
            ]
        return Section(
            title="Conversion",
            simulated=True,
            intro=(
                "Everybody who was seen in the 30 days before the cutoff; who buys a ticket in the 14 days "
                "after it. Offline: as for churn, fitted to other users' purchases of the same days."
            ),
            figures=tuple(figures),
            tables=(_qualities(self.learner),),
        )


class Attendance(Supervised):
    """Head counts of platform events, predicted when each participant joined."""

    def __init__(self) -> None:
        super().__init__(ATTENDANCE)

    def section(self, truth: Truth) -> Section:
        """Error and coverage of head counts, of events that began in the second half."""
        errors, ruled, covered, counts = [], [], [], []
        pairs: list[tuple[float, bool]] = []
        half = truth.start_ms + CUTOFFS[0] * DAY_MS
        for event_id, people in self.participants.items():
            event = truth.events.get(event_id)
            if event is None or event["cancelled"] is not None:
                continue
            if not half <= event["starts"] < truth.end_ms - DAY_MS:
                continue
            came = self.there[event_id] & people
            pairs += [(self.chances[event_id, user], user in came) for user in people]
            if len(people) < FEW:
                continue
            found = head_count(self.chances[event_id, user] for user in sorted(people))
            counts.append(len(came))
            errors.append(abs(found.expected - len(came)))
            ruled.append(abs(0.7 * len(people) - len(came)))
            covered.append(found.low <= len(came) <= found.high)
        chances, y = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
        share = float(np.mean(covered))
        return Section(
            title="Attendance",
            simulated=True,
            intro=(
                f"Platform events that began in the second half and had at least {FEW} participants. Each "
                "participant's probability is the one that was predicted when the user joined."
            ),
            figures=(
                Figure("platform events judged", len(counts)),
                Figure("participants", float(len(pairs))),
                Figure("mean number who came", float(np.mean(counts))),
                Figure("mean error of the head count", float(np.mean(errors))),
                Figure("the same with 70 % of each event's participants", float(np.mean(ruled))),
                Figure("80 % intervals that hold", share, "0.75-0.85", 0.75 <= share <= 0.85),
                Figure("AUC of a participant's probability", float(roc_auc_score(y, chances))),
                Figure("calibration error", calibration_error(chances, y)),
            ),
            tables=(_qualities(self.learner),),
        )


def _felt(properties: Mapping[str, Any]) -> float | None:
    if isinstance(properties.get("$sentiment"), int | float):
        return float(properties["$sentiment"])
    text = texts_of(properties)
    return None if text is None else score(text)


def _ceiling(rows: Iterable[NDArray[np.float64]], y: NDArray[np.bool_]) -> float:
    """The best AUC of out-of-fold scores that is found offline."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    reached = []
    for known in rows:
        filled = np.nan_to_num(known, nan=0.0)
        for model, of in (
            (_boosting(), known),
            (make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000)), filled),
        ):
            scores = cross_val_predict(model, of, y, cv=folds, method="predict_proba")[:, 1]
            reached.append(float(roc_auc_score(y, scores)))
    return max(reached)


def _boosting() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.04, max_leaf_nodes=5, max_features=0.3, min_samples_leaf=25,
        l2_regularization=5.0, random_state=0,
    )  # fmt: skip


def _barred(name: str, value: float, target: str, met: bool, judged: bool) -> Figure:
    """A figure that is held against a target if it is ``judged``."""
    return Figure(name, value, target, met) if judged else Figure(name, value)


def _qualities(learner: Learner) -> Table:
    """Prequential figures of all candidates at the end."""
    rows: Sequence[tuple[str, ...]] = [
        (
            f"{name} *" if name == learner.champion else name,
            f"{found.number:,}",
            "-" if found.auc is None else f"{found.auc:.3f}",
            f"{found.log_loss:.3f}",
            f"{found.calibration_error:.3f}",
            f"{found.precision_top:.3f}",
            f"{found.accuracy:.3f}",
        )
        for name, found in learner.qualities().items()
    ]
    return Table(
        (
            "candidate",
            "predictions",
            "AUC",
            "log loss",
            "calibration error",
            "precision of top 5 %",
            "accuracy",
        ),
        tuple(rows),
        "Candidates by their own predictions, as outcomes became known (world 1; * answers at the end):",
    )
