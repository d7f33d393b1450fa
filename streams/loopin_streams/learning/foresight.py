"""Follows what users do for the models, and what the models say of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.behaviour import Behaviour, Rsvp
from loopin_schemas.event import EnrichedEvent
from loopin_schemas.example import Example
from loopin_schemas.profile import Profile, Score
from loopin_streams.behaviour.counts import count, new_behaviour
from loopin_streams.behaviour.deeds import VISITOR_EVENTS, deeds
from loopin_streams.learning import predictions
from loopin_streams.learning.answers import Answers
from loopin_streams.learning.features import contrasts, features_of
from loopin_streams.learning.targets import ATTENDANCE, CHURN, CONVERSION

_LONGEST_ID: Final = 200

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
        self._follow: dict[str, Callable[[bytes, Behaviour, str, int], None]] = {
            "ticket_purchased": lambda key, behaviour, subject, at: predictions.bought(behaviour, at),
            "event_joined": self._joined,
            "event_left": lambda key, behaviour, subject, at: predictions.left(behaviour, subject),
            "event_attended": lambda key, behaviour, subject, at: predictions.attended(
                behaviour, subject, at
            ),
        }

    def follow(
        self, key: bytes, profile: Profile, event: EnrichedEvent, properties: Mapping[str, Any]
    ) -> None:
        """Count an event into its user's behaviour, and into what was predicted of the user."""
        at, name = event.timestamp, event.event
        behaviour = profile.behaviour
        if behaviour is None:
            behaviour = profile.behaviour = new_behaviour(at)
        if at >= behaviour.due:
            self._tell(key, predictions.pass_time(behaviour, at, phase_of(key)))
        told = self._follow.get(name)
        if told is not None:
            subject = properties.get("event_id")
            told(key, behaviour, subject[:_LONGEST_ID] if isinstance(subject, str) else "", at)
        count(behaviour, at, deeds(name, properties, event.sentiment))
        if not behaviour.known and name not in VISITOR_EVENTS:
            behaviour.known = True

    def score(self, users: Users) -> None:
        """Say what is predicted of each now, as of the user's newest event."""
        self._score([(key, profile, 0) for key, profile in users])

    def sweep(self, users: Users, now: int) -> list[tuple[bytes, Profile]]:
        """What the time that has passed makes known of each at epoch ms ``now``; those who were looked at."""
        looked_at = []
        for key, profile in users:
            behaviour = profile.behaviour
            if behaviour is not None:
                self._tell(key, predictions.pass_time(behaviour, now, phase_of(key)))
                looked_at.append((key, profile))
        self._score([(key, profile, now) for key, profile in looked_at])
        return looked_at

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
                profile.scores = {}
        for project, chosen in by_project.items():
            kept = features_of([behaviour for _, behaviour, _ in chosen], [at for _, _, at in chosen])
            self._scores(project, [(profile, at) for profile, _, at in chosen], contrasts(kept))

    def _scores(self, project: str, users: Sequence[tuple[Profile, int]], rows: NDArray[np.float64]) -> None:
        said = {target.name: self.answers.of(project, target, rows) for target in (CHURN, CONVERSION)}
        for place, (profile, at) in enumerate(users):
            profile.scores = {
                name: Score(chances[place], at, version, reasons[place])
                for name, (chances, version, reasons) in said.items()
            }

    def _joined(self, key: bytes, behaviour: Behaviour, event_id: str, at: int) -> None:
        features = features_of([behaviour], [at])
        said = self.answers.of(_project(key), ATTENDANCE, contrasts(features))
        rsvp = Rsvp(event_id, at, features[0].tobytes(), said.chances[0], version=said.version)
        predictions.joined(behaviour, rsvp)

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


def phase_of(key: bytes) -> int:
    """When in a week a user's predictions are noted, ms: users are spread over it."""
    return crc32(key) % predictions.WEEK_MS


def _project(key: bytes) -> str:
    return key.partition(b":")[0].decode()
