"""A decorator that captures each call of a function.

>>> from loopin_producers.captured import captured
>>> @captured("report_built", properties={"kind": "weekly"}, distinct_id=lambda user, days: user)
... def build_report(user: str, days: int) -> str:
...     return f"{days} days of {user}"
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from time import perf_counter
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

from loopin_producers.client import Loopin
from loopin_producers.default import default_client
from loopin_producers.guard import Guard
from loopin_producers.ids import Id

P = ParamSpec("P")
R = TypeVar("R")

Made = Callable[..., Any]
"""Makes something of the arguments of a call."""

_guard = Guard("A call of a @captured function was not captured.")


def captured(
    event: str,
    *,
    properties: Mapping[str, Any] | Callable[..., Mapping[str, Any]] | None = None,
    distinct_id: Id | Callable[..., Id | None] | None = None,
    client: Loopin | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Capture ``event`` whenever the function has returned or raised.

    Besides ``properties`` it has ``duration_ms`` and, if an exception was raised, ``error``, the name of its
    class; the exception goes on to the caller. A coroutine function is timed to its end. A fault of the
    capturing itself, such as ``properties`` raising, is logged and does not reach the caller.

    Args:
        event: the event's name.
        properties: the event's own, or a function that makes them of the call's arguments.
        distinct_id: the user, or a function of the call's arguments; as ``capture`` without one.
        client: publishes the events; the default client if None.

    Raises:
        TypeError: the function is a generator, which has no one moment at which it returns.
    """
    what = _What(event, properties, distinct_id, client)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"@captured cannot time the generator {function.__qualname__}: put it on the function that "
                "reads it, or call capture() where it ends."
            )
        if inspect.iscoroutinefunction(function):
            awaited = cast(Callable[P, Awaitable[Any]], function)
            return cast(Callable[P, R], _around_coroutine(awaited, what))
        return _around(function, what)

    return decorate


class _What(NamedTuple):
    event: str
    properties: Mapping[str, Any] | Made | None
    distinct_id: Id | Made | None
    client: Loopin | None

    def capture(
        self, began: float, args: tuple[Any, ...], kwargs: dict[str, Any], error: BaseException | None
    ) -> None:
        """Publish the event of a call that has just ended; raises nothing."""
        ended = perf_counter()
        with _guard:
            own = _value(self.properties, args, kwargs)
            found = {**(own or {}), "duration_ms": round((ended - began) * 1000, 3)}
            if error is not None:
                found["error"] = type(error).__name__
            client = default_client() if self.client is None else self.client
            client.capture(self.event, _value(self.distinct_id, args, kwargs), found)


def _value(given: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return given(*args, **kwargs) if callable(given) else given


def _around(function: Callable[P, R], what: _What) -> Callable[P, R]:
    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        began = perf_counter()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            what.capture(began, args, kwargs, error)
            raise
        what.capture(began, args, kwargs, None)
        return result

    return wrapper


def _around_coroutine(function: Callable[P, Awaitable[R]], what: _What) -> Callable[P, Awaitable[R]]:
    @wraps(function)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        began = perf_counter()
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            what.capture(began, args, kwargs, error)
            raise
        what.capture(began, args, kwargs, None)
        return result

    return wrapper
