"""Follows what users do for the models, and what the models say of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.behaviour import Behaviour, Rsvp
from loopin_schemas.errors import InvalidEvent
from loopin_schemas.event import EnrichedEvent
from loopin_schemas.example import Example
from loopin_schemas.profile import Profile, Score
from loopin_schemas.timestamps import parse_timestamp
from loopin_streams.behaviour.counts import DAY_MS, count, new_behaviour
from loopin_streams.behaviour.deeds import deeds, follow_account
from loopin_streams.learning import predictions
from loopin_streams.learning.answers import Answers
from loopin_streams.learning.features import contrasts, features_of
from loopin_streams.learning.targets import ATTENDANCE, CHURN, CONVERSION

_LONGEST_ID: Final = 200

_FURTHEST_MS: Final = 731 * DAY_MS
"""Ahead of its join: nobody plans for longer, and what is said to begin later is a mistake."""

Users = Sequence[tuple[bytes, Profile]]
"""Record keys (``project:distinct_id``) and profiles."""


class Foresight:
    """The predictions of one partition's users.

    ``answers`` are the models of now. ``examples`` are outcomes that became known, for the trainer; whoever
    publishes them empties the list.
    """

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.examples: list[Example] = []
        self._follow: dict[str, Callable[[bytes, Behaviour, Mapping[str, Any], int], None]] = {
            "ticket_purchased": lambda key, behaviour, named, at: predictions.bought(behaviour, at),
            "event_joined": self._joined,
            "event_left": lambda key, behaviour, named, at: predictions.left(behaviour, _event_id(named)),
            "event_attended": lambda key, behaviour, named, at: predictions.attended(
                behaviour, _event_id(named), at
            ),
        }

    def follow(
        self, key: bytes, profile: Profile, event: EnrichedEvent, properties: Mapping[str, Any]
    ) -> None:
        """Count an event into its user's behaviour, and into what was predicted of the user."""
        # A clock that runs ahead tells of no time that has passed.
        at, name = min(event.timestamp, event.received_at), event.event
        behaviour = profile.behaviour
        if behaviour is None:
            behaviour = profile.behaviour = new_behaviour(at)
        if at >= behaviour.due:
            self._tell(key, predictions.pass_time(behaviour, at, phase_of(key)))
        again = name == "event_joined" and self._repeats(behaviour, properties, at)
        told = None if again else self._follow.get(name)
        if told is not None:
            told(key, behaviour, properties, at)
        if at > behaviour.last:
            behaviour.came_old = event.received_at if is_old(event) else 0
        count(behaviour, at, deeds(name, properties, event.sentiment, again=again))
        follow_account(behaviour, name, at)

    def score(self, users: Iterable[tuple[bytes, Profile, int]]) -> None:
        """Say what is predicted of each as of when the user's last event came, epoch ms.

        That of an import came long after it happened: who was away since then has been so.
        """
        self._score(users)

    def sweep(self, users: Users, now: int) -> None:
        """Take in what the time that has passed makes known of each at epoch ms ``now``.

        Who is scored is looked at each time, anybody else once a week, since that moves ``due`` in any case.
        The last look is of when a user has been away for so long that nothing is predicted any more, however
        much later that is found out: from then on the profile stays as it is.
        """
        for key, profile in users:
            behaviour, due = profile.behaviour, 0
            if behaviour is not None:
                due = behaviour.due
                self._tell(key, predictions.pass_time(behaviour, now, phase_of(key), silent=True))
            last_look = profile.last_seen + predictions.SEEN_WITHIN_DAYS * DAY_MS
            if now >= last_look or (behaviour is not None and behaviour.due != due):
                profile.looked_at = max(profile.looked_at, min(now, last_look))
        self._score([(key, profile, now) for key, profile in users])

    def _score(self, users: Iterable[tuple[bytes, Profile, int]]) -> None:
        by_project: dict[str, list[tuple[Profile, Behaviour, int]]] = {}
        for key, profile, now in users:
            behaviour = profile.behaviour
            if behaviour is None:
                continue
            at = max(now, behaviour.last)
            if predictions.is_predicted(behaviour, at):
                by_project.setdefault(_project(key), []).append((profile, behaviour, at))
            elif profile.scores:
                _keep_time(profile, 0)
                profile.scores = {}
        for project, chosen in by_project.items():
            kept = features_of([behaviour for _, behaviour, _ in chosen], [at for _, _, at in chosen])
            self._scores(project, [(profile, at) for profile, _, at in chosen], contrasts(kept))

    def _scores(self, project: str, users: Sequence[tuple[Profile, int]], rows: NDArray[np.float64]) -> None:
        said = {target.name: self.answers.of(project, target, rows) for target in (CHURN, CONVERSION)}
        for place, (profile, at) in enumerate(users):
            _keep_time(profile, at)
            profile.scores = {
                name: Score(chances[place], at, version, reasons[place])
                for name, (chances, version, reasons) in said.items()
            }

    def _joined(self, key: bytes, behaviour: Behaviour, named: Mapping[str, Any], at: int) -> None:
        event_id = _event_id(named)
        if not event_id:
            return
        features = features_of([behaviour], [at])
        said = self.answers.of(_project(key), ATTENDANCE, contrasts(features))
        # Of one that came late nothing is learned: what came before it may be of later.
        seen = b"" if at < behaviour.last else features[0].tobytes()
        rsvp = Rsvp(event_id, at, seen, said.chances[0], version=said.version, begins=_begins(named, at))
        self._tell(key, predictions.joined(behaviour, rsvp))

    def _repeats(self, behaviour: Behaviour, named: Mapping[str, Any], at: int) -> bool:
        """Whether the user has joined it already: then only its beginning is news, what was said stays."""
        rsvp = predictions.open_rsvp(behaviour, _event_id(named), at)
        if rsvp is None:
            return False
        begins = _begins(named, at)
        if rsvp.came and rsvp.begins < at < begins:
            return False  # who has come joins the next date
        # As the newest join says, in whatever order they come.
        if begins and at >= max(rsvp.at, rsvp.named_at):
            rsvp.begins, rsvp.named_at = begins, at
        return True

    def _tell(self, key: bytes, outcomes: Iterable[predictions.Outcome]) -> None:
        project, _, distinct_id = key.decode().partition(":")
        self.examples += [
            Example(
                project=project,
                target=outcome.target.name,
                distinct_id=distinct_id,
                subject=outcome.subject,
                made_at=outcome.made_at,
                known_at=outcome.known_at,
                features=outcome.features,
                outcome=outcome.happened,
            )
            for outcome in outcomes
        ]


def is_old(event: EnrichedEvent) -> bool:
    """Whether an event came more than a day after it happened."""
    return event.received_at - event.timestamp > DAY_MS


def phase_of(key: bytes) -> int:
    """When in a week a user's predictions are noted, ms: users are spread over it."""
    return crc32(key) % predictions.WEEK_MS


def _keep_time(profile: Profile, at: int) -> None:
    """Scores go whose time is later than epoch ms ``at``: the user was looked at then."""
    for score in profile.scores.values():
        if score.at > at:
            profile.looked_at = max(profile.looked_at, score.at)


def _project(key: bytes) -> str:
    return key.partition(b":")[0].decode()


def _event_id(named: Mapping[str, Any]) -> str:
    """Of a platform event, as text; empty where there is none."""
    event_id = named.get("event_id")
    if isinstance(event_id, int) and not isinstance(event_id, bool):
        return str(event_id)
    return event_id[:_LONGEST_ID] if isinstance(event_id, str) else ""


def _begins(named: Mapping[str, Any], joined: int) -> int:
    """When the platform event begins, epoch ms; 0 where it is not told, no time, or too far ahead."""
    if "starts_at" not in named:
        return 0
    try:
        begins = parse_timestamp(named["starts_at"])
    except InvalidEvent:
        return 0
    return begins if begins - joined <= _FURTHEST_MS else 0
