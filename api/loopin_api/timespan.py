"""From the time filters of a request to an interval of UTC times."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

DEFAULT_DAYS = 30
MAX_DAYS = 3650

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_RELATIVE = re.compile(r"-(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

DURATION = r"^[1-9][0-9]{0,4}[mhd]$"
"""A length of time in minutes, hours or days, as text."""


class InvalidTimespan(ValueError):
    """A time filter that cannot be used; ``field`` is the parameter, ``reason`` one sentence."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Timespan:
    """The half-open interval [start, end) in UTC, and the zone in which its days begin."""

    start: datetime
    end: datetime
    zone: tzinfo

    @property
    def zone_name(self) -> str:
        """Name of the zone in the tz database."""
        return self.zone.key if isinstance(self.zone, ZoneInfo) else "UTC"

    @property
    def last_midnight(self) -> datetime:
        """Start, in UTC, of the last day of the zone that the interval reaches into."""
        return _midnight(self.end - timedelta(milliseconds=1), self.zone)


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


def timezone(name: str) -> tzinfo:
    """The time zone of this name in the tz database.

    Raises:
        InvalidTimespan: there is none.
    """
    if name == "UTC":
        return UTC
    if name not in _zone_names():
        raise InvalidTimespan("tz", "Give tz as a name of the tz database, such as UTC or Asia/Kolkata.")
    return ZoneInfo(name)


def last_days(days: int, now: datetime, zone: tzinfo) -> Timespan:
    """Today so far and the ``days - 1`` days before it, whole, as days of the zone."""
    first = (now.astimezone(zone) - timedelta(days=days - 1)).date()
    return Timespan(datetime.combine(first, time.min, zone).astimezone(UTC), now, zone)


def between(start: str | None, end: str | None, now: datetime, zone: tzinfo) -> Timespan:
    """The interval of ``from`` and ``to``, each ISO 8601, relative such as ``-7d``, or ``now``.

    Times without an offset are local to the zone. A date alone is its midnight as ``from``, and includes
    the whole day as ``to``. The defaults are 30 days before the end, and now.

    Raises:
        InvalidTimespan: a value is no time, lies outside 1970 to 2199, or the interval is empty.
    """
    until = _moment("to", end, now, zone) if end is not None else now
    since = _moment("from", start, now, zone) if start is not None else until - timedelta(days=DEFAULT_DAYS)
    if since >= until:
        raise InvalidTimespan("from", "Give a from that lies before to.")
    return Timespan(since, until, zone)


def _moment(field: str, text: str, now: datetime, zone: tzinfo) -> datetime:
    try:
        moment = _parsed(field, text.strip(), now, zone)
    except (ValueError, OverflowError):
        raise InvalidTimespan(
            field, f"Give {field} as ISO 8601 (2026-01-02 or 2026-01-02T03:04:05Z) or relative (-7d, -24h)."
        ) from None
    if not _EARLIEST <= moment < _LATEST:
        raise InvalidTimespan(field, f"Give {field} as a time between the years 1970 and 2199.")
    return moment


def _parsed(field: str, text: str, now: datetime, zone: tzinfo) -> datetime:
    if text == "now":
        return now
    if relative := _RELATIVE.fullmatch(text):
        return now - timedelta(**{_UNITS[relative[2]]: int(relative[1])})
    moment = datetime.fromisoformat(text)
    if field == "to" and _DATE.fullmatch(text):
        moment += timedelta(days=1)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC)


def _midnight(moment: datetime, zone: tzinfo) -> datetime:
    return datetime.combine(moment.astimezone(zone).date(), time.min, zone).astimezone(UTC)
