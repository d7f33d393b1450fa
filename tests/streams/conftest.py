"""Installations on the session's broker."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, Protocol

import pytest

from loopin_streams.kafka.topic_admin import TopicAdmin
from loopin_streams.settings import StreamSettings
from tests.streams.alerts.contract import keeping_the_contract
from tests.streams.installation import Installation, Nursery


class Broker(Protocol):
    @property
    def bootstrap(self) -> str: ...

    def logs(self, lines: int = 100) -> list[str]:
        """The end of what it logged."""


Install = Callable[[], Installation]

NO_PARAMETERS = SimpleNamespace(params={})


@pytest.fixture(scope="session", autouse=True)
def alerts_keep_their_contract() -> Iterator[None]:
    """Whatever the merge says in this process, in any test, is by the schema that notifiers rely on."""
    with keeping_the_contract():
        yield


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(scope="module")
def session_timeout_s() -> float:
    """Short, so that a dead worker's work moves on soon, and a rebuild may begin; longer than a busy machine
    stalls."""
    return 3


@pytest.fixture(scope="module")
def install(
    kafka: Broker, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory, session_timeout_s: float
) -> Iterator[Install]:
    """``install()`` makes the topics of a new installation; its workers end with the module.

    Each has two partitions.
    """
    made: list[Installation] = []

    def make() -> Installation:
        settings = StreamSettings.model_validate(
            {
                "kafka_bootstrap": kafka.bootstrap,
                "topic_prefix": f"t{uuid.uuid4().hex[:12]}.",
                "partitions": 2,
                "session_timeout_s": session_timeout_s,
                "health_port": 0,
            }
        )
        TopicAdmin(settings).apply()
        made.append(Installation(settings, nursery, tmp_path_factory.mktemp("workers")))
        return made[-1]

    yield make
    for installation in made:
        installation.close()


Scenario = Callable[[Installation], None]
Run = Callable[[Scenario], None]


@pytest.fixture(scope="module")
def side_by_side(request: pytest.FixtureRequest, install: Install, kafka: Broker) -> Iterator[Run]:
    """Runs the module's tests that are parametrised by ``scenario`` at the same time.

    Each has an installation of its own and consists mostly of waiting for workers to start and for the
    group's session timeout. Calling the fixture with a scenario returns when that one is done, or raises what
    it raised.
    """
    wanted: list[Any] = [
        item.callspec.params["scenario"]
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.module is request.module
        and "scenario" in getattr(item, "callspec", NO_PARAMETERS).params
    ]
    with ThreadPoolExecutor(4) as threads:
        # Installed from this thread: settings look through the environment, in which the test runner changes
        # a variable at each test.
        running = {scenario: threads.submit(_on_its_own, scenario, install(), kafka) for scenario in wanted}
        yield lambda scenario: running[scenario].result()


def _on_its_own(scenario: Scenario, installation: Installation, kafka: Broker) -> None:
    try:
        scenario(installation)
    except BaseException as error:
        error.add_note(installation.said())
        complaints = [line for line in kafka.logs(100_000) if " WARN " in line or " ERROR " in line]
        error.add_note("\n".join(["The broker's last complaints:", *complaints[-20:]]))
        raise
    finally:
        installation.close()


@pytest.fixture
def installation(install: Install) -> Iterator[Installation]:
    """An installation whose workers end with the test."""
    found = install()
    yield found
    found.close()
