"""The churn task of docs/simulator.md, with features of plain code that knows nothing of the world."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

DAY_MS = 86_400_000
CUTOFF_DAY = 60
HORIZON_DAYS = 30
LEAST_TENURE_DAYS = 14
SYSTEM = {"api_request", "system_metric", "error_logged"}
SOCIAL = {"message_sent", "user_followed", "community_activity", "content_commented", "content_shared"}
DEEDS = {"event_joined", "ticket_purchased", "event_attended", "content_liked", "event_viewed"}
PARTING = {"user_unfollowed", "community_left", "event_left", "payment_refunded", "payment_failed"}
SPANS = ((0, 7), (7, 14), (14, 21), (21, 28), (28, 42), (42, 60), (0, 14), (0, 28), (0, 60))
"""Days before the cutoff, from and to."""


@dataclass(frozen=True)
class Bars:
    """What came of the task."""

    users: int
    churners: int
    model: float
    recency: float


class History:
    """What is remembered of one user's events, by days before the cutoff."""

    def __init__(self) -> None:
        self.events: Counter[int] = Counter()
        self.kinds: dict[str, Counter[int]] = defaultdict(Counter)
        self.sessions: dict[int, set[str]] = defaultdict(set)
        self.felt: list[tuple[int, float]] = []
        self.last_ms = 0

    def add(self, event: Mapping[str, Any], age: int) -> None:
        name, properties = event["event"], event["properties"]
        self.events[age] += 1
        self.last_ms = max(self.last_ms, event["timestamp"])
        if session := event.get("session_id"):
            self.sessions[age].add(session)
        for kind, names in (("social", SOCIAL), ("deeds", DEEDS), ("parting", PARTING)):
            if name in names:
                self.kinds[kind][age] += 1
        if "rating" in properties:
            self.felt.append((age, (properties["rating"] - 3) / 2))
        elif "$sentiment" in properties:
            self.felt.append((age, properties["$sentiment"]))

    def features(self, recency: float) -> list[float]:
        row = [recency]
        for first, last in SPANS:
            days = [day for day in range(first, last) if self.events[day]]
            sessions = sum(len(self.sessions[day]) for day in range(first, last) if day in self.sessions)
            events = sum(self.events[day] for day in days)
            row += [len(days), sessions, events, events / max(sessions, 1)]
        for kind in ("social", "deeds", "parting"):
            row += [sum(self.kinds[kind][day] for day in range(first, last)) for first, last in SPANS[-3:]]
        earlier = sum(1 for day in range(28, 60) if self.events[day])
        row.append(sum(1 for day in range(14) if self.events[day]) / max(earlier, 1))
        for first, last in ((0, 21), (21, 60)):
            felt = [value for age, value in self.felt if first <= age < last]
            row.append(float(np.mean(felt)) if felt else np.nan)
        return row


def histories(bodies: Iterable[bytes], start_ms: int) -> dict[str, History]:
    """Of each distinct_id, from encoded events before the cutoff."""
    cutoff_ms = start_ms + CUTOFF_DAY * DAY_MS
    kept: dict[str, History] = defaultdict(History)
    for body in bodies:
        event = msgspec.json.decode(body)
        if event["timestamp"] < cutoff_ms and event["event"] not in SYSTEM:
            kept[event["distinct_id"]].add(event, (cutoff_ms - 1 - event["timestamp"]) // DAY_MS)
    return kept


def judge(known: Mapping[str, History], truth: Iterable[Mapping[str, Any]], start_ms: int) -> Bars:
    """Both scores against the planned churn dates."""
    cutoff_ms = start_ms + CUTOFF_DAY * DAY_MS
    rows, labels, quiet = [], [], []
    for user in truth:
        history = known.get(user["user"])
        if user["signup_day"] > CUTOFF_DAY - LEAST_TENURE_DAYS or user["churn"] <= cutoff_ms:
            continue
        if history is None:
            continue
        recency = (cutoff_ms - history.last_ms) / DAY_MS
        if recency > 30:
            continue
        rows.append([*history.features(recency), float(max(user["signup_day"], 0))])
        labels.append(user["churn"] <= cutoff_ms + HORIZON_DAYS * DAY_MS)
        quiet.append(recency)
    y = np.array(labels)
    return Bars(len(y), int(y.sum()), _cross_validated(np.array(rows), y), float(roc_auc_score(y, quiet)))


def _cross_validated(rows: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    model = HistGradientBoostingClassifier(
        max_iter=150,
        learning_rate=0.04,
        max_leaf_nodes=5,
        max_features=0.3,
        min_samples_leaf=25,
        l2_regularization=5.0,
        random_state=0,
    )
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_predict(model, rows, labels, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(labels, scores))
