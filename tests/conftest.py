"""What every test may ask for: one real broker per run, and topic names nobody else uses."""

from __future__ import annotations

import gc
import os
import uuid
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # it has no types

from loopin_deploy.kafka import LocalKafka
from loopin_sinks.store import embedded
from loopin_sinks.store.limits import spill_limits
from tests.migrated import make_template

# Asked for before any test imports them: they hold assertions that several folders share.
pytest.register_assert_rewrite(
    "tests.deploy.command_line", "tests.streams.exactly_once", "tests.streams.installation"
)

# How fast a machine is says nothing of the code: speed belongs to the benches.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

END_TO_END = Path(__file__).with_name("e2e")
"""All that is in it are scenarios."""

START_S = 300.0
"""Longest wait for a broker's start: several start at once on a busy machine."""

# Parallel runs set it for their own reports; it would fix the width of our terminal output at import.
os.environ.pop("COLUMNS", None)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A broker on a free port, shared by the whole run; ``kafka.bootstrap`` is its address."""
    broker = LocalKafka(tmp_path_factory.mktemp("kafka"), port=0)
    broker.start(START_S)
    yield broker
    broker.stop()


@pytest.fixture(scope="session", autouse=True)
def uncompiled() -> Iterator[None]:
    """Engines in this process compile nothing: they end before it pays."""
    names = ("compile_expressions", "compile_aggregate_expressions", "compile_sort_description")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "spill_limits", lambda known: spill_limits(known) | dict.fromkeys(names, 0))
        yield


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose embedded store has its tables, to be copied with ``tests.migrated.fill``."""
    return make_template(tmp_path_factory.mktemp("migrated"))


@pytest.fixture
def topic_prefix() -> str:
    """Put before topic names, group ids and transactional ids, it keeps tests apart on the shared broker."""
    return f"t{uuid.uuid4().hex[:12]}."


@pytest.fixture
def collected() -> Iterator[None]:
    """Lets go at once of what aiokafka leaves behind, so that it meets no later test.

    It leaves the errors of fenced producers' futures unread, which asyncio logs when they are collected; in
    the middle of a later import that crashes Python 3.11's parser (CPython issue 106905). Stopped while it
    opens a connection, it forgets to close that one, of which a warning comes then.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


class OneByOne(LoadFileScheduling):  # type: ignore[misc]  # as said
    """Files to whoever is free, as ``--dist loadfile``, but all with scenarios side by side to one process.

    Each of those starts dozens of processes: two such files at once would only wait for each other.
    """

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "scenarios" if _runs_scenarios(file) else file


@cache
def _runs_scenarios(file: str) -> bool:
    """Told by its text, because the process that hands tests out imports none; it runs where they begin."""
    return "side_by_side" in Path(file).read_text()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneByOne:
    """Replaces the scheduler of ``--dist loadfile``."""
    return OneByOne(config, log)


@pytest.hookimpl(tryfirst=True)  # before ``-m`` chooses by the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the broker, directly or through another fixture, and scenarios; long files come first.

    A parallel run whose last file takes minutes leaves the other processors idle for as long.
    """
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "kafka" in fixtures:
            item.add_marker("kafka")
        if "side_by_side" in fixtures or item.path.is_relative_to(END_TO_END):
            item.add_marker("scenario")
    urgent: dict[Path, int] = {}
    for item in items:
        urgent[item.path] = min(_urgency(item), urgent.get(item.path, 3))
    items.sort(key=lambda item: urgent[item.path])


def pytest_collection_finish() -> None:
    """What is imported and collected stays: to look through it takes half a second at each ``gc.collect``."""
    gc.freeze()


def _urgency(item: pytest.Item) -> int:
    """0 for scenarios side by side, 1 for other scenarios, 2 for a broker, 3 for the rest."""
    if "side_by_side" in getattr(item, "fixturenames", ()):
        return 0
    if item.get_closest_marker("scenario"):
        return 1
    return 2 if item.get_closest_marker("kafka") else 3
