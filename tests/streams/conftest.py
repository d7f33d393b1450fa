"""Installations on the session's broker."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest
from loopin_streams.kafka.topic_admin import TopicAdmin
from loopin_streams.settings import StreamSettings

pytest.register_assert_rewrite("tests.streams.exactly_once", "tests.streams.installation")

from tests.streams.installation import Installation, Nursery  # noqa: E402 (rewriting must be asked for first)


class Broker(Protocol):
    @property
    def bootstrap(self) -> str: ...


Install = Callable[[], Installation]


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(scope="module")
def install(kafka: Broker, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Install]:
    """``install()`` makes the topics of a new installation; its workers end with the module.

    Two partitions, and a session timeout of one second, so that a dead worker's work moves on soon.
    """
    made: list[Installation] = []

    def make() -> Installation:
        settings = StreamSettings.model_validate(
            {
                "kafka_bootstrap": kafka.bootstrap,
                "topic_prefix": f"t{uuid.uuid4().hex[:12]}.",
                "partitions": 2,
                "session_timeout_s": 1,
                "health_port": 0,
            }
        )
        TopicAdmin(settings).apply()
        made.append(Installation(settings, nursery, tmp_path_factory.mktemp("workers")))
        return made[-1]

    yield make
    for installation in made:
        installation.close()


@pytest.fixture
def installation(install: Install) -> Iterator[Installation]:
    """An installation whose workers end with the test."""
    found = install()
    yield found
    found.close()
