"""Personas: whether users are told apart as they were made, without being told how."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from loopin_sinks.metric_values.sql import SYSTEM_EVENTS
from loopin_sinks.personas.activity import BY_HAND, DAYS, GROUPS, Activity, activity_of
from loopin_sinks.personas.features import features
from loopin_sinks.personas.naming import label
from loopin_sinks.personas.run import LEAST_EVENTS, Run, personas_of
from tests.evaluate.part import Event, Figure, Section, Table, Truth

INTRO: Final = f"""\
Users are clustered by what they did in the last {DAYS} days ([personas](personas.md)), and compared with the
hidden kinds of the simulator by the adjusted Rand index: 1 where the same users are together, 0 by chance.
The baseline parts users by how much they do; the ceiling is a classifier that is told the kinds of other
users (logistic regression, 5-fold held-out prediction on the same features)."""

TARGET: Final = 0.7
WEEK_H: Final = 7 * 24

MEANT: Final = {
    "regular": "event_regular",
    "socialite": "social_explorer",
    "browser": "passive_observer",
    "organiser": "power_user",
}
"""Which of the documents' personas the simulator's kinds are; the bargain hunter is none of them."""

Labels = NDArray[np.str_]


class Personas:
    """Judged at the end of the world, and a week before it."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._users: dict[str, int] = {}
        self._places: dict[int, Counter[str]] = {}
        self._user, self._event, self._hour = array("i"), array("h"), array("i")

    def see(self, event: Event) -> None:
        if event["event"] in SYSTEM_EVENTS:
            return
        user = self._users.setdefault(event["distinct_id"], len(self._users))
        self._user.append(user)
        self._event.append(self._names.setdefault(event["event"], len(self._names)))
        self._hour.append(event["timestamp"] // 3_600_000)
        if event["event"] == "$pageview":
            given = event["properties"]
            place = f"{given.get('country', '')}/{given.get('city', '')}"
            self._places.setdefault(user, Counter())[place] += 1

    def section(self, truth: Truth) -> Section:
        end_h = truth.end_ms // 3_600_000
        before = self._run(truth, end_h - WEEK_H, None)
        activity = self._activity(truth, end_h)
        run = self._run(truth, end_h, before)
        kinds: Labels = np.array([truth.users[user]["persona"] for user in activity.users])
        of = dict(zip(run.users, [run.clusters[at].persona for at in run.personas], strict=True))
        found: Labels = np.array([of.get(user, "") for user in activity.users])
        enough = activity.events >= LEAST_EVENTS
        agreement = _ari(kinds[enough], found[enough])
        before_of = dict(
            zip(before.users, [before.clusters[at].persona for at in before.personas], strict=True)
        )
        both = [user for user in of if user in before_of]
        known = [(kind, name) for kind, name in zip(kinds, found, strict=True) if kind in MEANT and name]
        return Section(
            title="Personas",
            simulated=True,
            intro=INTRO,
            figures=(
                Figure(
                    f"adjusted Rand index, users with {LEAST_EVENTS} events or more",
                    agreement,
                    f">= {TARGET}",
                    agreement >= TARGET,
                ),
                Figure("... all users, those without a persona as one kind", _ari(kinds, found)),
                Figure(
                    "... baseline: fifths by number of events", _ari(kinds[enough], _fifths(activity)[enough])
                ),
                Figure(
                    "... ceiling: classifier that is told",
                    _ari(kinds[enough], _told(activity, kinds)[enough]),
                ),
                Figure("clusters (5 kinds are hidden)", float(len(run.clusters))),
                Figure("silhouette", run.silhouettes[len(run.clusters)]),
                Figure("users with a persona", float(len(run.users))),
                Figure(
                    "of four kinds the documents name: rightly named",
                    sum(MEANT[kind] == name for kind, name in known) / len(known),
                ),
                Figure("changed persona within a week", sum(of[u] != before_of[u] for u in both) / len(both)),
            ),
            tables=(_confusion(kinds[enough], found[enough]),),
        )

    def _run(self, truth: Truth, end_h: int, former: Run | None) -> Run:
        clusters = former.clusters if former else ()
        present = (
            {user: clusters[at].persona for user, at in zip(former.users, former.personas, strict=True)}
            if former
            else {}
        )
        run = personas_of(self._activity(truth, end_h), clusters, present)
        assert run is not None, "give the world more users"
        return run

    def _activity(self, truth: Truth, end_h: int) -> Activity:
        """As the statement on the table ``events`` has it, of the users who signed up."""
        user, event, hour = (np.array(column) for column in (self._user, self._event, self._hour))
        within = (hour >= end_h - DAYS * 24) & (hour < end_h)
        user, event, hour = user[within], event[within], hour[within]
        number, codes = len(self._users), self._names
        counts = [
            np.bincount(user[np.isin(event, [codes[n] for n in names if n in codes])], minlength=number)
            for names in GROUPS.values()
        ]
        there = np.isin(event, [codes[name] for name in BY_HAND if name in codes])
        hours = np.zeros((number, 24))
        pairs = np.unique(np.stack([user[there], hour[there]], axis=1), axis=0)
        np.add.at(hours, (pairs[:, 0], pairs[:, 1] % 24), 1)
        events = np.bincount(user, minlength=number)
        return activity_of(
            [
                (name, events[at], [group[at] for group in counts], hours[at], self._place(at))
                for name, at in self._users.items()
                if name in truth.users and hours[at].any()
            ]
        )

    def _place(self, user: int) -> str:
        places = self._places.get(user)
        return places.most_common(1)[0][0] if places else ""


def _ari(kinds: Labels, found: Labels) -> float:
    return float(adjusted_rand_score(kinds, found))


def _fifths(activity: Activity) -> Labels:
    edges = np.quantile(activity.events, (0.2, 0.4, 0.6, 0.8))
    return np.searchsorted(edges, activity.events).astype(str)


def _told(activity: Activity, kinds: Labels) -> Labels:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2_000))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    with threadpool_limits(1):
        predicted: Labels = cross_val_predict(model, features(activity), kinds, cv=folds)
    return predicted


def _confusion(kinds: Labels, found: Labels) -> Table:
    names = sorted(set(found.tolist()))
    rows = []
    for kind in sorted(set(kinds.tolist())):
        of = Counter(found[kinds == kind].tolist())
        rows.append((kind.replace("_", " "), *(f"{of[name]}" for name in names)))
    return Table(
        ("hidden kind", *(label(name) or "none" for name in names)),
        tuple(rows),
        "Users of each hidden kind by the persona they were given, in world 1:",
    )
