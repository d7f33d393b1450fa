"""What is known of a project just now: what the API said at first, and what the live feed told since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from loopin_deploy.live_client import LiveEvent
from loopin_schemas.catalogue.system import SYSTEM

MINUTES: Final = 30
MAX_ALERTS: Final = 50

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


@dataclass(frozen=True)
class ShownAlert:
    """An alert: when (None for one that fires already), how severe, what it says, and of which metric."""

    at: datetime | None
    severity: str
    text: str
    metric: str


class WatchState:
    """Takes in what comes; times are UTC."""

    def __init__(self, project: str) -> None:
        self.project = project
        self.minutes: dict[datetime, Totals] = {}
        self.today = Totals()
        self.day: datetime | None = None
        self.first_top: list[tuple[str, int]] = []
        self.online: int | None = None
        self.communities: list[tuple[str, int]] = []
        self._alerts: dict[str, ShownAlert] = {}
        self.currency = ""
        self.connected = False
        self.lost: str | None = None
        self.must_read_anew = False

    def begin(self, real_time: Mapping[str, Any], overview: Mapping[str, Any]) -> None:
        """The numbers as the API answers them: of the last minutes, and of today."""
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
        if not self._alerts:
            # The newest comes last.
            for number, one in enumerate(reversed(real_time["alerts"])):
                self._alerts[f"first {number}"] = _firing(one)

    @property
    def alerts(self) -> list[ShownAlert]:
        """Alerts as they are now, those that something happened to last first."""
        return list(reversed(self._alerts.values()))

    def take(self, event: LiveEvent) -> None:
        """One event of the feed."""
        if event.kind == "metric":
            self._take_metric(event.data)
        elif event.kind == "alert":
            self._take_alert(event.data)
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

    def top_events(self, now: datetime, most: int) -> tuple[str, list[tuple[str, int]]]:
        """The most frequent events of this minute and the one before, or of all until some are told."""
        both: Counter[str] = Counter()
        for minute in self.last_minutes(now)[-2:]:
            both.update(minute.by_name)
        if not both:
            return f"Events, last {MINUTES} minutes", self.first_top[:most]
        return "Events, last 2 minutes", sorted(both.items(), key=lambda one: (-one[1], one[0]))[:most]

    def _take_alert(self, one: Mapping[str, Any]) -> None:
        """An alert's newest record takes the place of its former one."""
        self._alerts.pop(one["id"], None)
        # What fired at first came without an id.
        self._alerts = {
            id: each for id, each in self._alerts.items() if each.at or each.metric != one["metric"]
        }
        # What is pending or silenced is told to nobody; what has never fired need not be over.
        if one["state"] == "pending" or one.get("silenced") or not one.get("fired_at"):
            return
        self._alerts[one["id"]] = _happened(one)
        while len(self._alerts) > MAX_ALERTS:
            del self._alerts[next(iter(self._alerts))]

    def _take_metric(self, one: Mapping[str, Any]) -> None:
        start = datetime.fromisoformat(one["start"])
        if one["grain"] == "minute":
            _set(self._minute(start), one)
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


def failed_payments(today: Totals) -> float | None:
    """Share (0 to 1) of the payments that went through or failed, those that failed; None without any."""
    failed, made = today.events.get("payment_failed", 0), today.events.get("payment_succeeded", 0)
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


def _happened(one: Mapping[str, Any]) -> ShownAlert:
    at = datetime.fromtimestamp(one["at"] / 1000, UTC)
    over = one["state"] == "resolved"
    return ShownAlert(at, "resolved" if over else str(one["severity"]), str(one["message"]), one["metric"])


def _firing(one: Mapping[str, Any]) -> ShownAlert:
    value, limit = (
        "unknown" if number is None else f"{number:g}" for number in (one["value"], one["threshold"])
    )
    metric = one["metric_name"]
    return ShownAlert(None, str(one["severity"]), f"{metric} is {value} (limit {limit})", metric)
