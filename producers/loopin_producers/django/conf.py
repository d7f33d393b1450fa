"""The Django setting ``LOOPIN``: what it may hold, and what is wrong with it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, get_args

from django.conf import settings
from django.core.signals import setting_changed

from loopin_producers.client import Loopin
from loopin_producers.client_address import IpPrivacy
from loopin_producers.http_request import Excluded
from loopin_producers.visitor import ANONYMOUS_COOKIE

MIDDLEWARE = "loopin_producers.django.middleware.LoopinMiddleware"
"""Its name in Django's setting of that name."""


class Setting(NamedTuple):
    """One key of ``LOOPIN``.

    Attributes:
        help: meaning, for a person.
        default: where it is not set; None leaves it to the client's own default and environment variables.
        fits: whether a value is of the right kind.
        wanted: what to set, for the error.
        argument: the client's argument that it is, or "" where it is the integration's own.
    """

    key: str
    help: str
    default: Any
    fits: Callable[[Any], bool]
    wanted: str
    argument: str = ""


_PRIVACIES = get_args(IpPrivacy)
_OPTIONS = frozenset(inspect.signature(Loopin).parameters)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://"))


def _is_paths(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(one, re.Pattern) or (isinstance(one, str) and one.startswith("/")) for one in value
    )


def _is_options(value: Any) -> bool:
    return isinstance(value, Mapping) and value.keys() <= _OPTIONS


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


SETTINGS: tuple[Setting, ...] = (
    Setting("PROJECT", "Project that the events belong to", None, _is_text, "a name", "project"),
    Setting(
        "BOOTSTRAP_SERVERS", "Kafka brokers, host:port", None, _is_text, "host:port of the brokers",
        "bootstrap_servers",
    ),
    Setting("URL", "The HTTP API, where no broker can be reached", None, _is_url, "http(s)://host", "url"),
    Setting("API_KEY", "The project's write key, for the HTTP API", None, _is_text, "a key", "api_key"),
    Setting("TOPIC_PREFIX", "Put before the topic's name", None, _is_text, "a text", "topic_prefix"),
    Setting(
        "OPTIONS", "Further arguments of the client", {}, _is_options,
        f"a dict of {', '.join(sorted(_OPTIONS))}",
    ),
    Setting(
        "EXCLUDED_PATHS",
        "Paths not captured, with all below them, or compiled patterns, beside static and media files",
        (), _is_paths, 'a list of paths that start with "/", and of compiled patterns',
    ),
    Setting(
        "IP", "What is sent of a client's address: nothing, its network (/24, /48), or all",
        "truncate", lambda value: value in _PRIVACIES, f"one of {', '.join(_PRIVACIES)}",
    ),
    Setting(
        "TRUSTED_PROXIES", "Own proxies in front of Django, whose X-Forwarded-For is believed",
        0, _is_count, "their number",
    ),
    Setting(
        "TRACK_ANONYMOUS", "Whether requests without a known user are captured",
        True, lambda value: isinstance(value, bool), "True or False",
    ),
    Setting(
        "ANONYMOUS_COOKIE", "Cookie that holds the browser's anonymous id",
        ANONYMOUS_COOKIE, _is_text, "a cookie's name",
    ),
)  # fmt: skip

_BY_KEY = {setting.key: setting for setting in SETTINGS}


@dataclass(frozen=True)
class Config:
    """``LOOPIN`` as the integration uses it; what is faulty has its default."""

    client: Mapping[str, Any]
    excluded_paths: Excluded
    ip: IpPrivacy
    trusted_proxies: int
    track_anonymous: bool
    anonymous_cookie: str


def faults(value: object) -> Iterator[str]:
    """Each thing that is wrong with a value of ``LOOPIN``, in one sentence that says what to do."""
    if not isinstance(value, Mapping):
        yield "Make the setting LOOPIN a dict."
        return
    for key, item in value.items():
        setting = _BY_KEY.get(key)
        if setting is None:
            yield f"Remove {key!r} from the setting LOOPIN, or write it as one of {', '.join(_BY_KEY)}."
        elif not setting.fits(item):
            yield f"Set LOOPIN[{key!r}] to {setting.wanted}."


@cache
def config() -> Config:
    """The setting as it stands; read once."""
    value = getattr(settings, "LOOPIN", {})
    found = _usable(value if isinstance(value, Mapping) else {})
    client = {one.argument: found[one.key] for one in SETTINGS if one.argument and found[one.key] is not None}
    return Config(
        client={**client, **found["OPTIONS"]},
        excluded_paths=(*_files(), *found["EXCLUDED_PATHS"]),
        ip=found["IP"],
        trusted_proxies=found["TRUSTED_PROXIES"],
        track_anonymous=found["TRACK_ANONYMOUS"],
        anonymous_cookie=found["ANONYMOUS_COOKIE"],
    )


def _usable(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        one.key: value[one.key] if one.key in value and one.fits(value[one.key]) else one.default
        for one in SETTINGS
    }


def _files() -> tuple[str, ...]:
    """Prefixes of static and media files, where this host serves them at a path of their own."""
    urls = (settings.STATIC_URL, settings.MEDIA_URL)
    return tuple(url for url in urls if url and url.startswith("/") and url != "/")


def _forget(*, setting: str, **_: Any) -> None:
    if setting in ("LOOPIN", "STATIC_URL", "MEDIA_URL"):
        config.cache_clear()


setting_changed.connect(_forget, dispatch_uid="loopin_producers.django.conf")
