"""What is on the topic ``models``: which versions there are, and what was last told of each target."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from loopin_schemas import topics
from loopin_schemas.codec import decode
from loopin_schemas.model import ModelRecord, Standing
from loopin_streams.kafka.job import Message, Output
from loopin_streams.learning.models import Of

TOLD_EACH: Final = 100
"""Examples after which it is told how a target stands, though nothing has changed that anybody acts on."""

TOLD_MS: Final = 3_600_000
"""The same of the time of examples."""


class Published:
    """Follows what the trainer writes, from what was there when it began."""

    def __init__(self) -> None:
        self._versions: dict[Of, set[int]] = {}
        self._standings: dict[Of, bytes] = {}

    def take(self, key: bytes, value: bytes | None) -> None:
        """The next record of the topic."""
        project, _, rest = key.decode(errors="replace").partition(":")
        target, _, number = rest.partition(":")
        if number.isdecimal():
            there = self._versions.setdefault((project, target), set())
            (there.discard if value is None else there.add)(int(number))
        elif value is None:
            self._standings.pop((project, target), None)
        else:
            self._standings[project, target] = value

    def put(self, output: Output, message: Message) -> None:
        """Publish a record with the output."""
        key, value = message
        self.take(key or b"", value)
        output.add(topics.MODELS.name, key, value)

    def outdated(self, of: Of, most: int, wanted: Collection[int | None]) -> list[int]:
        """Versions that are there beside the ``most`` newest and those ``wanted``, oldest first."""
        return [number for number in sorted(self._versions.get(of, ()))[:-most] if number not in wanted]

    def is_news(self, now: Standing) -> bool:
        """Whether it is to be told that a target stands so now: who acts on it would act otherwise, or it was
        told long ago."""
        told = self._told((now.project, now.target))
        if told is None or now.examples - told.examples >= TOLD_EACH or now.at - told.at >= TOLD_MS:
            return True
        return _acted_on(now) != _acted_on(told)

    def _told(self, of: Of) -> Standing | None:
        value = self._standings.get(of)
        try:
            return None if value is None else decode(value, ModelRecord).standing
        except (ValueError, RecursionError):
            return None


def _acted_on(standing: Standing) -> Standing:
    """All but what changes with each example."""
    return msgspec.structs.replace(standing, examples=0, at=0, qualities={})
