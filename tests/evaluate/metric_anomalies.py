"""Anomalies of a project's metrics: the seasonal detector as the tasks use it, against the hidden truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from statistics import median
from typing import Any, Final, Literal, NamedTuple

from loopin_sinks.metric_anomalies.live import between
from loopin_streams.alerts.seasonal import CRITICAL, WARNING, SeasonalModel
from loopin_streams.enrich.bots import bot_of
from tests.evaluate.part import Event, Figure, Section, Table, Truth
from tests.evaluate.planted import DAY_MS, HOUR_MS

WARM_UP_DAYS: Final = 15
"""Two weeks warm the detector up; what begins before the day after them is not judged."""

TOGETHER_MS: Final = 6 * HOUR_MS
"""Alarms of a series that follow each other within so long are one."""

GRAINS: Final[dict[Literal["hour", "day"], int]] = {"hour": HOUR_MS, "day": DAY_MS}

MINUTE_MS: Final = 60_000

SLOT_MS: Final = 5 * MINUTE_MS
"""So often the hour up to then is looked at."""


class Watched(NamedTuple):
    """A series of counts, and to which side the world's anomaly moves it."""

    name: str
    side: Literal[1, -1]
    anomaly: str


SERIES: Final = (
    Watched("payments failed", 1, "payment_failures"),
    Watched("tickets bought", -1, "revenue_drop"),
    Watched("server errors", 1, "error_rate"),
    Watched("visitors", 1, "traffic_surge"),
)


class Alarm(NamedTuple):
    """Hours or days in a row, or nearly so, that are odd; epoch ms, ``told`` is the first one's end."""

    of: Watched
    start: int
    told: int
    end: int


class MetricAnomalies:
    """Adds up each hour's numbers, and judges them at the end."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        self._visitors: dict[int, set[str]] = defaultdict(set)
        self._bots: set[str] = set()

    def see(self, event: Event) -> None:
        """Count an event."""
        slot, name, properties = event["timestamp"] // SLOT_MS, event["event"], event["properties"]
        if name == "payment_failed":
            self._counts["payment_failures"][slot] += 1
        elif name == "ticket_purchased":
            self._counts["revenue_drop"][slot] += 1
        elif name == "api_request" and properties["status"] >= 500:
            self._counts["error_rate"][slot] += 1
        elif name == "$pageview":
            self._visit(event["distinct_id"], slot, properties)

    def _visit(self, user: str, slot: int, properties: Mapping[str, Any]) -> None:
        if user in self._bots:
            return
        if bot_of(properties) is not None:
            self._bots.add(user)
            return
        self._visitors[slot].add(user)

    def _values(self, of: Watched, size: int, truth: Truth) -> Iterator[tuple[int, float]]:
        """Start (epoch ms) and value of each hour or day."""
        for start in range(truth.start_ms // size * size, truth.end_ms, size):
            yield start, self._value(of, start, start + size)

    def _value(self, of: Watched, start: int, end: int) -> float:
        slots = range(start // SLOT_MS, end // SLOT_MS)
        if of.anomaly == "traffic_surge":
            return float(len(set[str]().union(*(self._visitors[slot] for slot in slots))))
        return float(sum(self._counts[of.anomaly][slot] for slot in slots))

    def _live(self, of: Watched, truth: Truth) -> Iterator[int]:
        """Starts of the hours, one each five minutes, that are far from what is usual."""
        model = SeasonalModel("hour", "count")
        for first in range(truth.start_ms // HOUR_MS * HOUR_MS, truth.end_ms, HOUR_MS):
            one, other = model.expected(first, CRITICAL), model.expected(first + HOUR_MS, CRITICAL)
            if one is not None and other is not None:
                for start in range(first, first + HOUR_MS, SLOT_MS):
                    center, low, high = between(one, other, (start - first) / HOUR_MS)
                    value = self._value(of, start, start + HOUR_MS)
                    if (value > high) if of.side > 0 else (value < low):
                        yield start
            value = self._value(of, first, first + HOUR_MS)
            score = model.score(first, value)
            model.learn(first, value, score is not None and abs(score) >= WARNING)

    def section(self, truth: Truth) -> Section:
        """What the detector found of what was there, and three sigma next to it."""
        first = truth.start_ms + WARM_UP_DAYS * DAY_MS
        there = [one for one in truth.anomalies if one["start"] >= first and one["end"] <= truth.end_ms]
        seasonal: list[Alarm] = []
        simple: list[Alarm] = []
        for of in SERIES:
            seasonal += alarms(of, HOUR_MS, self._live(of, truth))
            for grain, size in GRAINS.items():
                values = list(self._values(of, size, truth))
                seasonal += alarms(of, size, by_season(of, grain, values))
                simple += alarms(of, size, by_sigma(of, values))
        found, other = (
            Met(there, [alarm for alarm in of if alarm.start >= first]) for of in (seasonal, simple)
        )
        delay = median(found.delays) / MINUTE_MS if found.delays else None
        return Section(
            title="Metric anomalies",
            simulated=True,
            intro=INTRO.format(days=WARM_UP_DAYS),
            figures=(
                Figure("anomalies there", float(len(there))),
                Figure("recall", found.recall, ">= 0.9", found.recall >= 0.9),
                Figure("precision", found.precision, ">= 0.8", found.precision >= 0.8),
                Figure("median delay, minutes", delay, "<= 10", delay is not None and delay <= 10),
                Figure(
                    "false alarms in 30 days, all series",
                    30 * len(found.false) * DAY_MS / (truth.end_ms - first),
                ),
                Figure("recall of three sigma", other.recall),
                Figure("precision of three sigma", other.precision),
            ),
            tables=(_by_series(there, found),),
        )


INTRO = """\
The world's own anomalies (docs/simulator.md) from day {days} on, in four series: payments that failed,
tickets bought, requests that the server answered with 5xx, visitors. The seasonal detector judges hours
and days that are over, and each five minutes the hour up to then, of which it has to be surer: as the tasks
do, without the store. What rules do beside it is not judged here. A world of 2,000 users has less than one
payment an hour, too few for anybody to see in an hour that half of them fail. Alarms of a series within six
hours are one. Three sigma: the same values against the mean and deviation of all before."""


def by_season(
    of: Watched, grain: Literal["hour", "day"], hours: Sequence[tuple[int, float]]
) -> Iterator[int]:
    """Starts of the hours or days beyond the detector's warning, to the series' side."""
    model = SeasonalModel(grain, "count")
    for start, value in hours:
        score = model.score(start, value)
        odd = score is not None and score * of.side >= WARNING
        model.learn(start, value, odd)
        if odd:
            yield start


def by_sigma(of: Watched, hours: Sequence[tuple[int, float]]) -> Iterator[int]:
    """The same by the mean and the deviation of all hours before."""
    number = mean = squares = 0.0
    for start, value in hours:
        if number >= 24 and of.side * (value - mean) > 3 * sqrt(squares / number):
            yield start
        number += 1
        away = value - mean
        mean += away / number
        squares += away * (value - mean)


def alarms(of: Watched, size: int, starts: Iterator[int]) -> Iterator[Alarm]:
    """Hours or days that follow each other closely, as one."""
    held: Alarm | None = None
    for start in starts:
        if held is not None and start - held.end <= TOGETHER_MS:
            held = held._replace(end=start + size)
            continue
        if held is not None:
            yield held
        held = Alarm(of, start, start + size, start + size)
    if held is not None:
        yield held


class Met:
    """Which anomalies were told, and which alarms were of none."""

    def __init__(self, there: Sequence[Mapping[str, Any]], alarms: Sequence[Alarm]) -> None:
        self.found: dict[int, Alarm] = {}
        self.false: list[Alarm] = []
        self._there = there
        for alarm in sorted(alarms, key=lambda one: one.told):
            about = [
                number
                for number, one in enumerate(there)
                if one["kind"] == alarm.of.anomaly and alarm.start < one["end"] and one["start"] < alarm.end
            ]
            if about:
                self.found.setdefault(about[0], alarm)
            else:
                self.false.append(alarm)

    @property
    def recall(self) -> float:
        """Share of the anomalies that were told."""
        return len(self.found) / max(1, len(self._there))

    @property
    def precision(self) -> float:
        """Anomalies told, of these and the alarms of none."""
        return len(self.found) / max(1, len(self.found) + len(self.false))

    @property
    def delays(self) -> list[int]:
        """From the beginning of each that was told, ms."""
        return [max(0, alarm.told - self._there[number]["start"]) for number, alarm in self.found.items()]


def _by_series(there: Sequence[Mapping[str, Any]], found: Met) -> Table:
    rows = []
    for of in SERIES:
        numbers = [number for number, one in enumerate(there) if one["kind"] == of.anomaly]
        told = [number for number in numbers if number in found.found]
        delays = [(found.found[number].told - there[number]["start"]) / MINUTE_MS for number in told]
        rows.append(
            (
                f"{of.name} ({of.anomaly})",
                str(len(numbers)),
                str(len(told)),
                f"{median(delays):,.0f}" if delays else "-",
                str(sum(alarm.of is of for alarm in found.false)),
            )
        )
    head = ("series", "anomalies", "found", "median delay, min", "false alarms")
    return Table(head, tuple(rows), "By series (world 1):")
