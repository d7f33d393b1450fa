"""Which rows of the table ``events`` recommendations are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.metric_values.sql import MS, Query, users_of
from loopin_sinks.persons.mapping import person_name

DAYS: Final = 90
"""So many days before now count."""

LEARNED_FROM: Final = 2_000
"""Users, drawn by their number, whom weights are learned from."""

DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Kind:
    """How users deal with one kind of items.

    Attributes:
        property: which item an event is about.
        takes: events after which the item is no news to the user, the first that by which they join it.
        left: the event by which they leave it.
        looks: other events, or such that count as demand, too.
        learned: events of the users whom weights are learned from.
        rare: those of the takes that are few enough to be read of many users for as long as they are kept.
    """

    property: str
    takes: tuple[str, ...]
    left: str
    looks: tuple[str, ...]
    learned: tuple[str, ...]
    rare: tuple[str, ...]


_JOINS: Final = ("event_joined", "event_attended", "ticket_purchased")
EVENTS: Final = Kind("event_id", _JOINS, "event_left", ("event_viewed",), _JOINS, ())
_VISITS: Final = ("community_viewed", "community_activity")
COMMUNITIES: Final = Kind(
    "community_id",
    # Whoever takes part is a member, and whoever leaves was one, though their joining be no longer kept.
    ("community_joined", "community_activity", "community_left"),
    "community_left",
    _VISITS,
    ("community_joined", *_VISITS),
    ("community_joined", "community_left"),
)


class RecentQuery(Query):
    """One statement over the days that count."""

    def recent(self, names: Sequence[str]) -> str:
        """Rows of these events."""
        return f"{self.source(self.since, self.scope.now)} AND {self._any_of(names)}"

    def recent_of_anybody(self, names: Sequence[str]) -> str:
        """The same of bots and the project's own people, too: whoever says it, it is so."""
        since = self._between(self.since, self.scope.now)
        return f"events WHERE {since} AND project = {{project:String}} AND {self._any_of(names)}"

    def recent_or_ever(self, who: str, names: Sequence[str], ever: Sequence[str]) -> str:
        """The same of some users, and rows of some other events for as long as these are kept."""
        recent = f"(timestamp >= {self.moment(self.since)} AND {self._any_of(names)})"
        return f"{self.source(None, self.scope.now, _of(who))} AND ({recent} OR {self._any_of(ever)})"

    def recent_of(self, who: str) -> str:
        """All rows of some users."""
        return self.source(self.since, self.scope.now, _of(who))

    @property
    def since(self) -> datetime:
        """From when on events count."""
        return self.scope.now - timedelta(days=DAYS)

    def ever(self, names: Sequence[str]) -> str:
        """The same for as long as events are kept."""
        return f"{self.source(None, self.scope.now)} AND {self._any_of(names)}"

    def days_ago(self, at: str = MS) -> str:
        """Whole days from a time (epoch ms, in SQL) to now; no week before now begins within one."""
        return f"intDiv({self.bind(epoch_ms(self.scope.now) - 1, 'Int64')} - {at}, {DAY_MS})"

    def _any_of(self, names: Sequence[str]) -> str:
        return f"event IN {self.bind(list(names), 'Array(String)')}"


def _of(who: str) -> str:
    """Rows of few users: who they are is tested first, before any other column is read."""
    return f"events PREWHERE user IN ({who})"


def about(scope: Scope, user: str | None) -> RecentQuery:
    """Of a user who is asked about also the project's own people are told."""
    return RecentQuery(scope if user is None else replace(scope, internal=()))


def who_are(query: RecentQuery, kind: Kind, user: str | None) -> tuple[str, str]:
    """In SQL, what names the person of a row's ``id``, and the users there are rows of."""
    if user is not None:
        return query.bind(user, "String"), users_of(query, [user])
    takers = f"""
        SELECT user FROM {query.recent(kind.learned)}
        GROUP BY user ORDER BY cityHash64(user) LIMIT {query.bind(LEARNED_FROM, "UInt64")}
    """
    return person_name("id", "linked"), takers
