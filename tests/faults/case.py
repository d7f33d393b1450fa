"""One case of the matrix, and how it is run and judged."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from loopin_deploy.errors import DeployError
from tests.faults.compare import (
    Differences,
    all_of,
    compare_events,
    compare_persons,
    compare_profiles,
    compare_windows,
)
from tests.faults.findings import Findings, read_findings
from tests.faults.load import Shape, make_records
from tests.faults.oracle import active_users, expected
from tests.faults.persons import expected_persons
from tests.faults.processes import NotInTime, Refused
from tests.faults.publisher import Publisher
from tests.faults.raw_log import compare_raw
from tests.faults.scene import Scene
from tests.faults.system import PARTITIONS, Layout, running_system

CASE_S = 540.0
"""Longest time of a case but for its start and its comparison; what is not there by then counts as lost."""


class Row(NamedTuple):
    """A case's result.

    ``recovery_s`` is the time from the end of a fault until all that had been published by then was stored,
    of the worst fault; None where the case broke off before it was known, or has failed otherwise.
    """

    case: str
    published: int = 0
    lost: int | None = None
    double: int | None = None
    wrong_windows: int | None = None
    wrong_profiles: int | None = None
    wrong_persons: int | None = None
    recovery_s: float | None = None

    @property
    def good(self) -> bool:
        """Whether nothing differs, and the case came to its end."""
        return self[2:7] == (0, 0, 0, 0, 0) and self.recovery_s is not None


@dataclass(frozen=True)
class Case:
    """A case of the matrix.

    Args:
        name: as ``CASES`` takes it.
        help: what is done, in one sentence.
        damage: does it, while events flow; it may call ``recovered`` at the end of each fault.
        shape: changes the ordinary shape of what is published.
        layout: which processes run.
        may_end: exit codes with which a worker or sink may end by itself, to be started again.
    """

    name: str
    help: str
    damage: Callable[[Scene], None]
    shape: Callable[[Shape], Shape] = lambda shape: shape
    layout: Layout = field(default_factory=Layout)
    may_end: frozenset[int] = frozenset()


def run_case(case: Case, events: int, seed: int, folder: Path) -> tuple[Row, list[str]]:
    """Run a case in ``folder``; its row, and what differs in words."""
    shape = case.shape(Shape(events=events, seed=seed, until_ms=int(time.time() * 1000)))
    records = make_records(shape)
    with ExitStack() as running:
        try:
            system = running.enter_context(running_system(folder, case.layout))
        except (NotInTime, Refused, DeployError) as error:
            return Row(case.name), [f"It did not start: {error}"]
        deadline = time.monotonic() + CASE_S
        publisher = Publisher(system.bootstrap, system.topic("events.raw"), records)
        scene = Scene(system, publisher, case.name, seed, deadline)
        _play(case, scene)
        system.stop_roles()
        for ended in system.unplanned(case.may_end):
            scene.fail(ended)
        findings = read_findings(system)
    found = _compare(publisher, findings, scene)
    return Row(
        case.name,
        publisher.acknowledged,
        found.lost,
        found.double,
        found.wrong_windows,
        found.wrong_profiles,
        found.wrong_persons,
        None if scene.failed else scene.recovery_s,
    ), [*scene.notes, *found.notes]


def _play(case: Case, scene: Scene) -> None:
    """Do the damage and wait for quiet; notes why it did not become quiet, if so."""
    try:
        case.damage(scene)
        scene.publish_all()
        if scene.recovery_s is None:
            scene.recovered()
        scene.wait_quiet()
        scene.wait(scene.system.at_work, "every process is at work again", scene.left_s)
    except (NotInTime, Refused) as error:
        scene.recovery_s = None
        scene.say(str(error))
        for process in scene.system.processes:
            scene.notes += process.complaints()
    finally:
        scene.close()
        scene.publisher.close()


def _compare(publisher: Publisher, findings: Findings, scene: Scene) -> Differences:
    wanted = scene.expected or expected(findings.raw, publisher.poison, partitions=PARTITIONS)
    persons = expected_persons(wanted.good, findings.links)
    return all_of(
        compare_raw(
            publisher.records, publisher.placed, findings.raw, added=scene.added, partitions=PARTITIONS
        ),
        compare_events(wanted, findings.stored, findings.enriched, findings.dead),
        compare_profiles(wanted.profiles, findings.profiles),
        compare_windows(wanted.windows, findings.windows, active_users(wanted.good, persons.names)),
        compare_persons(persons, findings.persons),
    )
