"""Rules, each with where its numbers are, as they are looked up while windows change."""

from __future__ import annotations

from typing import Final, NamedTuple

from loopin_schemas.alert_rule import AlertRule, Threshold
from loopin_streams.alerts.lifecycle import Rule, Watched
from loopin_streams.alerts.rules import Rules
from loopin_streams.alerts.seasonal import Kind
from loopin_streams.alerts.source import Source, source_of
from loopin_streams.windows.grains import BY_NAME, Grain

MOST: Final = 1000
"""Sets of rules that are remembered with what they judge."""


def spans_of(rule: AlertRule) -> list[tuple[Grain, int]]:
    """Windows that are judged together, from short to long."""
    longer = [(BY_NAME[span.grain], span.windows) for span in rule.longer]
    return [*((BY_NAME[rule.grain], number) for number in rule.spans), *longer]


def is_upper(condition: object) -> bool:
    """Whether it is a limit that what happens next may pass."""
    return isinstance(condition, Threshold) and condition.direction == "above"


class Plan(NamedTuple):
    """A rule, and where its numbers are."""

    rule: Rule
    source: Source
    grain: Grain

    @property
    def spans(self) -> list[tuple[Grain, int]]:
        """Windows that are judged together, from short to long."""
        return spans_of(self.rule.rule)

    def forgets(self, watched: Watched, event_ms: int) -> bool:
        """Whether nothing that is judged now was an earlier alert's matter any more."""
        longest = max(grain.size_ms * (number + 1) for grain, number in self.spans)
        return not watched.silent(self.rule.rule, event_ms) and event_ms - (watched.ended_ms or 0) > longest

    @property
    def kind(self) -> Kind:
        """What its values are, for the model of their season."""
        return "value" if self.source.statistic == "mean" else "count"


class PlansOf:
    """The plans of a set of rules: all, by rule, and upper thresholds by grain, metric and dimension."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        # Kept with the rules, whose id would otherwise become that of others.
        self.rules = rules
        found = ((rule, source_of(rule.rule)) for rule in rules)
        self.all = tuple(
            Plan(rule, source, BY_NAME[rule.rule.grain]) for rule, source in found if source is not None
        )
        self.by_rule = {plan.rule.rule.name: plan for plan in self.all}
        self.upper: dict[tuple[str, str, str], list[Plan]] = {}
        for plan in self.all:
            if is_upper(plan.rule.rule.condition):
                key = (plan.grain.name, plan.source.metric, plan.source.dimension)
                self.upper.setdefault(key, []).append(plan)


class Plans:
    """The plans of each project's rules that the windows can tell of."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._known: dict[int, PlansOf] = {}

    def of(self, project: str) -> PlansOf:
        """A project's."""
        rules = self._rules.of(project)
        known = self._known.get(id(rules))
        if known is None:
            if len(self._known) > MOST:
                self._known.clear()
            known = self._known[id(rules)] = PlansOf(rules)
        return known

    def find(self, project: str, rule: str) -> Plan | None:
        """The plan of one rule."""
        return self.of(project).by_rule.get(rule)
