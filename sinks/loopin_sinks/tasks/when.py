"""When a task is due: by a crontab of a time zone, or every so many seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from croniter import croniter

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Names have three letters; single ones are the library's own (`r` is another time in each process).
_FIELD: Final = r"(?:[0-9*,/\-]|[A-Za-z]{3})+"
_FIELDS: Final = re.compile(rf"{_FIELD}(?: {_FIELD}){{4}}")


@dataclass(frozen=True, slots=True)
class Every:
    """Whenever so many seconds have passed since 1970, a multiple of times: 3600 is on the hour in UTC."""

    seconds: int

    def __str__(self) -> str:
        for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
            if self.seconds % seconds == 0:
                return f"every {self.seconds // seconds} {unit}"
        return f"every {self.seconds} s"


@dataclass(frozen=True, slots=True)
class Crontab:
    """Minute, hour, day of the month, month, day of the week, on the clocks of a time zone.

    A time that the clocks skip in spring is made up for when they have been put forward; one that they show
    twice in autumn counts the first time only.
    """

    text: str

    def __str__(self) -> str:
        return self.text


When = Every | Crontab


def crontab(text: str) -> Crontab:
    """The schedule that a text of five fields tells.

    Raises:
        ValueError: it is none, or never due; the text is one sentence.
    """
    fields = " ".join(text.split())
    try:
        if _FIELDS.fullmatch(fields) is None:
            raise ValueError
        croniter(fields, datetime(2000, 1, 1)).get_next(datetime)
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            "Give five fields as cron has them, such as `*/30 * * * *` or `0 3 * * mon-fri`, that are due at "
            "some time."
        ) from None
    return Crontab(fields)


def latest(when: When, now: datetime, zone: tzinfo) -> datetime:
    """The last time that it was due, at ``now`` or before, in UTC."""
    if isinstance(when, Every):
        return _floor(when, now)
    local = now.astimezone(zone)
    # While an hour is shown for the second time, all that is due in it was due the first time.
    ahead = timedelta(days=1) if local.fold else timedelta(microseconds=1)
    times = croniter(when.text, local.replace(tzinfo=None, fold=0) + ahead)
    while True:
        due = _moment(times.get_prev(datetime), zone)
        if due <= now:
            return due


def following(when: When, after: datetime, zone: tzinfo) -> datetime:
    """The first time after ``after`` that it is due, in UTC."""
    if isinstance(when, Every):
        return _floor(when, after) + timedelta(seconds=when.seconds)
    times = croniter(when.text, after.astimezone(zone).replace(tzinfo=None, fold=0))
    while True:
        due = _moment(times.get_next(datetime), zone)
        if due > after:
            return due


def _floor(when: Every, moment: datetime) -> datetime:
    length = timedelta(seconds=when.seconds)
    return EPOCH + (moment - EPOCH) // length * length


def _moment(wall: datetime, zone: tzinfo) -> datetime:
    """When clocks first show the time or, where they skip it, when they have been put forward."""
    earlier = wall.replace(tzinfo=zone).astimezone(UTC)
    if earlier.astimezone(zone).replace(tzinfo=None) == wall:
        return earlier
    before, after = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), earlier
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
