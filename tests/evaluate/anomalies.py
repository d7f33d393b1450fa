"""User anomalies, driven as the worker and the trainer drive them, against what was planted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import sqrt
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from river.anomaly import HalfSpaceTrees

from loopin_schemas.anomaly import Anomaly
from loopin_schemas.codec import encode
from loopin_schemas.event import EnrichedEvent
from loopin_schemas.example import Example
from loopin_schemas.model import ModelRecord
from loopin_schemas.profile import Profile
from loopin_streams.anomalies.detector import Detector
from loopin_streams.anomalies.features import Rows, kept_rows
from loopin_streams.anomalies.sessions import SessionLearner
from loopin_streams.anomalies.tails import fitted, oddness
from loopin_streams.behaviour.counts import count, new_behaviour
from loopin_streams.behaviour.deeds import deeds, follow_account
from loopin_streams.enrich.bots import bot_of
from loopin_streams.learning.answers import Answers
from loopin_streams.learning.models import Models
from loopin_streams.learning.sweep import Sweep
from loopin_streams.state.profile_updates import new_profile
from tests.evaluate.part import Event, Figure, Section, Table, Truth
from tests.evaluate.planted import DAY_MS, FIRST_DAY, HOUR_MS, MINUTE_MS, Planted, Planter
from tests.producers.simulator.hindsight import SYSTEM

GRACE_MS = 30 * MINUTE_MS
"""An alarm so long after a case is still about it."""

IN_TIME_MIN = 10


class Alarm(NamedTuple):
    """What a detector says; ``since`` and ``at`` are epoch ms."""

    user: str
    kind: str
    since: int
    at: int


class UserAnomalies:
    """The named rules and the model of sessions, and three sigma next to them."""

    def __init__(self) -> None:
        self.planter: Planter | None = None
        self.models = Models()
        self.detector = Detector(Answers(lambda: self.models))
        self.learner = SessionLearner("demo")
        self.profiles: dict[bytes, Profile] = {}
        self.anomalies: list[Anomaly] = []
        self.three_sigma = ThreeSigma()
        self._sweep = Sweep()
        self._bots: set[str] = set()
        self._examples: list[Example] = []
        self._minute = 0
        self._offset = 0

    def see(self, event: Event) -> None:
        """Let the pipeline see an event, and what is planted before it."""
        if self.planter is None:
            self.planter = Planter(event["uuid"])
        for each in self.planter.through(event):
            self._see(each)

    def _see(self, event: Event) -> None:
        at, user, name, properties = (
            event["timestamp"], event["distinct_id"], event["event"], event["properties"]
        )  # fmt: skip
        if at // MINUTE_MS != self._minute:
            self._turn(at)
        if name in SYSTEM or user in self._bots or self._is_bot(user, properties):
            return
        key = f"demo:{user}".encode()
        profile = self.profiles.get(key)
        if profile is None:
            profile = self.profiles[key] = new_profile(at)
            profile.behaviour = new_behaviour(at)
            self._sweep.add([key])
        self._offset += 1
        enriched = EnrichedEvent(
            uuid="", project="demo", event=name, distinct_id=user, timestamp=at, received_at=at,
            raw_partition=0, raw_offset=self._offset,
        )  # fmt: skip
        behaviour = profile.behaviour
        if behaviour is not None:
            count(behaviour, at, deeds(name, properties, None))
            follow_account(behaviour, name, at)
        self.detector.follow(key, profile, enriched, properties)
        self.three_sigma.see(user, at)

    def _is_bot(self, user: str, properties: Event) -> bool:
        if "$raw_user_agent" not in properties or bot_of(properties) is None:
            return False
        self._bots.add(user)
        return True

    def _turn(self, at: int) -> None:
        """A batch of a minute is over: sessions are judged, users have their turn, the trainer learns."""
        self.detector.settle()
        self._minute = at // MINUTE_MS
        while keys := self._sweep.due(self._minute):
            self.detector.sweep([(key, self.profiles[key]) for key in keys], self._minute * MINUTE_MS)
        self.anomalies += self.detector.found
        self.detector.found.clear()
        if self.detector.examples:
            before = self.learner.version
            self.learner.learn(self.detector.examples)
            self._examples += self.detector.examples
            self.detector.examples.clear()
            if self.learner.version > before:
                record = ModelRecord(sessions=self.learner.model())
                self.models.apply(_Record(b"demo:session", encode(record)))

    def section(self, truth: Truth) -> Section:
        """Both detectors against what was planted."""
        assert self.planter is not None
        self._turn(truth.end_ms)
        first = truth.start_ms + FIRST_DAY * DAY_MS
        planted = [case for case in self.planter.planted if _could_be_found(case, truth)]
        alarms = [Alarm(one.distinct_id, one.kind, one.since, one.at) for one in self.anomalies]
        found = judged(planted, self.planter.planted, [a for a in alarms if a.at >= first], truth)
        simple = judged(
            planted, self.planter.planted, [a for a in self.three_sigma.alarms if a.at >= first], truth
        )
        days, quick = (truth.end_ms - first) / DAY_MS, found.delays_min(but="sudden_inactivity")
        tails, trees = compared(self._examples, self.planter.planted, first)
        in_time = sum(delay <= IN_TIME_MIN for delay in quick) / max(1, len(quick))
        middle = median(quick) if quick else None
        return Section(
            title="User anomalies",
            simulated=True,
            intro=INTRO.format(first=FIRST_DAY),
            figures=(
                Figure("cases planted", float(len(planted))),
                Figure("recall", found.recall, ">= 0.9", found.recall >= 0.9),
                Figure("precision", found.precision, ">= 0.8", found.precision >= 0.8),
                Figure("precision if only planted cases were right", found.precision_of_cases),
                Figure(
                    "median delay, minutes, but for silence",
                    middle,
                    "<= 10",
                    middle is not None and middle <= IN_TIME_MIN,
                ),
                Figure("share found within 10 minutes, but for silence", in_time),
                Figure(
                    "false alarms a day and 1,000 users", 1000 * len(found.false) / days / len(truth.users)
                ),
                Figure("true of the world itself, and told", float(len(found.natural))),
                Figure("odd sessions found at one false alarm in 2,000", tails),
                Figure("the same by river's half-space trees", trees),
                Figure("recall of three sigma", simple.recall),
                Figure("precision of three sigma", simple.precision),
            ),
            tables=(_by_kind(planted, found),),
        )


INTRO = """\
Cases of single users, planted into the world's events by `tests/evaluate/planted.py` from day {first} on:
each kind is written from what people do there, begins with mild cases, and knows nothing of the rules. The
named rules and the model of sessions are driven as the worker and the trainer drive them, in batches of a
minute. A case counts as found if anything is said of its user while it goes on or in the half hour after.
Whatever is said of others, or at another time, is a false alarm, unless it is true of the world itself: a
silence of somebody who has left or is on holiday there, and trips, which take no time there. Three sigma: a
user's events in an hour against the mean and deviation of all users' hours so far."""


class Judged:
    """What became of the cases and the alarms."""

    def __init__(self, planted: Sequence[Planted]) -> None:
        self.planted = planted
        self.first: dict[int, Alarm] = {}
        self.as_such: set[int] = set()
        self.false: list[Alarm] = []
        self.natural: list[Alarm] = []

    @property
    def recall(self) -> float:
        """Share of the cases that were found."""
        return len(self.first) / max(1, len(self.planted))

    @property
    def precision(self) -> float:
        """Share of what is right: cases that were found, and what is true of the world itself."""
        right = len(self.first) + len(self.natural)
        return right / max(1, right + len(self.false))

    @property
    def precision_of_cases(self) -> float:
        """The same, if what is true of the world itself did not count."""
        return len(self.first) / max(1, len(self.first) + len(self.false))

    def delays_min(self, kind: str = "", but: str = "") -> list[float]:
        """Of the cases found of a kind, or of all but one; from a case's first event."""
        return [
            (alarm.at - self.planted[number].start_ms) / MINUTE_MS
            for number, alarm in self.first.items()
            if kind in ("", self.planted[number].kind) and self.planted[number].kind != but
        ]


def judged(
    planted: Sequence[Planted], every: Sequence[Planted], alarms: Sequence[Alarm], truth: Truth
) -> Judged:
    """Give each alarm to its case; ``every`` are the cases that there were, ``planted`` those that count."""
    found = Judged(planted)
    numbers = {id(case): number for number, case in enumerate(planted)}
    of_user: dict[str, list[Planted]] = defaultdict(list)
    for case in every:
        of_user[case.user].append(case)
    for alarm in sorted(alarms, key=lambda one: one.at):
        about = next((one for one in of_user[alarm.user] if _is_about(alarm, one)), None)
        if about is None:
            (found.natural if _is_true(alarm, truth) else found.false).append(alarm)
        elif id(about) in numbers:
            number = numbers[id(about)]
            found.first.setdefault(number, alarm)
            if alarm.kind == about.kind:
                found.as_such.add(number)
    return found


def _is_about(alarm: Alarm, case: Planted) -> bool:
    if case.kind == "sudden_inactivity" and alarm.kind != case.kind:
        return False
    return case.start_ms <= alarm.at <= case.end_ms + GRACE_MS


def _could_be_found(case: Planted, truth: Truth) -> bool:
    """Not one that the world's end cuts off."""
    return case.end_ms < truth.end_ms


def _is_true(alarm: Alarm, truth: Truth) -> bool:
    """Whether it is true of the world itself: who has left or is on holiday, and who set out or came back."""
    if alarm.kind == "sudden_inactivity":
        user = truth.users.get(alarm.user)
        if user is not None and user["churn"] <= alarm.at:
            return True
        days = range(alarm.since // DAY_MS, alarm.at // DAY_MS + 1)
        return any(truth.away(alarm.user, day * DAY_MS) for day in days)
    if alarm.kind == "impossible_travel":
        day = (alarm.at - truth.start_ms) // DAY_MS
        trips = (trip for trip in truth.travel if trip["user"] == alarm.user)
        return any(abs(day - trip[edge]) <= 1 for trip in trips for edge in ("first_day", "last_day"))
    return False


def _by_kind(planted: Sequence[Planted], found: Judged) -> Table:
    rows = []
    for kind in sorted({case.kind for case in planted}):
        numbers = [number for number, case in enumerate(planted) if case.kind == kind]
        delays = found.delays_min(kind)
        rows.append(
            (
                kind,
                str(len(numbers)),
                str(sum(number in found.first for number in numbers)),
                str(sum(number in found.as_such for number in numbers)),
                f"{median(delays):,.1f}" if delays else "-",
                f"{max(delays):,.1f}" if delays else "-",
                str(sum(alarm.kind == kind for alarm in found.false)),
            )
        )
    return Table(
        ("kind", "cases", "found", "as such", "median delay, min", "longest", "false alarms"),
        tuple(rows),
        "By kind (world 1); `as such`: by an anomaly of that kind. Delays are from a case's first event:",
    )


def compared(examples: Sequence[Example], cases: Sequence[Planted], first: int) -> tuple[float, float]:
    """Shares of the odd sessions that the model and half-space trees find at as many false alarms.

    Both know the sessions before ``first`` (epoch ms) and judge finished ones after it.
    """
    of_user = defaultdict(list)
    for case in cases:
        of_user[case.user].append(case)

    def kind(one: Example) -> str:
        about = (
            c for c in of_user[one.distinct_id] if one.made_at <= c.end_ms and c.start_ms <= one.known_at
        )
        return next((case.kind for case in about if case.kind != "sudden_inactivity"), "")

    known = kept_rows([one.features for one in examples if one.made_at < first])
    judged_ones = [(one, kind(one)) for one in examples if one.made_at >= first]
    rows = kept_rows([one.features for one, _ in judged_ones])
    odd = np.array([of == "odd_session" for _, of in judged_ones])
    ordinary = np.array([not of for _, of in judged_ones])
    found = []
    for scores in (oddness(fitted("demo", 1, known, 0, 0), rows), _by_trees(known, rows)):
        limit = np.quantile(scores[ordinary], 1 - 1 / 2000)
        found.append(float((scores[odd] > limit).mean()) if odd.any() else 0.0)
    return found[0], found[1]


def _by_trees(known: Rows, rows: Rows) -> NDArray[np.float64]:
    """River's half-space trees behind scaling to half as much again as what is known."""
    low = known.min(axis=0)
    width = np.maximum(1.5 * (np.quantile(known, 0.999, axis=0) - low), 2.0)
    forest = HalfSpaceTrees(n_trees=25, height=8, window_size=len(known), seed=7)
    for row in np.clip((known - low) / width, 0, 1).tolist():
        forest.learn_one(dict(enumerate(row)))
    asked = np.clip((rows - low) / width, 0, 1).tolist()
    return np.array([forest.score_one(dict(enumerate(row))) for row in asked])


class ThreeSigma:
    """A user's events in an hour, against all users' hours before."""

    def __init__(self) -> None:
        self.alarms: list[Alarm] = []
        self._hour = 0
        self._counts: dict[str, int] = defaultdict(int)
        self._hours = self._mean = self._squares = 0.0
        self._raised: dict[str, int] = {}

    def see(self, user: str, at: int) -> None:
        """Count an event; once a day of a user something is said."""
        if at // HOUR_MS != self._hour:
            self._turn(at // HOUR_MS)
        self._counts[user] += 1
        if self._hours < 100 or at - self._raised.get(user, 0) < DAY_MS:
            return
        if self._counts[user] > self._mean + 3 * sqrt(self._squares / self._hours):
            self._raised[user] = at
            self.alarms.append(Alarm(user, "three_sigma", at, at))

    def _turn(self, hour: int) -> None:
        for number in self._counts.values():
            self._hours += 1
            away = number - self._mean
            self._mean += away / self._hours
            self._squares += away * (number - self._mean)
        self._counts.clear()
        self._hour = hour


class _Record(NamedTuple):
    key: bytes
    value: bytes
    offset: int = 0
    timestamp: int = 0
