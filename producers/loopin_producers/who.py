"""Who a request is from, as its captures ask."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple


class Who(NamedTuple):
    """The user as the server knows them, whatever the client says; else an anonymous id, if one is wanted."""

    user: str | None
    anonymous: str | None

    @property
    def distinct_id(self) -> str | None:
        """The user if one is known, else the anonymous id."""
        return self.user or self.anonymous


class Asked:
    """Asks anew each time, for a sign-in may come between; ``with`` it at most once, for a single capture."""

    __slots__ = ("_answers", "_ask")

    def __init__(self, ask: Callable[[], Who]) -> None:
        self._ask = ask
        self._answers: list[Who] | None = None

    def __call__(self) -> Who:
        answers = self._answers  # another thread of the request may end the block meanwhile
        if answers is None:
            return self._ask()
        if not answers:
            answers.append(self._ask())
        return answers[0]

    def __enter__(self) -> None:
        self._answers = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answers = None
