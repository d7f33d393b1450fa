"""The example project within this process, on a database of its own, with a client that only records."""

from __future__ import annotations

from collections.abc import Iterator

import django
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test import AsyncClient, Client
from django.test.utils import setup_test_environment, teardown_test_environment

from loopin_producers import default
from loopin_producers.django import client as django_client
from loopin_producers.django.conf import config
from loopin_producers.guard import Guard
from tests.e2e.django_project import settings as project
from tests.producers.recorder import Recorder

# Models cannot be imported before. Configured by hand, Django leaves the process's time zone and logging to
# the other tests.
settings.configure(
    **{name: getattr(project, name) for name in dir(project) if name.isupper()}, LOGGING_CONFIG=None
)
django.setup()


from loopin_producers.django import after_commit, middleware, signals, tracking  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def _database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    connections.settings["default"]["NAME"] = str(tmp_path_factory.mktemp("django") / "shop")
    setup_test_environment()
    call_command("migrate", verbosity=0)
    yield
    connections.close_all()
    teardown_test_environment()


@pytest.fixture(autouse=True)
def _empty_database() -> Iterator[None]:
    yield
    call_command("flush", verbosity=0, interactive=False, inhibit_post_migrate=True)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """Whatever the integration captures; the settings are read anew."""
    recording = Recorder()
    monkeypatch.setattr(django_client, "_configured", True)
    monkeypatch.setattr(default, "_client", recording)
    config.cache_clear()
    yield recording
    config.cache_clear()


@pytest.fixture(autouse=True)
def _fresh_guards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test's faults are the first of their kind."""
    for module in (after_commit, middleware, signals, tracking):
        monkeypatch.setattr(module, "_guard", Guard("Not captured."))


@pytest.fixture
def browser(recorder: Recorder) -> Client:
    """A visitor; what goes wrong in a view is an answer, not an exception."""
    return Client(raise_request_exception=False, headers={"user-agent": "Mozilla/5.0"})


@pytest.fixture
def async_browser(recorder: Recorder) -> AsyncClient:
    """The same over Django's asynchronous handler."""
    return AsyncClient(raise_request_exception=False, headers={"user-agent": "Mozilla/5.0"})
