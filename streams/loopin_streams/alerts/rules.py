"""The rules in force: the built-in ones, and those that projects have put in their place or beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from importlib.metadata import version
from typing import Final

from loopin_schemas.alert_rule import Acknowledgement, AlertRule, Silence
from loopin_schemas.alert_rules import BUILT_IN
from loopin_streams.alerts.lifecycle import Handling, Rule
from loopin_streams.kafka.config_state import Configuration

BUILT_IN_VERSION: Final = f"built-in {version('loopin-analytics')}"

_BUILT_IN: Final = {each.rule.name: Rule(each.rule, BUILT_IN_VERSION) for each in BUILT_IN}
_SWITCHED_ON: Final = tuple(each for each in _BUILT_IN.values() if each.rule.enabled)


class Rules:
    """What is configured of alerts, as it is now; ``zone`` says where a project's days begin."""

    def __init__(
        self,
        configuration: Callable[[], Configuration] = Configuration,
        zone: Callable[[str], tzinfo] = lambda _: UTC,
    ) -> None:
        self.zone = zone
        self._configuration = configuration
        self._seen: tuple[int, int] | None = None
        self._of: dict[str, tuple[Rule, ...]] = {}
        self._silences: list[Silence] = []

    @property
    def state(self) -> tuple[int, int]:
        """Another one whenever something may have changed."""
        held = self._configuration()
        return id(held), held.changes

    def of(self, project: str) -> tuple[Rule, ...]:
        """A project's rules, those that are switched on."""
        self._refresh()
        # Of any other project nothing is kept: whoever invents projects would fill the memory.
        return self._of.get(project, _SWITCHED_ON)

    def find(self, project: str, name: str) -> Rule | None:
        """A project's rule of this name, if it is switched on."""
        return next((each for each in self.of(project) if each.rule.name == name), None)

    def handling(
        self, id: str, project: str, rule: str, severity: str, dimensions: Mapping[str, str], at_ms: int
    ) -> Handling:
        """What people have said of an alert."""
        self._refresh()
        item = self._configuration().of(Acknowledgement).get(id)
        covers = (
            each.project == project and each.covers(rule, severity, dict(dimensions), at_ms)
            for each in self._silences
        )
        if item is None or item.body.project != project:
            return Handling(silenced=any(covers))
        return Handling(item.by, any(covers), item.body.sequence)

    def _refresh(self) -> None:
        state = self.state
        if state == self._seen:
            return
        self._seen = state
        held = self._configuration()
        # Lists, made at once: what is configured may change meanwhile, in another thread.
        self._silences = [item.body for item in list(held.of(Silence).values())]
        own: dict[str, dict[str, Rule]] = {}
        for item in list(held.of(AlertRule).values()):
            own.setdefault(item.body.project, {})[item.body.name] = Rule(item.body, item.version)
        self._of = {
            project: tuple(each for each in (_BUILT_IN | of).values() if each.rule.enabled)
            for project, of in own.items()
        }
