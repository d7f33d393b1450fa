"""What is known of a project just now: what the API said at first, and what the live feed told since."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from loopin_deploy.live_client import LiveEvent
from loopin_deploy.watch.alerts import AlertLine, AlertLines
from loopin_schemas.alert import Severity
from loopin_schemas.catalogue.system import SYSTEM

MINUTES: Final = 30
RATE_S: Final = 10
"""Time that events a second are the mean of."""

JUDGED_MINUTES: Final = 15
"""That the share of failed payments is of, as their alert is."""

LIVE_QUERY: Final = "?metrics=events,active_users,revenue,sentiment&dimension=event"
"""What the screen is made of."""

_SYSTEM: Final = frozenset(event.name for event in SYSTEM)
_MINUTE: Final = timedelta(minutes=1)


@dataclass
class Totals:
    """A minute or a day: counts by event name, ``""`` for all of them."""

    events: dict[str, int] = field(default_factory=dict)
    told_events: int = 0
    active_users: int | None = None
    revenue: float | None = None
    sentiment: float | None = None

    @property
    def happened(self) -> int:
        """Events but those of the system group."""
        system = sum(count for name, count in self.events.items() if name in _SYSTEM)
        return max(self.told_events, self.events.get("", 0) - system)

    @property
    def by_name(self) -> dict[str, int]:
        """The same by name."""
        return {name: count for name, count in self.events.items() if name and name not in _SYSTEM}


class WatchState:
    """Takes in what comes; times are UTC."""

    def __init__(self, project: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.project = project
        self.minutes: dict[datetime, Totals] = {}
        self.today = Totals()
        self.day: datetime | None = None
        self.first_top: list[tuple[str, int]] = []
        self.online: int | None = None
        self.communities: list[tuple[str, int]] = []
        self._alerts = AlertLines()
        self._clock = clock
        self._came: deque[tuple[datetime, int]] = deque()
        self.currency = ""
        self.connected = False
        self.lost: str | None = None
        self.must_read_anew = False

    def begin(
        self,
        real_time: Mapping[str, Any],
        overview: Mapping[str, Any],
        alerts: Iterable[Mapping[str, Any]],
    ) -> None:
        """The numbers as the API answers them: of the last minutes, and of today; and the newest alerts."""
        self.must_read_anew = False
        self.currency = real_time["currency"]
        self.first_top = [(one["event"], one["count"]) for one in real_time["top_events"]]
        for one in real_time["minutes"]:
            minute = self._minute(datetime.fromisoformat(one["at"]))
            minute.told_events, minute.active_users = one["events"], one["active_users"]
            minute.revenue = one["revenue"]
        if overview["tz"] == "UTC":  # the feed's days are
            self.today.active_users = overview["active_users_today"]
            self.today.revenue = overview["total_revenue"]
        if self.online is None:
            self.online = real_time["online_members"]
        for one in sorted(alerts, key=lambda one: str(one["at"])):
            self._alerts.take(one)

    @property
    def alerts(self) -> list[AlertLine]:
        """What happened to alerts: those that are open first, the newest first of each."""
        return self._alerts.shown()

    def severity(self, metric: str) -> Severity | None:
        """How severe the open alert on a metric is; None without one."""
        return self._alerts.severity(metric)

    def take(self, event: LiveEvent) -> None:
        """One event of the feed."""
        if event.kind == "metric":
            self._take_metric(event.data)
        elif event.kind == "alert":
            self._alerts.take(event.data)
        elif event.kind == "online":
            self.online = event.data["online_members"]
            communities = event.data["communities"]
            self.communities = [(str(one["community_id"]), one["online_members"]) for one in communities]
        elif event.kind == "reset":
            self.must_read_anew = True
        elif event.kind == "lost":
            self.connected, self.lost = False, event.data
        elif event.kind == "connected":
            self.connected, self.lost = True, None

    def last_minutes(self, now: datetime) -> list[Totals]:
        """The last minutes up to now, the one that is not over last."""
        begun = now.replace(second=0, microsecond=0)
        starts = [begun - ago * _MINUTE for ago in reversed(range(MINUTES))]
        return [self.minutes.get(start, Totals()) for start in starts]

    def events_per_s(self, now: datetime) -> float:
        """Mean of the last seconds, as the feed told of them; once a second it tells what has come."""
        since = now - timedelta(seconds=RATE_S)
        while self._came and self._came[0][0] <= since:
            self._came.popleft()
        return max(0, sum(number for _, number in self._came)) / RATE_S

    def failed_payments(self, now: datetime) -> tuple[float | None, int]:
        """Share (0 to 1) of the payments that went through or failed, those that failed; None without any.

        Of so many minutes, those since the feed has told of events; 15 at most.
        """
        minutes = self.last_minutes(now)[-JUDGED_MINUTES:]
        told = [at for at, minute in enumerate(minutes) if minute.events]
        return failing(minutes), JUDGED_MINUTES - told[0] if told else 0

    def top_events(self, now: datetime, most: int) -> tuple[str, list[tuple[str, int]]]:
        """The most frequent events of this minute and the one before, or of all until some are told."""
        both: Counter[str] = Counter()
        for minute in self.last_minutes(now)[-2:]:
            both.update(minute.by_name)
        if not both:
            return f"Events, last {MINUTES} minutes", self.first_top[:most]
        return "Events, last 2 minutes", sorted(both.items(), key=lambda one: (-one[1], one[0]))[:most]

    def _take_metric(self, one: Mapping[str, Any]) -> None:
        start = datetime.fromisoformat(one["start"])
        if one["grain"] == "minute":
            minute = self._minute(start)
            before = minute.happened
            _set(minute, one)
            self._came.append((self._clock(), minute.happened - before))
        elif one["grain"] == "day" and start >= (self.day or start):
            if self.day is not None and start > self.day:
                self.today = Totals()
            self.day = start
            _set(self.today, one)

    def _minute(self, start: datetime) -> Totals:
        found = self.minutes.setdefault(start, Totals())
        while len(self.minutes) > 3 * MINUTES:
            del self.minutes[min(self.minutes)]
        return found


def failing(minutes: Iterable[Totals]) -> float | None:
    """Share (0 to 1) of the payments of some minutes that failed; None without any."""
    both: Counter[str] = Counter()
    for minute in minutes:
        both.update(minute.events)
    failed, made = both["payment_failed"], both["payment_succeeded"]
    return failed / (failed + made) if failed + made else None


def _set(totals: Totals, one: Mapping[str, Any]) -> None:
    metric, dimension, count = one["metric"], one["dimension"], one["count"]
    if metric == "events":
        totals.events[one["dimension_value"] if dimension else ""] = count
    elif not dimension and metric == "active_users":
        totals.active_users = count
    elif not dimension and metric == "revenue":
        totals.revenue = one["sum"]
    elif not dimension and metric == "sentiment":
        totals.sentiment = one["sum"] / count if count else None
