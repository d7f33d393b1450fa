from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import override_settings

from loopin_producers import default
from loopin_producers.django import client as django_client
from loopin_producers.django.conf import MIDDLEWARE, SETTINGS, config, faults
from tests.producers.recorder import Recorder


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ([], "Make the setting LOOPIN a dict."),
        ({"PROJEKT": "x"}, "Remove 'PROJEKT' from the setting LOOPIN"),
        ({"PROJECT": ""}, "Set LOOPIN['PROJECT'] to a name."),
        ({"URL": "shop.example"}, "Set LOOPIN['URL'] to http(s)://host."),
        ({"IP": "hide"}, "Set LOOPIN['IP'] to one of drop, truncate, keep."),
        ({"TRUSTED_PROXIES": True}, "Set LOOPIN['TRUSTED_PROXIES'] to their number."),
        ({"TRUSTED_PROXIES": -1}, "Set LOOPIN['TRUSTED_PROXIES'] to their number."),
        ({"TRACK_ANONYMOUS": 1}, "Set LOOPIN['TRACK_ANONYMOUS'] to True or False."),
        ({"EXCLUDED_PATHS": "/admin/"}, "Set LOOPIN['EXCLUDED_PATHS'] to a list"),
        ({"EXCLUDED_PATHS": ["admin/"]}, "Set LOOPIN['EXCLUDED_PATHS'] to a list"),
        ({"OPTIONS": {"max_queue": 5}}, "Set LOOPIN['OPTIONS'] to a dict of"),
    ],
)
def test_a_faulty_setting_is_told_and_has_its_default(recorder: Recorder, value: Any, fault: str) -> None:
    (found,) = faults(value)
    assert found.startswith(fault)
    with override_settings(LOOPIN=value):
        (message,) = run_checks()
        assert (message.id, message.msg) == ("loopin.E001", found)
        assert config().ip == "truncate"


def test_all_settings_are_taken() -> None:
    value = {
        "PROJECT": "shop",
        "BOOTSTRAP_SERVERS": "broker:9092",
        "TOPIC_PREFIX": "x.",
        "OPTIONS": {"max_queue_size": 5},
        "EXCLUDED_PATHS": ["/admin/", re.compile("secret")],
        "IP": "keep",
        "TRUSTED_PROXIES": 2,
        "TRACK_ANONYMOUS": False,
        "ANONYMOUS_COOKIE": "visitor",
    }
    assert list(faults(value)) == []
    assert value.keys() | {"URL", "API_KEY"} == {setting.key for setting in SETTINGS}
    with override_settings(LOOPIN=value, STATIC_URL="/files/", MEDIA_URL="https://cdn.example/"):
        found = config()
    assert found.client == {
        "project": "shop",
        "bootstrap_servers": "broker:9092",
        "topic_prefix": "x.",
        "max_queue_size": 5,
    }
    assert found.excluded_paths == ("/files/", "/admin/", re.compile("secret"))
    assert (found.ip, found.trusted_proxies, found.track_anonymous) == ("keep", 2, False)
    assert found.anonymous_cookie == "visitor"


def test_the_client_is_made_once_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(django_client, "_configured", False)
    monkeypatch.setattr(default, "_client", None)
    with override_settings(LOOPIN={"PROJECT": "shop", "OPTIONS": {"disabled": True}}):
        found = django_client.get_client()
        assert (found.project, found.disabled) == ("shop", True)
        assert django_client.get_client() is default.default_client() is found


def test_a_client_that_cannot_be_made_is_an_error_of_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(django_client, "_configured", False)
    monkeypatch.delenv("LOOPIN_PROJECT", raising=False)
    with override_settings(LOOPIN={}):
        (message,) = run_checks()
    assert message.id == "loopin.E002"
    assert "LOOPIN_PROJECT" in str(message.msg)


def test_the_middlewares_place_is_checked(recorder: Recorder) -> None:
    assert run_checks() == []
    with override_settings(MIDDLEWARE=[]):
        assert [message.id for message in run_checks()] == ["loopin.W001"]
    with override_settings(MIDDLEWARE=[MIDDLEWARE, MIDDLEWARE]):
        assert [message.id for message in run_checks()] == ["loopin.E003"]


SECURITY = "django.middleware.security.SecurityMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"
SESSION = "django.contrib.sessions.middleware.SessionMiddleware"


@pytest.mark.parametrize(
    ("order", "missed"),
    [
        ([MIDDLEWARE, SECURITY, SESSION], None),
        ([SECURITY, MIDDLEWARE, SESSION, COMMON], None),  # it may redirect to HTTPS before us
        (["prometheus.Before", MIDDLEWARE, SESSION], None),
        ([MIDDLEWARE], None),
        ([SESSION, MIDDLEWARE, "shop.Own"], "behind SessionMiddleware, so"),
        ([SECURITY, COMMON, MIDDLEWARE, SESSION], "behind CommonMiddleware, so"),
        ([SECURITY, "shop.Own", MIDDLEWARE], "behind Own, so"),
        ([SECURITY, MIDDLEWARE], None),
    ],
)
def test_a_middleware_that_stands_too_late_is_told_why(
    recorder: Recorder, order: list[str], missed: str | None
) -> None:
    with override_settings(MIDDLEWARE=order):
        found = [message for message in run_checks() if str(message.id).startswith("loopin")]
    assert [message.id for message in found] == ([] if missed is None else ["loopin.W002"])
    assert missed is None or missed in str(found[0].msg)
