"""What the client does with an event before it is sent, as its options say."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loopin_producers.errors import InvalidConfiguration

BeforeSend = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Gets an event as a dict (``event``, ``distinct_id``, ``properties``, ``timestamp``, ``uuid``, ``groups``,
``session_id``, ``source``, ``parent_uuid``); returns what is to be sent instead, or None to send nothing."""

OptOut = Callable[[str], bool] | Container[str]
"""Which users do not want to be tracked: a test of the distinct_id, or a collection of them."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The options that change or leave out events, checked."""

    before_send: tuple[BeforeSend, ...]
    super_properties: Mapping[str, Any]
    sample_rate: float
    opt_out: Callable[[str], bool]

    @classmethod
    def of(
        cls,
        before_send: BeforeSend | Sequence[BeforeSend] | None,
        super_properties: Mapping[str, Any] | None,
        sample_rate: float,
        opt_out: OptOut | None,
    ) -> Filters:
        """Raises InvalidConfiguration."""
        if not 0 <= sample_rate <= 1:
            raise InvalidConfiguration("Give sample_rate as a share from 0 to 1, such as 0.25.")
        chain = (before_send,) if callable(before_send) else tuple(before_send or ())
        if not all(map(callable, chain)):
            raise InvalidConfiguration("Give before_send as a function, or a list of functions.")
        return cls(chain, dict(super_properties or {}), sample_rate, _test(opt_out))


def _test(opt_out: OptOut | None) -> Callable[[str], bool]:
    if opt_out is None:
        return _nobody
    if callable(opt_out):
        return opt_out
    if isinstance(opt_out, str):
        raise InvalidConfiguration("Give opt_out as a collection of distinct_ids, or a test of one.")
    return opt_out.__contains__


def _nobody(_: str) -> bool:
    return False
