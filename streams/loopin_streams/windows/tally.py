"""One batch into windows: events alike are grouped first, so that cells are touched seldom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from loopin_schemas.event import EnrichedEvent
from loopin_schemas.profile import MILLION
from loopin_streams.projects.project import Projects
from loopin_streams.windows.grains import BY_NAME, GRAINS, MINUTE_MS, Grain
from loopin_streams.windows.measures import LOCATED, OWN, Plan, country_of, money, plan_of
from loopin_streams.windows.open_windows import OpenCell, OpenWindows
from loopin_streams.windows.series import Series

CURRENCY: Final = "currency"
"""Dimension of money in every currency; whole, by event and by country only the project's own is added up."""

Money = tuple[str, int]
"""Currency and signed millionths."""


class Measured:
    """Sum, least and greatest of some values, in millionths."""

    __slots__ = ("count", "greatest", "least", "total")

    def __init__(self, value: int) -> None:
        self.count = 1
        self.total = self.least = self.greatest = value

    def add(self, value: int) -> None:
        """Take one more value in."""
        self.count += 1
        self.total += value
        self.least = min(self.least, value)
        self.greatest = max(self.greatest, value)


class Mark:
    """One window that counts a user once in some series: its cells by the series' bit.

    ``whole`` are users that all of them count, ``part`` those that some do by the bits that do.
    """

    __slots__ = ("bits", "cells", "code", "part", "whole")

    def __init__(self, code: int) -> None:
        self.code = code
        self.bits = 0
        self.cells: dict[int, OpenCell] = {}
        self.whole = 0
        self.part: dict[int, int] = {}

    def settle(self) -> None:
        """Add the users to the cells."""
        for bit, cell in self.cells.items():
            cell.count += self.whole + sum(users for bits, users in self.part.items() if bits & bit)


class Group:
    """Events of a batch that are alike: same project, event, country, minute and windows in time."""

    __slots__ = (
        *("at", "country", "currency", "event", "events", "grains", "home", "internal"),
        *("judged", "marks", "moved", "plan", "project", "values"),
    )

    def __init__(
        self, plan: Plan, project: str, event: str, country: str, at: int, grains: Sequence[Grain]
    ) -> None:
        self.plan = plan
        self.project = project
        self.event = event
        self.country = country
        self.at = at
        self.grains = grains
        self.events = 0
        self.currency = ""
        self.internal: frozenset[str] = frozenset()
        self.values: dict[str, Measured] = {}
        self.home: dict[str, Measured] = {}
        self.moved: dict[str, Measured] = {}
        self.judged: dict[str, tuple[int, int]] = {}
        self.marks: tuple[Mark, ...] = ()

    def series(self, metric: str) -> list[Series]:
        """The series of a metric that these events belong to."""
        found = [(metric, "", "")]
        if metric not in OWN:
            found.append((metric, "event", self.event))
        return [*found, (metric, "country", self.country)] if self.country else found


NOBODY: Final = Group(Plan(), "", "", "", 0, ())
"""Where bots are, and the project's own people: what they do is no event of a window, nor are they users."""


class Tally:
    """The groups of one batch, and then their addition to the open windows."""

    def __init__(self, windows: OpenWindows, projects: Projects) -> None:
        self._windows = windows
        self._projects = projects
        self._groups: dict[tuple[str, str, str, int, str | None], Group] = {}

    def add(self, event: EnrichedEvent, properties: Mapping[str, Any]) -> tuple[Group, Money | None]:
        """Group an event; its group, and the money that it moved."""
        bot = properties.get("$is_bot")
        if bot is not None and (bot is True or bot == "true"):
            return NOBODY, None
        country = country_of(properties) if "country" in properties or LOCATED in properties else ""
        minute = event.timestamp // MINUTE_MS
        alike = (event.event, event.project, country, minute, event.late)
        group = self._groups.get(alike)
        internal = self._projects.of(event.project).internal if group is None else group.internal
        if internal and event.distinct_id in internal:
            # Of what they bought their own profile tells all the same.
            return NOBODY, money(event, properties) if plan_of(event.event).money else None
        if group is None:
            group = self._groups[alike] = self._new(event, country, minute * MINUTE_MS)
        group.events += 1
        plan = group.plan
        for metric, value_of in plan.valued:
            value = value_of(event, properties)
            if value is not None:
                _measure(group.values, metric, value)
        for metric, judge in plan.judged:
            parts = judge(properties)
            whole, part = group.judged.get(metric, (0, 0))
            group.judged[metric] = whole + parts.whole, part + parts.part
        moved = money(event, properties) if plan.money else None
        if moved is not None:
            self._move(group, moved)
        return group, moved

    def settle(self) -> None:
        """Add every group's numbers to the windows that are open for it, once all its users are counted."""
        for group in self._groups.values():
            if not group.grains:
                continue
            for metric in group.plan.counted:
                for cell in self._cells(group, group.series(metric)):
                    cell.add(group.events)
            for metric, measured in (*group.values.items(), *group.home.items()):
                self._add(group, group.series(metric), measured)
            for metric, parts in group.plan.ratios:
                self._add_parts(group, metric, parts.whole * group.events, parts.part * group.events)
            for metric, (whole, part) in group.judged.items():
                self._add_parts(group, metric, whole, part)
            for metric in group.plan.money:
                for code, measured in group.moved.items():
                    self._add(group, [(metric, CURRENCY, code)], measured)
            for mark in group.marks:
                mark.settle()

    def _new(self, event: EnrichedEvent, country: str, at: int) -> Group:
        grains = GRAINS if event.late is None else GRAINS[BY_NAME[event.late].number + 1 :]
        group = Group(plan_of(event.event), event.project, event.event, country, at, grains)
        of = self._projects.of(event.project)
        group.internal, group.currency = of.internal, of.currency
        marks = [Mark(grain.code(grain.start(at))) for grain in grains]
        # One number for each series of a metric: with a second metric of distinct users, numbers would clash.
        for metric in group.plan.distinct:
            for targets in self._windows.targets(group.project, at, grains, group.series(metric)):
                for mark, target in zip(marks, targets, strict=True):
                    mark.cells[1 << target.number] = target.cell
                    mark.bits |= 1 << target.number
        group.marks = tuple(mark for mark in marks if mark.bits)
        return group

    def _move(self, group: Group, moved: Money) -> None:
        code, millionths = moved
        _measure(group.moved, code or group.currency, millionths)
        if code in ("", group.currency):
            for metric in group.plan.money:
                _measure(group.home, metric, millionths)

    def _add(self, group: Group, wanted: Iterable[Series], measured: Measured) -> None:
        for cell in self._cells(group, wanted):
            cell.add(measured.count, measured.total, measured.least, measured.greatest)

    def _add_parts(self, group: Group, metric: str, whole: int, part: int) -> None:
        if whole or part:
            for cell in self._cells(group, group.series(metric)):
                cell.add_part(whole, part * MILLION)

    def _cells(self, group: Group, wanted: Iterable[Series]) -> list[OpenCell]:
        found = self._windows.targets(group.project, group.at, group.grains, wanted)
        return [target.cell for targets in found for target in targets]


def count_user(counted: dict[int, int], group: Group) -> None:
    """Count a user in the windows of a group's events, if they have not; ``counted`` is the user's own."""
    for mark in group.marks:
        bits = mark.bits
        done = counted.get(mark.code, 0)
        fresh = bits & ~done
        if fresh == bits:
            counted[mark.code] = done | bits
            mark.whole += 1
        elif fresh:
            counted[mark.code] = done | bits
            mark.part[fresh] = mark.part.get(fresh, 0) + 1


def _measure(values: dict[str, Measured], at: str, value: int) -> None:
    held = values.get(at)
    if held is None:
        values[at] = Measured(value)
    else:
        held.add(value)
