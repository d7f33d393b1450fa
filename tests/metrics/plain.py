"""Every metric once more, as its definition reads, over a list of events.

Slow and short on purpose: it shares nothing with the code that is judged by it. A bucket is the time from
``start`` until just before ``end``; days and months are the zone's.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from functools import cached_property, partial
from statistics import fmean
from typing import Any, NamedTuple

from loopin_schemas import EnrichedEvent

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = datetime.min.replace(tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
PAUSE = timedelta(minutes=30)
"""The longest pause within a session that the client gave no id."""
FOLLOWS_WITHIN = timedelta(days=14)

SYSTEM = {"api_request", "system_metric", "error_logged"}
NO_INTERACTION = {"$pageview", "$pageleave", "$web_vitals", "page_loaded"}

DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    "device": ("device_type", "$device_type"),
    "community": ("community_id",),
    "campaign": ("campaign_source", "utm_source"),
    "browser": ("browser", "$browser"),
    "os": ("os", "$os"),
}
"""The properties that hold a dimension, the first present counts; the others are in that of their name."""


class Act(NamedTuple):
    """One event as metrics see it: what, by which person, when (UTC), on which day of the zone."""

    name: str
    person: str
    at: datetime
    day: date
    session: str
    properties: Mapping[str, Any]
    sentiment: float | None
    event: EnrichedEvent


@dataclass(frozen=True)
class World:
    """All that metrics depend on.

    ``person_of`` names the persons of distinct_ids that are not their own, ``internal`` any distinct_ids of
    the persons to leave out, ``rates`` what one unit of a currency is worth in the project's from a date on.
    """

    events: Sequence[EnrichedEvent]
    project: str
    person_of: Mapping[str, str]
    zone: tzinfo
    now: datetime
    currency: str
    rates: Mapping[str, Sequence[tuple[date, float]]] = field(default_factory=dict)
    internal: frozenset[str] = frozenset()

    @cached_property
    def everybodys(self) -> list[Act]:
        """All of the project's events, by time."""
        mine = [self._act(event) for event in self.events if event.project == self.project]
        return sorted(mine, key=lambda act: act.at)

    @cached_property
    def acts(self) -> list[Act]:
        """Those without the ones of bots and of internal persons."""
        colleagues = {self.person(distinct_id) for distinct_id in self.internal}
        acts = [act for act in self.everybodys if act.person not in colleagues]
        return [act for act in acts if act.properties.get("$is_bot") is not True]

    @cached_property
    def active(self) -> list[Act]:
        """Those that make a person active: all but the system's."""
        return [act for act in self.acts if act.name not in SYSTEM]

    @cached_property
    def personas(self) -> Mapping[str, str]:
        """What kind of person each is now, as the events say that are at hand, bots' and colleagues' too."""
        said: dict[str, list[EnrichedEvent]] = defaultdict(list)
        for event in sorted(self.events, key=lambda event: (event.timestamp, event.raw_offset)):
            if event.project == self.project:
                said[self.person(event.distinct_id)].append(event)
        found = {person: persona_of(events) for person, events in said.items()}
        return {person: persona for person, persona in found.items() if persona}

    @cached_property
    def parts(self) -> dict[tuple[str, str, str], World]:
        """What ``having`` has made of it, for the next who asks."""
        return {}

    def person(self, distinct_id: str) -> str:
        return self.person_of.get(distinct_id, distinct_id)

    def day(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()

    def midnight(self, day: date) -> datetime:
        """When a day of the zone begins."""
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    def _act(self, event: EnrichedEvent) -> Act:
        at = EPOCH + event.timestamp * MILLISECOND
        properties = json.loads(bytes(event.properties))
        return Act(
            name=event.event,
            person=self.person(event.distinct_id),
            at=at,
            day=self.day(at),
            session=event.session_id or "",
            properties=properties,
            sentiment=event.sentiment,
            event=event,
        )


Metric = Callable[[World, datetime, datetime], float | None]
"""A metric of the bucket from ``start`` until before ``end``; None where it has no value."""

Session = list[Act]


def calculate(name: str, world: World, start: datetime, end: datetime) -> float | None:
    """The metric of that name. A bucket that is not over may end at ``now`` or at its own end."""
    return METRICS[name](world, start, end)


def calculate_where(
    name: str, world: World, start: datetime, end: datetime, dimension: str, value: str
) -> float | None:
    """The metric over what has that value of the dimension.

    These are events, but sessions where their first event has it (of those at the same time, the first in
    ``world.events``), and steps where the first step has it. Metrics of platform events know no dimensions.
    """
    if name in PLATFORM_EVENT_METRICS:
        raise ValueError(f"{name} is not offered by dimension")
    if name in STEPS:
        return calculate(name, having(world, dimension, value, besides=STEPS[name][1]), start, end)
    narrow = having(world, dimension, value)
    if name not in SESSION_METRICS:
        return calculate(name, narrow, start, end)
    begun = [s for s in sessions_begun(world, start, end) if value_of(world, s[0], dimension) == value]
    return SESSION_METRICS[name](begun, len(active_persons(narrow, start, end)))


def having(world: World, dimension: str, value: str, besides: str = "") -> World:
    """The same world with the events of one value of a dimension alone, not for metrics of sessions.

    Those of the name ``besides`` are kept, whatever they have.
    """
    asked = dimension, value, besides
    if asked not in world.parts:
        kept = [act for act in world.acts if act.name == besides or value_of(world, act, dimension) == value]
        world.parts[asked] = replace(world, events=[act.event for act in kept])
    return world.parts[asked]


def value_of(world: World, act: Act, dimension: str) -> str | None:
    """An event's own value of a dimension; the persona is its person's."""
    if dimension == "event":
        return act.name
    if dimension == "persona":
        return world.personas.get(act.person)
    return first_text(act, *DIMENSIONS.get(dimension, (dimension,)))


def persona_of(events: Iterable[EnrichedEvent]) -> str | None:
    """A person's property ``persona`` after these events, which are in order; text alone counts.

    The last that was set; nothing if it was unset after that. Where none was set, what was set once at first,
    unless it was unset after that.
    """
    last: object = None
    once: object = None
    told_once = False
    for event in events:
        properties = json.loads(bytes(event.properties))
        if "persona" in properties.get("$set", {}):
            last = properties["$set"]["persona"]
        if "persona" in properties.get("$set_once", {}) and not told_once:
            once, told_once = properties["$set_once"]["persona"], True
        if "persona" in properties.get("$unset", []):
            last = once = None
    found = once if last is None else last
    return found if isinstance(found, str) and found else None


def text_of(value: object) -> str | None:
    """Text that is not empty, or a whole number as text: what the catalogue takes for an id."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def first_text(act: Act, *properties: str) -> str | None:
    """The first of the properties that holds text."""
    found = (text_of(act.properties.get(each)) for each in properties)
    return next((text for text in found if text), None)


def number(act: Act, name: str, least: float = -1e308, most: float = 1e308) -> float | None:
    """A property that is a number within bounds."""
    value = act.properties.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if least <= value <= most else None


def numbers(acts: Iterable[Act], name: str, least: float = -1e308, most: float = 1e308) -> list[float]:
    found = (number(act, name, least, most) for act in acts)
    return [value for value in found if value is not None]


def moment_of(value: object) -> datetime | None:
    """ISO 8601 text, UTC where it names no offset, or epoch milliseconds, as a number or as digits."""
    try:
        if isinstance(value, str) and not value.strip().isdigit():
            named = datetime.fromisoformat(value.strip())
            return (named if named.tzinfo else named.replace(tzinfo=UTC)).astimezone(UTC)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return EPOCH + int(value) * MILLISECOND
    except (ValueError, OverflowError):
        pass
    return None


def event_id(act: Act) -> str | None:
    return first_text(act, "event_id")


def over(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def between(acts: Sequence[Act], start: datetime, end: datetime, *names: str) -> list[Act]:
    """The events of a bucket, of these names or of all; ``acts`` are by time."""
    within = acts[len(before(acts, start)) : len(before(acts, end))]
    return [act for act in within if not names or act.name in names]


def before(acts: Sequence[Act], moment: datetime) -> Sequence[Act]:
    """Those of the events, which are by time, that came earlier than the moment."""
    return acts[: bisect_left(acts, moment.astimezone(UTC), key=lambda act: act.at)]


def on_days(acts: Iterable[Act], first: date, last: date) -> list[Act]:
    return [act for act in acts if first <= act.day <= last]


def persons(acts: Iterable[Act]) -> set[str]:
    return {act.person for act in acts}


def active_persons(world: World, start: datetime, end: datetime) -> set[str]:
    return persons(between(world.active, start, end))


def count(*names: str) -> Metric:
    """How many events of these names the bucket has."""

    def metric(world: World, start: datetime, end: datetime) -> float:
        return len(between(world.acts, start, end, *names))

    return metric


def ratio(part: Sequence[str], whole: Sequence[str]) -> Metric:
    """Events of the names ``part`` / events of the names ``whole``."""

    def metric(world: World, start: datetime, end: datetime) -> float | None:
        acts = between(world.acts, start, end)
        return over(sum(act.name in part for act in acts), sum(act.name in whole for act in acts))

    return metric


def share(part: Callable[[Act], bool], name: str, whole: str) -> Metric:
    """Events ``name`` for which ``part`` holds / events ``whole``."""

    def metric(world: World, start: datetime, end: datetime) -> float | None:
        acts = between(world.acts, start, end, name)
        return over(sum(part(act) for act in acts), len(between(world.acts, start, end, whole)))

    return metric


def by_host(act: Act) -> bool:
    return act.properties.get("by") == "host"


def blocked(act: Act) -> bool:
    return act.properties.get("access_result") == "blocked"


def bypassed(act: Act) -> bool:
    return act.properties.get("bypass") is True


def failed(act: Act) -> bool:
    return number(act, "status", least=500) is not None


def unique_page_views(world: World, start: datetime, end: datetime) -> float:
    """Distinct person, session and path of $pageview."""
    views = between(world.acts, start, end, "$pageview")
    return len({(act.person, act.session, first_text(act, "path", "$pathname")) for act in views})


def mean_of(name: str, event: str) -> Metric:
    """Mean of a number that events of that name have."""

    def metric(world: World, start: datetime, end: datetime) -> float | None:
        return mean(numbers(between(world.acts, start, end, event), name))

    return metric


def percentile_of(name: str, event: str, level: float) -> Metric:
    """The number below which that share of them lies: the sorted ones' element floor(level n), from 0."""

    def metric(world: World, start: datetime, end: datetime) -> float | None:
        values = sorted(numbers(between(world.acts, start, end, event), name))
        return values[min(int(level * len(values)), len(values) - 1)] if values else None

    return metric


def event_rating(world: World, start: datetime, end: datetime) -> float | None:
    """Mean rating of event_reviewed."""
    return mean(numbers(between(world.acts, start, end, "event_reviewed"), "rating", 1, 5))


def satisfaction(world: World, start: datetime, end: datetime) -> float | None:
    """Mean of (rating - 1) / 4 of reviews and feedback."""
    rated = between(world.acts, start, end, "event_reviewed", "feedback_submitted")
    return mean([(rating - 1) / 4 for rating in numbers(rated, "rating", 1, 5)])


def review_sentiment(world: World, start: datetime, end: datetime) -> float | None:
    """Mean sentiment of reviews and feedback that have one, rated or not."""
    written = between(world.acts, start, end, "event_reviewed", "feedback_submitted")
    return mean([act.sentiment for act in written if act.sentiment is not None])


def as_of(measure: Callable[[Sequence[Act], date], float | None]) -> Metric:
    """A metric of the active events before the bucket's end, and of the day on which it ends.

    That day is today where the bucket ends later.
    """

    def metric(world: World, start: datetime, end: datetime) -> float | None:
        return measure(before(world.active, end), last_day(world, end))

    return metric


def last_day(world: World, end: datetime) -> date:
    """The day that holds the last millisecond before ``end``, but not a day to come."""
    return world.day(reached(world, end) - MILLISECOND)


def reached(world: World, end: datetime) -> datetime:
    """How far a bucket has come."""
    return min(end.astimezone(UTC), world.now.astimezone(UTC))


def ago(days: int, last: date) -> date:
    return last - days * DAY


def active_users(days: int) -> Metric:
    """Distinct persons active on the last so many days."""
    return as_of(lambda acts, last: len(persons(on_days(acts, ago(days - 1, last), last))))


@as_of
def stickiness(acts: Sequence[Act], last: date) -> float | None:
    """Mean of the persons active on each of the last 30 days / persons active on any of them."""
    month = on_days(acts, ago(29, last), last)
    return over(len({(act.day, act.person) for act in month}) / 30, len(persons(month)))


@as_of
def total_users(acts: Sequence[Act], last: date) -> float:
    """Persons who have been active."""
    return len(persons(acts))


@as_of
def churn_rate(acts: Sequence[Act], last: date) -> float | None:
    """Of the persons active in the 30 days before the last 30 days, those not active since."""
    former = persons(on_days(acts, ago(59, last), ago(30, last)))
    return over(len(former - persons(on_days(acts, ago(29, last), last))), len(former))


@as_of
def host_dropout_rate(acts: Sequence[Act], last: date) -> float | None:
    """Of the hosts who created events in the 60 days before the last 30 days, those who have not since."""

    def hosts(first: date, until: date) -> set[str]:
        created = [act for act in on_days(acts, first, until) if act.name == "event_created"]
        return {first_text(act, "host_id") or act.person for act in created}

    former = hosts(ago(89, last), ago(30, last))
    return over(len(former - hosts(ago(29, last), last)), len(former))


@as_of
def user_verification_rate(acts: Sequence[Act], last: date) -> float | None:
    """Persons with user_verified / persons who have been active."""
    return over(len(persons(act for act in acts if act.name == "user_verified")), len(persons(acts)))


@as_of
def profile_completion_rate(acts: Sequence[Act], last: date) -> float | None:
    """Mean of each person's latest completion; of those at the same time, the greatest."""
    told: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
    for act in acts:
        completion = number(act, "completion", 0, 1)
        if act.name == "profile_updated" and completion is not None:
            told[act.person].append((act.at, completion))
    return mean([max(each)[1] for each in told.values()])


def growth(amount: Callable[[World, datetime, datetime], float]) -> Metric:
    """(this month to date - the same days of the month before) / the latter; None where that is not above 0.

    The month before is cut at its own last day, and at the same time of day where the last day is unfinished.
    """

    def metric(world: World, start: datetime, end: datetime) -> float | None:
        until, last = reached(world, end), last_day(world, end)
        first = last.replace(day=1)
        month_end = ago(1, first)
        same_day = month_end.replace(day=min(last.day, month_end.day))
        this = amount(world, world.midnight(first), until)
        same_until = same_time(world, until, last, same_day)
        former = amount(world, world.midnight(month_end.replace(day=1)), same_until)
        return (this - former) / former if former > 0 else None

    return metric


def same_time(world: World, moment: datetime, day: date, other: date) -> datetime:
    """As far into the ``other`` day as the moment is into ``day``: by the clock, or its end."""
    if moment >= world.midnight(day + DAY):
        return world.midnight(other + DAY)
    return datetime.combine(other, moment.astimezone(world.zone).time(), world.zone).astimezone(UTC)


def events_created(world: World, start: datetime, end: datetime) -> float:
    return len(between(world.acts, start, end, "event_created"))


def active_count(world: World, start: datetime, end: datetime) -> float:
    return len(active_persons(world, start, end))


def retention(first: int, last: int) -> Metric:
    """Of the persons first active on a day D that begins in the bucket, those active on D+first..D+last.

    Only days D of which D+last is over count.
    """

    def counts(world: World, day: date, start: datetime, end: datetime) -> bool:
        begins_within = start.astimezone(UTC) <= world.midnight(day) < end.astimezone(UTC)
        return begins_within and world.midnight(day + (last + 1) * DAY) <= world.now.astimezone(UTC)

    def metric(world: World, start: datetime, end: datetime) -> float | None:
        days: dict[str, set[date]] = defaultdict(set)
        for act in world.active:
            days[act.person].add(act.day)
        cohort = [each for each in days.values() if counts(world, min(each), start, end)]
        returned = [each for each in cohort if any(first <= (day - min(each)).days <= last for day in each)]
        return over(len(returned), len(cohort))

    return metric


def sessions_begun(world: World, start: datetime, end: datetime) -> list[Session]:
    """The sessions whose first event lies in the bucket, as long as they last.

    What lies up to a day before the bucket tells that its session began earlier, and what lies up to a day
    beyond it belongs to its sessions.
    """
    streams: dict[tuple[str, str], list[Act]] = defaultdict(list)
    since, until = start.astimezone(UTC) - DAY, min(end.astimezone(UTC) + DAY, world.now)
    for act in between(world.active, since, until):
        streams[act.person, act.session].append(act)
    named = [acts for (_, name), acts in streams.items() if name]
    unnamed = [run for (_, name), acts in streams.items() if not name for run in runs(acts)]
    return [session for session in (*named, *unnamed) if start <= session[0].at < end]


def runs(acts: Sequence[Act]) -> list[Session]:
    """Parts without a pause of more than 30 minutes."""
    found: list[Session] = []
    for act in acts:
        if found and act.at - found[-1][-1].at <= PAUSE:
            found[-1].append(act)
        else:
            found.append([act])
    return found


def minutes_long(session: Session) -> float:
    return (session[-1].at - session[0].at) / MINUTE


def bounced(session: Session) -> bool:
    """One $pageview, and nothing else that the person did."""
    names = [act.name for act in session]
    return names.count("$pageview") == 1 and set(names) <= NO_INTERACTION


def bounce_rate(sessions: list[Session], users: int) -> float | None:
    """Of the sessions with a $pageview, those with one and no other interaction."""
    viewing = [session for session in sessions if any(act.name == "$pageview" for act in session)]
    return over(sum(map(bounced, viewing)), len(viewing))


def crash_rate(sessions: list[Session], users: int) -> float | None:
    """Sessions with app_crashed / sessions."""
    return over(sum(any(act.name == "app_crashed" for act in each) for each in sessions), len(sessions))


SESSION_METRICS: Mapping[str, Callable[[list[Session], int], float | None]] = {
    "sessions": lambda sessions, users: len(sessions),
    "sessions_per_user": lambda sessions, users: over(len(sessions), users),
    "avg_session_length": lambda sessions, users: mean([minutes_long(each) for each in sessions]),
    "bounce_rate": bounce_rate,
    "crash_rate": crash_rate,
}
"""Of the sessions begun in a bucket, and the number of persons active in it."""


def of_sessions(name: str, world: World, start: datetime, end: datetime) -> float | None:
    begun = sessions_begun(world, start, end)
    return SESSION_METRICS[name](begun, len(active_persons(world, start, end)))


def conversion(first: str, then: str) -> Metric:
    """Of the persons with ``first`` in the bucket, those with ``then`` of that platform event in 14 days."""

    def metric(world: World, start: datetime, end: datetime) -> float | None:
        followed: dict[tuple[str, str | None], list[datetime]] = defaultdict(list)
        for act in world.acts:
            if act.name == then:
                followed[act.person, event_id(act)].append(act.at)
        firsts = [act for act in between(world.acts, start, end, first) if event_id(act)]
        converted = [
            act
            for act in firsts
            if any(act.at < at <= act.at + FOLLOWS_WITHIN for at in followed[act.person, event_id(act)])
        ]
        return over(len(persons(converted)), len(persons(firsts)))

    return metric


STEPS: Mapping[str, tuple[str, str]] = {
    "view_to_join": ("event_viewed", "event_joined"),
    "join_to_attend": ("event_joined", "event_attended"),
    "view_to_attend": ("event_viewed", "event_attended"),
}


def buyers(world: World, start: datetime, end: datetime) -> set[str]:
    return persons(between(world.acts, start, end, "ticket_purchased"))


def ticket_conversion(world: World, start: datetime, end: datetime) -> float | None:
    """Persons with ticket_purchased / active persons."""
    return over(len(buyers(world, start, end)), len(active_persons(world, start, end)))


def revenue(world: World, start: datetime, end: datetime) -> float:
    """Purchases less refunds in the project's currency; what cannot be converted is left out."""
    purchases = between(world.acts, start, end, "ticket_purchased")
    refunds = between(world.acts, start, end, "payment_refunded")
    return float(sum(money(world, act) for act in purchases) - sum(money(world, act) for act in refunds))


def money(world: World, act: Act) -> Decimal:
    """An event's amount in the project's currency, exactly; 0 where it has none that counts."""
    amount, rate = number(act, "amount"), rate_of(world, act)
    if amount is None or rate is None or abs(amount) >= 1e12:
        return Decimal(0)
    return Decimal(str(amount)) * Decimal(str(rate))


def rate_of(world: World, act: Act) -> float | None:
    """What one unit of the event's currency is worth in the project's: the latest rate by the event's day."""
    named = act.properties.get("currency")
    code = "" if named is None else str(named).strip().upper()
    if code in ("", world.currency):
        return 1
    if len(code) != 3 or not code.isascii() or not code.isalpha():
        return None
    known = [(day, rate) for day, rate in world.rates.get(code, ()) if day <= act.day]
    return max(known)[1] if known else None


def rpu(world: World, start: datetime, end: datetime) -> float | None:
    """Revenue / active persons."""
    return over(revenue(world, start, end), len(active_persons(world, start, end)))


def arppu(world: World, start: datetime, end: datetime) -> float | None:
    """Revenue / persons with a purchase."""
    return over(revenue(world, start, end), len(buyers(world, start, end)))


def held(world: World, start: datetime, end: datetime) -> dict[str, datetime]:
    """When each platform event began that began in the bucket, is not to come, and did take place.

    Its latest event_created says when; of those at the same time, the one with the latest start.
    """
    told = [
        (act.at, moment_of(act.properties.get("starts_at")) or NEVER, event_id(act))
        for act in world.acts
        if act.name == "event_created" and act.at < world.now
    ]
    begins = {event: begin for _, begin, event in sorted(told, key=lambda one: one[:2]) if event}
    first, last = start.astimezone(UTC), reached(world, end)
    begun = {event: begin for event, begin in begins.items() if first <= begin < last}
    return {event: begin for event, begin in begun.items() if not is_cancelled(world, event, begin)}


def is_cancelled(world: World, event: str, by: datetime) -> bool:
    """Whether the last that anybody said of it before then, bots and colleagues too, is that it is off.

    Said off and on at the same time, it is off.
    """
    said: datetime | None = None
    off = False
    for act in world.everybodys:
        if act.name not in ("event_cancelled", "event_published") or event_id(act) != event or act.at >= by:
            continue
        off = act.name == "event_cancelled" or (off and act.at == said)
        said = act.at
    return off


def before_begin(world: World, name: str, begins: Mapping[str, datetime]) -> set[tuple[str, str]]:
    """Person and platform event of the events ``name`` that came before the platform event began."""
    named = [(act, event_id(act) or "") for act in world.acts if act.name == name]
    return {(act.person, event) for act, event in named if event in begins and act.at < begins[event]}


def event_success_rate(world: World, start: datetime, end: datetime) -> float | None:
    """Of the platform events held, those sold out before they began."""
    begins = held(world, start, end)
    sold_out = {event for _, event in before_begin(world, "event_sold_out", begins)}
    return over(len(sold_out), len(begins))


def attendance_rate(world: World, start: datetime, end: datetime) -> float | None:
    """Of the persons who joined a platform event before it began, those who attended it."""
    joined = before_begin(world, "event_joined", held(world, start, end))
    attended = {(act.person, event_id(act)) for act in world.acts if act.name == "event_attended"}
    return over(len(joined & attended), len(joined))


PLATFORM_EVENT_METRICS: Mapping[str, Metric] = {
    "event_success_rate": event_success_rate,
    "attendance_rate": attendance_rate,
}


def online_members(world: World, start: datetime, end: datetime) -> list[int]:
    """For each minute of the bucket until now, the persons active in any community in it or the 4 before."""
    online: dict[int, set[str]] = defaultdict(set)
    for act in world.active:
        if first_text(act, "community_id"):
            minute = (act.at - EPOCH) // MINUTE
            for later in range(5):
                online[minute + later].add(act.person)
    minutes = range(first_minute(start), first_minute(reached(world, end)))
    return [len(online[minute]) for minute in minutes]


def first_minute(moment: datetime) -> int:
    """The first minute since 1970 that begins at this moment or later."""
    return -((EPOCH - moment) // MINUTE)


def average_online_members(world: World, start: datetime, end: datetime) -> float | None:
    """Mean over minutes of the persons active within 5 minutes."""
    return mean(online_members(world, start, end))


def peak_community_activity(world: World, start: datetime, end: datetime) -> float | None:
    """The most of them at once."""
    return max(online_members(world, start, end), default=None)


def unknown(world: World, start: datetime, end: datetime) -> None:
    """There are no scores of churn yet."""


METRICS: dict[str, Metric] = {
    # KPIs
    "dau": active_users(1),
    "wau": active_users(7),
    "mau": active_users(30),
    "stickiness": stickiness,
    "total_users": total_users,
    "new_registrations": count("user_signed_up"),
    "retention_d1": retention(1, 1),
    "retention_d7": retention(7, 7),
    "retention_d30": retention(30, 30),
    "retention_d90": retention(90, 90),
    "retention_7d_rolling": retention(1, 7),
    **{name: partial(of_sessions, name) for name in SESSION_METRICS},
    "page_views": count("$pageview"),
    "unique_page_views": unique_page_views,
    **{name: conversion(*steps) for name, steps in STEPS.items()},
    "ticket_conversion": ticket_conversion,
    "revenue": revenue,
    "rpu": rpu,
    "arppu": arppu,
    "platform_events_created": count("event_created"),
    **PLATFORM_EVENT_METRICS,
    "satisfaction": satisfaction,
    "review_sentiment": review_sentiment,
    "content_views": count("content_viewed"),
    "content_interactions": count("content_liked", "content_commented", "content_shared"),
    "engagement_rate": ratio(
        ["content_liked", "content_commented", "content_shared"],
        ["content_viewed"],
    ),
    "click_through_rate": ratio(["search_result_clicked"], ["search_result_shown"]),
    "recommendation_ctr": ratio(["recommendation_clicked"], ["recommendation_shown"]),
    "searches": count("search_performed"),
    "shares": count("content_shared"),
    "community_views": count("community_viewed"),
    "community_joins": count("community_joined"),
    "average_online_members": average_online_members,
    "peak_community_activity": peak_community_activity,
    "api_requests": count("api_request"),
    "avg_response_time": mean_of("duration_ms", "api_request"),
    "response_time_p50": percentile_of("duration_ms", "api_request", 0.5),
    # KRIs
    "payment_failure_rate": ratio(["payment_failed"], ["payment_failed", "payment_succeeded"]),
    "refund_rate": ratio(["payment_refunded"], ["ticket_purchased"]),
    "chargeback_rate": ratio(["payment_disputed"], ["payment_succeeded"]),
    "otp_failure_rate": ratio(["otp_failed"], ["otp_failed", "otp_verified"]),
    "host_cancellation_rate": share(by_host, "event_cancelled", "event_published"),
    "event_cancellation_rate": ratio(["event_cancelled"], ["event_published"]),
    "host_dropout_rate": host_dropout_rate,
    "churn_rate": churn_rate,
    "high_churn_share": unknown,
    "error_rate": share(failed, "api_request", "api_request"),
    "slow_response_p95": percentile_of("duration_ms", "api_request", 0.95),
    "page_load_p95": percentile_of("load_ms", "page_loaded", 0.95),
    "geo_blocked_share": share(blocked, "geo_access_checked", "geo_access_checked"),
    "geo_bypass_share": share(bypassed, "geo_access_checked", "geo_access_checked"),
    "login_failure_rate": ratio(["login_failed"], ["login_failed", "user_logged_in"]),
    # KRs
    "event_creation_growth": growth(events_created),
    "revenue_growth": growth(revenue),
    "mau_growth": growth(active_count),
    "ticket_purchase_success": ratio(["payment_succeeded"], ["payment_succeeded", "payment_failed"]),
    "user_verification_rate": user_verification_rate,
    "profile_completion_rate": profile_completion_rate,
    "event_rating": event_rating,
}
