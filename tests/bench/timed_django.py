"""Times requests with and without the middleware.

``python -m tests.bench.timed_django BOOTSTRAP PREFIX REQUESTS``. The same view answers the same requests in
both cases, in turns, so that both meet the same machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from io import BytesIO
from time import monotonic, perf_counter_ns, sleep
from typing import Any

import django
import numpy as np
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.urls import path

from tests.bench.messages import PROJECT
from tests.bench.subject import end_with_the_bench, say

OURS = "loopin_producers.django.middleware.LoopinMiddleware"
OTHERS = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
RATE = 250
"""Pairs of requests a second."""
AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
ENVIRON = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "SERVER_NAME": "shop.example",
    "SERVER_PORT": "443",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "10.0.0.7",
    "HTTP_HOST": "shop.example",
    "HTTP_USER_AGENT": AGENT,
    "HTTP_ACCEPT": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "HTTP_ACCEPT_LANGUAGE": "en-GB,en;q=0.5",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate, br",
    "HTTP_REFERER": "https://search.example/find?q=concert",
    "HTTP_X_FORWARDED_FOR": "203.0.113.77",
    "HTTP_COOKIE": "sessionid=0123456789abcdefghijklmnopqrstuv; theme=dark",
    "QUERY_STRING": "utm_source=mail&utm_medium=newsletter&page=2",
    "wsgi.url_scheme": "https",
}


def event_page(request: HttpRequest, event_id: int) -> JsonResponse:
    """A view that does next to nothing."""
    return JsonResponse({"id": event_id, "title": "A concert"})


urlpatterns = [path("events/<int:event_id>/", event_page)]


def main(bootstrap: str, prefix: str, calls: int) -> None:
    handlers = _handlers(bootstrap, prefix)
    taken = np.zeros((calls, len(handlers)))
    began = monotonic()
    for call in range(calls):
        if (wait := began + call / RATE - monotonic()) > 0:
            sleep(wait)
        order = (0, 1) if call % 2 else (1, 0)
        for which in order:
            environ = {**ENVIRON, "PATH_INFO": f"/events/{call}/", "wsgi.input": BytesIO()}
            before = perf_counter_ns()
            _answer(handlers[which], environ)
            taken[call, which] = perf_counter_ns() - before
    say("done", more=_figures(taken[calls // 20 :] / 1000))


def _figures(taken: np.ndarray[Any, Any]) -> dict[str, float]:
    without, with_it = taken[:, 0], taken[:, 1]
    return {
        "without_us": float(np.median(without)),
        "with_us": float(np.median(with_it)),
        "added_mean_us": float(with_it.mean() - without.mean()),
        "added_p50_us": float(np.median(with_it) - np.median(without)),
        "added_p99_us": float(np.percentile(with_it, 99) - np.percentile(without, 99)),
    }


def _answer(handler: WSGIHandler, environ: dict[str, Any]) -> None:
    response: Any = handler(environ, _start_response)
    for _ in response:
        pass
    response.close()


def _start_response(
    status: str, headers: list[tuple[str, str]], error: Any = None
) -> Callable[[bytes], object]:
    assert status == "200 OK", status
    return len


def _handlers(bootstrap: str, prefix: str) -> list[WSGIHandler]:
    """One without the middleware, one with it."""
    settings.configure(
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        LOGGING_CONFIG=None,
        LOOPIN={
            "PROJECT": PROJECT,
            "BOOTSTRAP_SERVERS": bootstrap,
            "TOPIC_PREFIX": prefix,
            "TRUSTED_PROXIES": 1,
            "OPTIONS": {"disabled": False, "config": {"log_level": 0}},
        },
        ROOT_URLCONF=__name__,
        SECRET_KEY="of a bench",
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    )
    django.setup()
    return [_handler(OTHERS), _handler([OURS, *OTHERS])]


def _handler(middleware: Iterable[str]) -> WSGIHandler:
    settings.MIDDLEWARE = list(middleware)
    return WSGIHandler()


if __name__ == "__main__":
    end_with_the_bench()
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
