"""The rules of alerts: the built-in ones, those that projects have put in their place, and their own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from loopin_api.config_items import ConfigItems
from loopin_api.custom_metrics import Metrics
from loopin_api.envelope import Detail
from loopin_api.errors import ApiError, invalid
from loopin_schemas.alert_rule import MAX_RULES, AlertRule
from loopin_schemas.alert_rules import BUILT_IN
from loopin_schemas.metrics import Metric
from loopin_sinks.alerts.subject import fault_of
from loopin_streams.alerts.rules import BUILT_IN_VERSION
from loopin_streams.kafka.config_state import Item

BUILT_IN_RULES: Final[Mapping[str, AlertRule]] = {each.rule.name: each.rule for each in BUILT_IN}


@dataclass(frozen=True, slots=True)
class Held:
    """A rule as it is in force, or would be if it were enabled; ``item`` is None for a built-in one."""

    rule: AlertRule
    item: Item[AlertRule] | None = None

    @property
    def version(self) -> str:
        """What whoever changes it may name, so as not to change another one."""
        return BUILT_IN_VERSION if self.item is None else self.item.version


class AlertRules:
    """Finds and changes the rules of projects; one at a time is tried over history, in its ``turn``."""

    def __init__(self, items: ConfigItems, metrics: Metrics) -> None:
        self._items = items
        self._metrics = metrics
        self.turn = asyncio.Lock()

    def all(self, project: str) -> list[Held]:
        """A project's rules by name, those that are switched off, too."""
        built_in = {name: Held(rule) for name, rule in BUILT_IN_RULES.items()}
        found = built_in | self._own(project)
        return [found[name] for name in sorted(found)]

    def find(self, project: str, name: str) -> Held:
        """The rule of this name.

        Raises:
            ApiError: 404, there is none.
        """
        found = next((held for held in self.all(project) if held.rule.name == name), None)
        if found is None:
            raise ApiError(
                404,
                "UNKNOWN_RULE",
                "There is no rule of this name; GET /api/analytics/alert-rules lists them.",
            )
        return found

    async def add(self, rule: AlertRule, by: str) -> Held:
        """Keep a new rule of a project's own.

        Raises:
            ApiError: 409, its name is taken, or there are too many; 422, it judges nothing that there is;
                503, the broker does not answer.
        """
        if rule.name in BUILT_IN_RULES:
            raise ApiError(
                409,
                "NAME_TAKEN",
                "A built-in rule has this name; PATCH it to have your own in its place.",
            )
        self.check(rule, rule.project)
        self._check_room(rule.project)
        return await self._put(rule, None, by)

    async def change(self, rule: AlertRule, seen: str | None, by: str) -> Held:
        """Keep a rule in place of the one of its name; in that of a built-in one, as the project's own.

        ``seen`` is the version that it is to replace, None for whichever there is.

        Raises:
            ApiError: as ``add``; 404, there is none of its name; 409, it has been changed meanwhile.
        """
        held = self.find(rule.project, rule.name)
        check_version(held, seen)
        self.check(rule, rule.project)
        if held.item is None:
            self._check_room(rule.project)
        return await self._put(rule, held.item.version if held.item is not None else None, by)

    async def remove(self, project: str, name: str, seen: str | None) -> Held:
        """Forget a project's own rule; a built-in one of its name is in force again. What it was.

        Raises:
            ApiError: 404, there is none; 409, it is built in, or has been changed meanwhile; 503.
        """
        held = self.find(project, name)
        check_version(held, seen)
        if held.item is None:
            raise ApiError(
                409,
                "BUILT_IN_RULE",
                "A built-in rule stays; PATCH it with enabled false to switch it off.",
            )
        await self._items.remove(held.item)
        return held

    def metric_of(self, rule: AlertRule, project: str) -> Metric | None:
        """The metric that a rule judges; None for a series that is no metric."""
        return next((each for each in self._metrics.all(project) if each.name == rule.metric), None)

    def judging(self, project: str, metric: str) -> list[str]:
        """The names of a project's rules that judge a metric, those that are switched off, too."""
        return [held.rule.name for held in self.all(project) if held.rule.metric == metric]

    def check(self, rule: AlertRule, project: str) -> None:
        """See that there is something to judge.

        Raises:
            ApiError: 422 that says what is wrong.
        """
        if (fault := fault_of(rule, self.metric_of(rule, project))) is not None:
            raise invalid([Detail(field=fault.field, reason=fault.reason)])

    def _own(self, project: str) -> dict[str, Held]:
        items = self._items.of(AlertRule).values()
        return {item.body.name: Held(item.body, item) for item in items if item.body.project == project}

    def _check_room(self, project: str) -> None:
        if len(self._own(project)) >= MAX_RULES:
            raise ApiError(
                409, "TOO_MANY_RULES", f"A project may have {MAX_RULES} rules of its own; delete one."
            )

    async def _put(self, rule: AlertRule, replaces: str | None, by: str) -> Held:
        taken = ApiError(409, "NAME_TAKEN", "A rule of this name exists; choose another name, or PUT it.")
        item = await self._items.put(
            rule.id, rule, replaces=replaces, by=by, taken=taken if replaces is None else None
        )
        return Held(rule, item)


def check_version(held: Held, seen: str | None) -> None:
    """409 where somebody names another version than there is."""
    if seen is not None and seen != held.version:
        raise ApiError(
            409,
            "CHANGED_MEANWHILE",
            "It has been changed meanwhile: see how it is now, and decide again.",
        )
