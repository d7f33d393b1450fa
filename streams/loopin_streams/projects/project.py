"""What holds of each project now: its own settings, as ``config`` has them, else those of the process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, timedelta, tzinfo
from functools import lru_cache
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from loopin_schemas.project import FormerDays, ProjectSettings
from loopin_streams.kafka.config_state import Configuration

Rates = Mapping[str, Sequence[tuple[date, float]]]
"""By currency, what one unit of it is worth in the project's, from which day on; days ascending."""

DAY_MS: Final = timedelta(days=1) // timedelta(milliseconds=1)


class Retention(NamedTuple):
    """Days that events and minutes, hours, and days and what is longer are kept (document B)."""

    raw: int = 90
    hourly: int = 365
    daily: int = 1095

    def of(self, grain: Literal["minute", "hour", "day", "week", "month"]) -> int:
        """Days that windows and values of a grain are kept."""
        return {"minute": self.raw, "hour": self.hourly}.get(grain, self.daily)


@dataclass(frozen=True, slots=True)
class Project:
    """How a project's days, money and people are counted, and how long what is kept.

    Attributes:
        zone: where its days begin.
        currency: ISO 4217 code of its money, and of amounts that name none.
        rates: what other currencies are worth in it.
        internal: distinct_ids of its own people, one of each person's; live windows leave these out,
            questions and repairs all distinct_ids of those persons.
        retention: days that what is stored now is kept.
        former_raw: shorter times for which events were kept that were stored before.
        targets: what metrics are to reach, by name, where that is another value than the catalogue's.
        forecasts: metrics that are forecast each night beside those of every project.
        holidays: country whose public holidays matter to that, ISO 3166; None for none.
    """

    zone: tzinfo = UTC
    currency: str = "INR"
    rates: Rates = field(default_factory=dict)
    internal: frozenset[str] = frozenset()
    retention: Retention = Retention()
    former_raw: tuple[FormerDays, ...] = ()
    targets: Mapping[str, float] = field(default_factory=dict)
    forecasts: tuple[str, ...] = ()
    holidays: str | None = None

    def whole_days(self, now_ms: int) -> int:
        """For how many days, today's among them, no event has been removed.

        What was stored while events were kept for a shorter time still goes after that.
        """
        former = (max((now_ms - each.until) // DAY_MS, each.days) for each in self.former_raw)
        return min(self.retention.raw, *former) if self.former_raw else self.retention.raw


class _Held(NamedTuple):
    """What a configuration comes to after so many changes."""

    configuration: Configuration
    changes: int
    own: Mapping[str, Project]


class Projects:
    """Every project as it is at the moment; safe to ask from any thread.

    ``defaults`` says what holds of a project that has nothing of its own, ``configuration`` what is
    configured now; without one, nothing ever is.
    """

    def __init__(
        self,
        defaults: Callable[[str], Project] = lambda _: Project(),
        configuration: Callable[[], Configuration] | None = None,
    ) -> None:
        if configuration is None:
            nothing = Configuration()

            def configuration() -> Configuration:
                return nothing

        # Of few at a time: whoever invents projects must not fill the memory.
        self._default = lru_cache(1024)(defaults)
        self._configuration = configuration
        self._held: _Held | None = None

    def of(self, project: str) -> Project:
        """What holds of a project."""
        return self._refreshed().own.get(project) or self._default(project)

    def zone(self, project: str) -> tzinfo:
        """Where a project's days begin."""
        return self.of(project).zone

    def retention(self, project: str) -> Retention:
        """How long what is stored of it is kept."""
        return self.of(project).retention

    def default(self, project: str) -> Project:
        """What would hold of it if it had nothing of its own."""
        return self._default(project)

    def _refreshed(self) -> _Held:
        configuration, held = self._configuration(), self._held
        changes = configuration.changes
        if held is None or held.configuration is not configuration or held.changes != changes:
            # A list, made at once: what is configured may change meanwhile, in another thread.
            items = list(configuration.of(ProjectSettings).values())
            own = {item.body.project: resolved(item.body, self._default(item.body.project)) for item in items}
            held = self._held = _Held(configuration, changes, own)
        return held


def resolved(own: ProjectSettings, default: Project) -> Project:
    """A project's own settings, and the defaults of what it has not.

    Rates are worth something in one currency only: where that is its own, so are they.
    """
    retention = default.retention
    currency = default.currency if own.currency is None else own.currency
    rates = default.rates if currency == default.currency else {}
    return replace(
        default,
        zone=default.zone if own.timezone is None else zone_of(own.timezone),
        currency=currency,
        rates=rates if own.rates is None else rates_of(own.rates),
        internal=default.internal if own.internal_users is None else frozenset(own.internal_users),
        retention=Retention(
            retention.raw if own.raw_retention_days is None else own.raw_retention_days,
            retention.hourly if own.hourly_retention_days is None else own.hourly_retention_days,
            retention.daily if own.daily_retention_days is None else own.daily_retention_days,
        ),
        former_raw=own.former_raw,
        targets=own.targets or {},
        forecasts=own.forecasts or (),
        holidays=own.holidays,
    )


def zone_of(name: str) -> tzinfo:
    """The time zone of a name that is one."""
    return UTC if name == "UTC" else ZoneInfo(name)


def zone_name(zone: tzinfo) -> str:
    """Its name in the tz database."""
    return zone.key if isinstance(zone, ZoneInfo) else "UTC"


def rates_of(table: Mapping[str, Mapping[date, float]]) -> Rates:
    """A table of rates, in order of the days."""
    return {code: tuple(sorted(rates.items())) for code, rates in table.items()}
