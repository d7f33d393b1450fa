"""Parts of SQL that the metrics share; values are always bound, and names come from a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from loopin_schemas.catalogue.system import SYSTEM
from loopin_schemas.metrics import Dimension
from loopin_schemas.metrics.definition import Condition, Events, Mean
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.persons.mapping import LINKED_USERS, PERSON_OF_USER
from loopin_sinks.persons.personas import PERSONA
from loopin_sinks.store import Store

Rows = list[dict[str, Any]]

DIMENSIONS: Final[Mapping[Dimension, str]] = {
    "country": "country",
    "region": "region",
    "city": "city",
    "device": "device_type",
    "browser": "browser",
    "os": "os",
    "platform": "platform",
    "community": "community_id",
    "event": "event",
    "event_id": "event_id",
    "content_type": "content_type",
    "campaign": "campaign_source",
    "persona": PERSONA,
}
"""Columns of the table ``events``, and what follows from them."""

NUMBERS: Final = frozenset(
    {"amount", "rating", "status", "duration_ms", "duration_s", "load_ms", "sentiment"}
)
TEXTS: Final = frozenset({"event_id", "community_id", "object_id", "content_type", "reason"})
"""Properties with a column of their own."""

OPERATORS: Final = {"eq": "=", "ne": "!=", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}

MS: Final = "toUnixTimestamp64Milli(timestamp)"
"""When an event happened, epoch ms."""

PERSON: Final = "if(other.person = 0, found.user, other.person)"
"""Who a user is, after ``of_persons``."""

LINKED: Final = f"(user IN ({LINKED_USERS}))"
"""Whether a user shares a person with others."""


def alone(scope: Scope) -> str:
    """Whether a user shares a person with nobody; a test less where nobody does."""
    return f"NOT {LINKED}" if scope.rolled.linked else "true"


MOMENT: Final = timedelta(milliseconds=1)
"""What times are stored to."""

SYSTEM_EVENTS: Final = [event.name for event in SYSTEM]


def of_persons(found: str) -> str:
    """A query that has a column ``user``, with the person of each."""
    return f"({found}) AS found LEFT ANY JOIN ({PERSON_OF_USER}) AS other ON other.user = found.user"


def stretches(found: str, length: str) -> str:
    """Rows of ``of``, ``at`` and ``change``: how many persons more, or fewer, count from a time on.

    ``found`` has ``of``, ``user`` and ``times``, an array of whole numbers (days, minutes) at which the user
    was active. A person counts from each of them on, until ``length`` later or the next: so each that begins
    or ends such a stretch is a change of one.
    """
    return f"""
        SELECT of, one.1 AS at, sum(one.2) AS change
        FROM (
            SELECT of, arraySort(arrayDistinct(groupArrayArray(found.times))) AS active,
                arrayPopFront(arrayPushBack(active, active[-1] + {length})) AS following,
                arrayPushFront(arrayPopBack(active), active[1] - {length}) AS former,
                arrayConcat(
                    arrayMap(at -> (at, toInt64(1)),
                        arrayFilter((at, before) -> at - before >= {length}, active, former)),
                    arrayMap(at -> (at + {length}, toInt64(-1)),
                        arrayFilter((at, after) -> after - at >= {length}, active, following))
                ) AS changes
            FROM {of_persons(found)} GROUP BY of, {PERSON}
        )
        ARRAY JOIN changes AS one GROUP BY of, at
    """


class Conditions:
    """Which events are meant, in SQL over the table ``events``; ``parameters`` are what it binds."""

    def __init__(self, parameters: Mapping[str, object]) -> None:
        self.parameters: dict[str, object] = dict(parameters)

    def bind(self, value: object, kind: str) -> str:
        """A placeholder for a value of a ClickHouse type."""
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f"{{{name}:{kind}}}"

    def matches(self, of: Events) -> str:
        """Whether an event is one of those."""
        return " AND ".join([self.named(of), *(self._meets(condition) for condition in of.where)])

    def named(self, of: Events) -> str:
        """Whether an event has one of their names."""
        if of.names:
            return f"event IN {self.bind(list(of.names), 'Array(String)')}"
        return f"event NOT IN {self.bind(SYSTEM_EVENTS, 'Array(String)')}"

    def counts(self, of: Mean) -> str:
        """Whether an event counts in a mean."""
        number, least, most = self.number(of.property), of.least, of.most
        between = f"{number} >= {self.bind(least, 'Float64')} AND {number} <= {self.bind(most, 'Float64')}"
        return f"(isNotNull({number}) AND {between})"

    def _meets(self, condition: Condition) -> str:
        operator, value = OPERATORS[condition.operator], condition.value
        if isinstance(value, bool):
            name = self.bind(condition.property, "String")
            given = f"if(JSONType(properties, {name}) = 'Bool', JSONExtractBool(properties, {name}), NULL)"
            return f"ifNull({given} {operator} {self.bind(value, 'Bool')}, false)"
        if isinstance(value, str):
            given = self.text(condition.property)
            return f"({given} != '' AND {given} {operator} {self.bind(value, 'String')})"
        return f"ifNull({self.number(condition.property)} {operator} {self.bind(value, 'Float64')}, false)"

    def text(self, name: str) -> str:
        """A property as text, ``''`` where it is absent or neither text nor a whole number."""
        if name in TEXTS:
            return name
        bound = self.bind(name, "String")
        kind = f"JSONType(properties, {bound})"
        return f"if({kind} IN ('String', 'Int64', 'UInt64'), JSONExtractString(properties, {bound}), '')"

    def number(self, name: str) -> str:
        """A property as a finite number, also where it is one written as text; else null."""
        if name in NUMBERS:
            return name
        given = f"toFloat64OrNull(JSONExtract(properties, {self.bind(name, 'String')}, 'Nullable(String)'))"
        return f"if(isFinite({given}), {given}, NULL)"


def users_of(conditions: Conditions, distinct_ids: Sequence[str]) -> str:
    """A query of all users of the persons that some distinct_ids are of, in the bound ``project``."""
    ids = conditions.bind(list(distinct_ids), "Array(String)")
    persons = f"SELECT {PERSON} AS user FROM {of_persons(f'SELECT cityHash64(arrayJoin({ids})) AS user')}"
    return f"{persons} UNION ALL SELECT user FROM ({PERSON_OF_USER}) WHERE person IN ({persons})"


class Query(Conditions):
    """One statement in the making: its parameters, and the scope that all its parts share."""

    def __init__(self, scope: Scope) -> None:
        super().__init__({"project": scope.project})
        self.scope = scope

    def moment(self, moment: datetime) -> str:
        """A placeholder for a time."""
        return self.bind(moment, "DateTime64(3, 'UTC')")

    def within(self, spans: Sequence[tuple[datetime | None, datetime]]) -> str:
        """Whether an event happened in one of those times; None stands for any time before."""
        return " OR ".join(self._between(*span) for span in spans) or "false"

    def _between(self, since: datetime | None, until: datetime) -> str:
        # As before the end, to the millisecond; but the index then leaves the day out that the end may begin.
        before = f"timestamp <= {self.moment(until - MOMENT)}"
        return before if since is None else f"timestamp >= {self.moment(since)} AND {before}"

    async def rows(self, store: Store, text: str) -> Rows:
        """Run it. Raises StoreError."""
        return await store.query(text, self.parameters)

    async def command(self, store: Store, text: str) -> None:
        """Run a statement that changes the store. Raises StoreError."""
        await store.command(text, self.parameters)

    @property
    def day(self) -> str:
        """The zone's day of an event, as a number from 1970-01-01."""
        return f"toInt64(toDate(timestamp, {self.bind(self.scope.zone_name, 'String')}))"

    def period(self, periods: Periods, at: str = MS) -> str:
        """Start (epoch ms) of the period that holds the event; only for events within all of them."""
        if len(periods) == 1:
            return f"toInt64({self.bind(periods.starts_ms[0], 'Int64')})"
        return f"roundDown({at}, {self.bind(periods.starts_ms, 'Array(Int64)')})"

    @property
    def of(self) -> str:
        """The event's value of the dimension to split by; ``''`` where there is none."""
        return "''" if self.scope.by is None else f"toString({DIMENSIONS[self.scope.by]})"

    @property
    def chosen(self) -> str:
        """Whether an event has the values that the scope asks for."""
        return " AND ".join(self._have(self.scope.where)) or "true"

    def _have(self, values: Mapping[Dimension, str]) -> list[str]:
        return [
            f"{DIMENSIONS[dimension]} = {self.bind(value, 'String')}" for dimension, value in values.items()
        ]

    def source(self, since: datetime | None, until: datetime, table: str = "events") -> str:
        """From which rows, whatever their names and the dimensions asked for."""
        return f"{table} WHERE {self._between(since, until)} AND {self.of_scope()}"

    def of_everybody(self, since: datetime, until: datetime) -> str:
        """The same, of those users, too, whom the scope leaves out."""
        return f"events WHERE {self._between(since, until)} AND {self._of_all()}"

    def of_scope(self) -> str:
        """Whether a row is the project's, and of the events and users that the scope is about."""
        return " AND ".join([self._of_all(), *self._of_users()])

    def of_rolled(self) -> str:
        """Whether a row is of a day as the scope counts them, with the values that it asks for."""
        zone = f"zone = {self.bind(self.scope.zone_name, 'String')}"
        return " AND ".join([self._of_all(), zone, *self._have(self.scope.where)])

    def _of_all(self) -> str:
        tests = ["project = {project:String}", *self._have(self.scope.only)]
        return " AND ".join(tests if self.scope.bots else [*tests, "NOT is_bot"])

    def of_users(self) -> str:
        """Whether a row is the project's, and of the users that the scope is about."""
        return " AND ".join(["project = {project:String}", *self._of_users()])

    def _of_users(self) -> Iterator[str]:
        if self.scope.users:
            ids = self.bind(list(self.scope.users), "Array(String)")
            yield f"user IN (SELECT cityHash64(arrayJoin({ids})))"
        if self.scope.internal:
            yield f"user NOT IN ({self.internal()})"

    def internal(self) -> str:
        """All users of the persons who are the project's own."""
        return users_of(self, self.scope.internal)

    def events(self, of: Events, since: datetime | None, until: datetime) -> str:
        """From which rows: those events, in the scope."""
        return f"{self.source(since, until)} AND {self.matches(of)} AND {self.chosen}"
