"""Records of the state, as they are read back: as they were written, or a refusal that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from loopin_schemas.codec import version_of
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.marker import STATE_VERSION


class Versioned(Protocol):
    """A record that says by which version of the state's format it was written."""

    version: int


T = TypeVar("T", bound=Versioned)


def read_state(value: bytes, decode: Callable[[bytes], T], *, what: str, topic: str, job: str) -> T:
    """Decode a record of the state.

    Args:
        value: the record's value.
        decode: raises ValueError or RecursionError for what it cannot read.
        what: names the record, with its topic, at the beginning of a sentence.
        topic: the topic, without prefix.
        job: whose state it is.

    Raises:
        RefusedToOpen: ``state_unreadable`` or ``state_version``.
    """
    try:
        found = decode(value)
    except (ValueError, RecursionError) as error:
        # A newer version may have changed what the other fields are.
        if version_of(value) > STATE_VERSION:
            raise _newer(topic, job) from error
        raise RefusedToOpen(
            "state_unreadable",
            f"{what} cannot be read ({error}): stop the workers and run `loopin state rebuild {job}`.",
        ) from error
    if found.version > STATE_VERSION:
        raise _newer(topic, job)
    return found


def _newer(topic: str, job: str) -> RefusedToOpen:
    return RefusedToOpen(
        "state_version",
        f"The topic {topic} was written by a newer version of this program: run that version, or stop the "
        f"workers and run `loopin state rebuild {job}`.",
    )
