"""What the server can be told to do wrong, to the next requests or until it is told to stop.

Over HTTP a fault is the JSON object of its kind and its fields: ``POST /_fault`` with
``{"kind": "slow", "seconds": 0.5, "times": 3}`` adds it, ``DELETE /_fault`` removes all and ends their waits,
``GET /_fault`` lists those that are left. That path itself is never faulty.
"""

from __future__ import annotations

import threading
from typing import Literal

import msgspec

Kind = Literal["insert", "read", "other"]
"""What a request is: an insert with its data, a statement with a result, or neither (DDL, ``/ping``)."""


class _Fault(
    msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag=str.lower
):
    times: int | None = None
    """How many requests it meets; None for all until it is removed."""

    only: Kind | None = None
    """Which requests it meets; None for all."""

    def meets(self, kind: Kind) -> bool:
        return self.only is None or self.only == kind


class Down(_Fault, kw_only=True, frozen=True):
    """The connection is reset as soon as the request's head was read."""


class Slow(_Fault, kw_only=True, frozen=True):
    """The engine starts ``seconds`` late, and takes ``factor`` times as long as it would."""

    seconds: float = 0.0
    factor: float = 1.0


class Error(_Fault, kw_only=True, frozen=True):
    """The request is read and refused, with ClickHouse's number of an error, or as a proxy would (None)."""

    code: int | None = 252  # TOO_MANY_PARTS
    status: int = 500


class Reset(_Fault, kw_only=True, frozen=True):
    """An insert's connection is reset: once ``after_bytes`` of its body were read, before the engine saw it;
    or, if it is to be ``executed``, after the engine has stored it and before any answer.
    """

    only: Kind | None = "insert"
    after_bytes: int = 0
    executed: bool = False


class Cut(_Fault, kw_only=True, frozen=True):
    """A result's connection is reset once ``after_bytes`` of the answer's body were sent, as compressed."""

    only: Kind | None = "read"
    after_bytes: int = 0


AnyFault = Down | Slow | Error | Reset | Cut


class Faults:
    """The faults that are left; a request meets the oldest that fits it. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: list[AnyFault] = []
        self._cleared = threading.Event()

    def add(self, fault: AnyFault) -> None:
        with self._lock:
            self._left.append(fault)

    def clear(self) -> None:
        """Remove all; requests that wait go on at once."""
        with self._lock:
            self._left.clear()
            cleared, self._cleared = self._cleared, threading.Event()
        cleared.set()

    @property
    def cleared(self) -> threading.Event:
        """Set when the faults of now are removed; a request takes it before it meets any."""
        with self._lock:
            return self._cleared

    def left(self) -> list[AnyFault]:
        with self._lock:
            return list(self._left)

    def met_by(self, kind: Kind) -> AnyFault | None:
        """The fault of a request, which is used up by it if it was to meet one only."""
        with self._lock:
            for at, fault in enumerate(self._left):
                if fault.meets(kind):
                    self._left[at : at + 1] = _after_one(fault)
                    return fault
        return None


def _after_one(fault: AnyFault) -> list[AnyFault]:
    if fault.times is None:
        return [fault]
    return [msgspec.structs.replace(fault, times=fault.times - 1)] if fault.times > 1 else []
