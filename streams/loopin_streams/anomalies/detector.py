"""What is odd about one partition's users: the rules with each event, the model of sessions in bulk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.anomaly import Anomaly, OddFeature
from loopin_schemas.event import EnrichedEvent
from loopin_schemas.example import Example
from loopin_schemas.model import SessionModel
from loopin_schemas.profile import Profile
from loopin_schemas.watch import Running, Watch
from loopin_streams.anomalies.cap import Cap
from loopin_streams.anomalies.features import NAMES, TARGET, number_of, numbers_of, packed, rows_of
from loopin_streams.anomalies.finding import Finding
from loopin_streams.anomalies.following import begin, follow, tidy
from loopin_streams.anomalies.rules import AGAIN_MS, VERSION
from loopin_streams.anomalies.silence import silence
from loopin_streams.anomalies.tails import oddness, surprises
from loopin_streams.kafka.marker import STATE_VERSION
from loopin_streams.learning.answers import Answers
from loopin_streams.state.sessions import LONGEST_MS, TIMEOUT_MS

LEARNED: Final = 4
"""One session in so many is learned from."""

LEAST_EVENTS: Final = 3
"""Of a session that the model is asked about."""

STRONGEST: Final = 3
"""Features that an odd session is told with."""

Users = Sequence[tuple[bytes, Profile]]
"""Record keys (``project:distinct_id``) and profiles."""


class Detector:
    """The anomalies of one partition's users.

    Whoever publishes them empties ``found`` and ``examples``, which are finished sessions for the trainer.
    ``withheld`` counts, by kind, what was found beyond the cap.
    """

    def __init__(self, answers: Answers) -> None:
        self.cap = Cap()
        self.found: list[Anomaly] = []
        self.withheld: dict[str, int] = {}
        self.examples: list[Example] = []
        self._answers = answers

    def follow(
        self, key: bytes, profile: Profile, event: EnrichedEvent, properties: Mapping[str, Any]
    ) -> None:
        """Count an event into what is known of its user, and raise what the rules find."""
        # A client whose clock is ahead would hide all that comes after it.
        at = min(event.timestamp, event.received_at)
        watch = profile.watch
        if watch is None:
            watch = profile.watch = Watch(at, event.raw_partition, event.raw_offset)
        session, gap = watch.session, at - watch.last
        if gap < -TIMEOUT_MS:
            # Rules are about what goes on.
            return
        if session is None or gap > TIMEOUT_MS or at - session.started > LONGEST_MS:
            if session is not None:
                self._finish(key, watch, session)
            session = begin(watch, at)
        watch.partition, watch.offset = event.raw_partition, event.raw_offset
        found = follow(watch, session, at, event.event, properties)
        for finding in found:
            self._raise(key, watch, finding, at, VERSION, event.received_at, event.event)

    def score(self, users: Users, now: int) -> None:
        """Ask the model about the sessions that have grown since it was asked last; ``now`` is epoch ms.

        Of each user at most once a minute, but for sessions whose events have doubled meanwhile.
        """
        by_project: dict[str, list[tuple[bytes, Watch, Running]]] = {}
        for key, profile in users:
            watch = profile.watch
            if watch is None or watch.session is None or not _is_due(watch, watch.session):
                continue
            by_project.setdefault(_project(key), []).append((key, watch, watch.session))
        for project, sessions in by_project.items():
            model = self._answers.sessions(project)
            if model is not None:
                self._judge(model, sessions, now)

    def sweep(self, users: Users, now: int) -> None:
        """What the time that has passed by epoch ms ``now`` says of each, without any event."""
        for key, profile in users:
            watch = profile.watch
            if watch is None:
                continue
            if watch.session is not None and now - watch.last > TIMEOUT_MS:
                self._finish(key, watch, watch.session)
                watch.session = None
            tidy(watch, now)
            if profile.behaviour is None or watch.raised.get("sudden_inactivity", 0) > watch.last:
                continue
            finding = silence(profile.behaviour, now)
            if finding is not None:
                self._raise(key, watch, finding, now, VERSION, now)

    def _judge(self, model: SessionModel, sessions: Sequence[tuple[bytes, Watch, Running]], now: int) -> None:
        for _, watch, session in sessions:
            session.scored, session.scored_minute = session.counts[0], watch.minute
        numbers = [numbers_of(watch) for _, watch, _ in sessions]
        rows = rows_of(packed(numbers))
        scores = oddness(model, rows)
        for place in np.flatnonzero(scores > model.threshold).tolist():
            key, watch, session = sessions[place]
            # What a rule has told of the session is not told once more.
            if any(at >= session.started for at in watch.raised.values()):
                continue
            finding = Finding(
                kind="odd_session",
                since=session.started,
                score=round(float(scores[place]), 3),
                threshold=round(model.threshold, 3),
                features=_strongest(model, rows[place], numbers[place]),
            )
            self._raise(key, watch, finding, watch.last, f"session_tails {model.version}", now)

    def _raise(
        self,
        key: bytes,
        watch: Watch,
        finding: Finding,
        at: int,
        detector: str,
        now: int,
        event_name: str = "",
    ) -> None:
        """Tell, unless the same was told of the user within a day, or too much of the project."""
        if abs(at - watch.raised.get(finding.kind, -2 * AGAIN_MS)) < AGAIN_MS:
            return
        project, _, distinct_id = key.decode().partition(":")
        allowed = self.cap.allows(project, now)
        # A silence goes on: where many fall silent at once, it is told at a later turn.
        if allowed or finding.kind != "sudden_inactivity":
            watch.raised[finding.kind] = at
        if not allowed:
            self.withheld[finding.kind] = self.withheld.get(finding.kind, 0) + 1
            return
        self.found.append(
            Anomaly(
                project=project,
                distinct_id=distinct_id,
                kind=finding.kind,
                at=at,
                since=finding.since,
                score=finding.score,
                threshold=finding.threshold,
                features=finding.features,
                detector=detector,
                raw_partition=watch.partition,
                raw_offset=watch.offset,
                event_name=event_name,
                version=STATE_VERSION,
            )
        )

    def _finish(self, key: bytes, watch: Watch, session: Running) -> None:
        """A session is over: one in some is for the trainer, and whether anything was raised in it."""
        if session.counts[0] < LEAST_EVENTS or crc32(key, session.started & 0xFFFF_FFFF) % LEARNED:
            return
        project, _, distinct_id = key.decode().partition(":")
        self.examples.append(
            Example(
                project=project,
                target=TARGET,
                distinct_id=distinct_id,
                made_at=session.started,
                known_at=watch.last,
                features=packed([numbers_of(watch)])[0].tobytes(),
                outcome=any(at >= session.started for at in watch.raised.values()),
            )
        )


def _is_due(watch: Watch, session: Running) -> bool:
    events = session.counts[0]
    if events < LEAST_EVENTS or events <= session.scored:
        return False
    return watch.minute > session.scored_minute or events >= 2 * session.scored


def _strongest(
    model: SessionModel, row: NDArray[np.float64], numbers: Sequence[float]
) -> tuple[OddFeature, ...]:
    """The numbers that it is due to most."""
    squares = surprises(model, row[None, :])[0] ** 2
    whole = float(squares.sum()) or 1.0
    return tuple(
        OddFeature(
            name=NAMES[place],
            value=round(numbers[place], 2),
            usual=round(number_of(model.usual[place]), 2),
            weight=round(float(squares[place]) / whole, 3),
        )
        for place in np.argsort(-squares, kind="stable")[:STRONGEST].tolist()
        if squares[place] > 0
    )


def _project(key: bytes) -> str:
    return key.partition(b":")[0].decode()
