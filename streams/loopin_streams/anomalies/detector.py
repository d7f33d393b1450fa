"""What is odd about one partition's users: the rules with each event, the model of sessions in bulk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from zlib import crc32

from loopin_schemas.anomaly import Anomaly
from loopin_schemas.event import EnrichedEvent
from loopin_schemas.example import Example
from loopin_schemas.profile import Profile
from loopin_schemas.watch import Running, Watch
from loopin_streams.anomalies.cap import Cap
from loopin_streams.anomalies.features import TARGET, Snapshot, numbers_of, packed, snapshot
from loopin_streams.anomalies.finding import Finding
from loopin_streams.anomalies.following import MINUTE_MS, begin, follow, tidy, tidy_raised
from loopin_streams.anomalies.judging import Odd, judge
from loopin_streams.anomalies.rules import AGAIN_MS, HOUR_MS, VERSION
from loopin_streams.anomalies.silence import silence
from loopin_streams.kafka.marker import STATE_VERSION
from loopin_streams.learning.answers import Answers
from loopin_streams.learning.sweep import MINUTES
from loopin_streams.state.sessions import LONGEST_MS, TIMEOUT_MS

LEARNED: Final = 4
"""One session in so many is learned from."""

LEAST_EVENTS: Final = 3
"""Of a session that the model is asked about."""

Users = Sequence[tuple[bytes, Profile]]
"""Record keys (``project:distinct_id``) and profiles."""


class _Moment(NamedTuple):
    """When something is told of a user: times are epoch ms, that of the event and that of its arrival."""

    key: bytes
    watch: Watch
    at: int
    arrived: int
    partition: int
    offset: int
    event_name: str = ""


class _Found(NamedTuple):
    """A rule says something."""

    moment: _Moment
    finding: Finding


class _Asked(NamedTuple):
    """The model is to be asked about a session as it was then."""

    moment: _Moment
    session: Snapshot


class _Over(NamedTuple):
    """A session is over that the trainer is to have."""

    key: bytes
    watch: Watch
    session: Snapshot


class _Turned(NamedTuple):
    """A user who was last there at ``last`` has a turn of the day; epoch ms."""

    watch: Watch
    last: int
    turn: int


class Detector:
    """The anomalies of one partition's users.

    What is judged, and when, is decided with each event; ``settle`` tells it in that order, so it does not
    matter after how many events that is done. Whoever publishes them empties ``found`` and ``examples``,
    which are finished sessions for the trainer. ``withheld`` counts, by kind, what was found beyond the cap.
    """

    def __init__(self, answers: Answers) -> None:
        self.cap = Cap()
        self.found: list[Anomaly] = []
        self.withheld: dict[str, int] = {}
        self.examples: list[Example] = []
        self._answers = answers
        self._noted: list[_Found | _Asked | _Over | _Turned] = []

    def follow(
        self, key: bytes, profile: Profile, event: EnrichedEvent, properties: Mapping[str, Any]
    ) -> None:
        """Count an event into what is known of its user, and note what is to be told and judged of it.

        A session is judged as it is with its third event, when its events have doubled since it was judged
        last, and with the first event of each later minute.
        """
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
            # Such a turn may not have been taken yet.
            if gap > HOUR_MS and (turn := _turn(key, at)) > watch.last:
                self._tidy(watch, turn)
            session = begin(watch, at)
        watch.partition, watch.offset = event.raw_partition, event.raw_offset
        found = follow(watch, session, at, event.event, properties)
        events = session.counts[0]
        is_due = events >= LEAST_EVENTS and (
            watch.minute > session.scored_minute or events >= 2 * session.scored
        )
        if not found and not is_due:
            return
        moment = _Moment(key, watch, at, event.received_at, watch.partition, watch.offset, event.event)
        self._noted += [_Found(moment, finding) for finding in found]
        if is_due:
            session.scored, session.scored_minute = events, watch.minute
            self._noted.append(_Asked(moment, snapshot(watch, session)))

    def settle(self) -> None:
        """Tell what was noted since the last time; the model is asked about all sessions at once."""
        noted, self._noted = self._noted, []
        looked_at = [one for one in noted if isinstance(one, _Asked | _Over)]
        judged = iter(self._judged(looked_at) if looked_at else ())
        for one in noted:
            if isinstance(one, _Found):
                self._raise(one.moment, one.finding, VERSION)
            elif isinstance(one, _Turned):
                tidy_raised(one.watch, one.last, one.turn)
            else:
                features, odd = next(judged)
                if isinstance(one, _Over):
                    self._learn(one, features)
                elif odd is not None:
                    self._tell(one, odd)

    def _judged(self, looked_at: Sequence[_Asked | _Over]) -> list[tuple[bytes, Odd | None]]:
        """The bytes of each session, and what the model says of it."""
        numbers = numbers_of([one.session for one in looked_at])
        kept = packed(numbers)
        asked = [_project(one.moment.key) if isinstance(one, _Asked) else None for one in looked_at]
        odd = judge(self._answers, asked, numbers, kept)
        return [(row.tobytes(), odd.get(place)) for place, row in enumerate(kept)]

    def sweep(self, users: Users, now: int) -> None:
        """Tell what the time that has passed by epoch ms ``now`` says of each, without any event.

        A user is seen as of the latest turn of the day, so it does not matter how late that is taken.
        """
        for key, profile in users:
            watch = profile.watch
            if watch is None:
                continue
            session, turn = watch.session, _turn(key, now)
            if session is not None and turn - watch.last > TIMEOUT_MS:
                self._finish(key, watch, session)
                watch.session = None
            self._tidy(watch, turn)
            if profile.behaviour is None or watch.raised.get("sudden_inactivity", 0) > watch.last:
                continue
            finding = silence(profile.behaviour, turn)
            if finding is not None:
                moment = _Moment(key, watch, turn, now, watch.partition, watch.offset)
                self._noted.append(_Found(moment, finding))
        self.settle()

    def _finish(self, key: bytes, watch: Watch, session: Running) -> None:
        """A session is over; one in some is learned from."""
        if session.counts[0] >= LEAST_EVENTS and not crc32(key, session.started & 0xFFFF_FFFF) % LEARNED:
            self._noted.append(_Over(key, watch, snapshot(watch, session)))

    def _tidy(self, watch: Watch, turn: int) -> None:
        tidy(watch, turn)
        self._noted.append(_Turned(watch, watch.last, turn))

    def _tell(self, asked: _Asked, said: Odd) -> None:
        """A session is odd; what a rule has told of it is not told once more."""
        watch, since = asked.moment.watch, asked.session.started
        if not _is_told_of(watch, since):
            finding = Finding("odd_session", since, said.score, said.threshold, said.features)
            self._raise(asked.moment, finding, said.detector)

    def _raise(self, moment: _Moment, finding: Finding, detector: str) -> None:
        """Tell, unless the same was told of the user within a day, or too much of the project."""
        at, raised = moment.at, moment.watch.raised
        if abs(at - raised.get(finding.kind, -2 * AGAIN_MS)) < AGAIN_MS:
            return
        project, _, distinct_id = moment.key.decode().partition(":")
        is_silence = finding.kind == "sudden_inactivity"
        allows = self.cap.allows_silence if is_silence else self.cap.allows
        allowed = allows(project, moment.arrived)
        # A silence goes on: where many fall silent at once, it is told at a later turn.
        if allowed or not is_silence:
            raised[finding.kind] = at
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
                raw_partition=moment.partition,
                raw_offset=moment.offset,
                event_name=moment.event_name,
                version=STATE_VERSION,
            )
        )

    def _learn(self, over: _Over, features: bytes) -> None:
        """A finished session, and whether anything was raised in it, is for the trainer."""
        project, _, distinct_id = over.key.decode().partition(":")
        session = over.session
        self.examples.append(
            Example(
                project=project,
                target=TARGET,
                distinct_id=distinct_id,
                made_at=session.started,
                known_at=session.started + session.lasted,
                features=features,
                outcome=_is_told_of(over.watch, session.started),
            )
        )


def _is_told_of(watch: Watch, started: int) -> bool:
    """Whether anything was told of the session that began at epoch ms ``started``: a silence is of none."""
    return any(at >= started for kind, at in watch.raised.items() if kind != "sudden_inactivity")


def _project(key: bytes) -> str:
    return key.partition(b":")[0].decode()


def _turn(key: bytes, now: int) -> int:
    """When the user had the latest turn of the day by epoch ms ``now``; see ``Sweep``."""
    minute = now // MINUTE_MS
    return (minute - (minute - crc32(key)) % MINUTES) * MINUTE_MS
