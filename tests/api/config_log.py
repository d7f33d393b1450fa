"""The topic of what is configured, in memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TypeVar

import msgspec

from loopin_schemas.codec import encode
from loopin_schemas.config import KIND_OF, ConfigRecord, config_key
from loopin_streams.kafka.config_state import Configuration, Item
from loopin_streams.kafka.errors import BrokerUnreachable, ConfigConflict
from tests.streams.kafka.configured import Record

T = TypeVar("T", bound=msgspec.Struct)


class Log:
    """Both what is followed and who writes; ``down`` while the broker is away."""

    def __init__(self) -> None:
        self.configuration = Configuration()
        self.down = False
        self._versions: Iterator[int] = count(1)

    def unready(self) -> None:
        return None

    def uncertain(self) -> None:
        return None

    def age_s(self) -> float:
        return 0.0

    async def put(self, id: str, body: T, *, replaces: str | None, by: str) -> Item[T]:
        kind, version = KIND_OF[type(body)], str(next(self._versions))
        record = ConfigRecord(kind=kind, id=id, version=version, by=by, body=msgspec.Raw(encode(body)))
        self._write(kind, id, replaces, encode(record))
        return Item(id, version, by, body)

    async def remove(self, kind: str, id: str, *, replaces: str) -> None:
        self._write(kind, id, replaces, None)

    def _write(self, kind: str, id: str, replaces: str | None, value: bytes | None) -> None:
        if self.down:
            raise BrokerUnreachable("Kafka did not answer in time: look, and try again.")
        if self.configuration.version(kind, id) != replaces:
            raise ConfigConflict("It has been changed meanwhile.")
        self.configuration.apply(Record(config_key(kind, id), value, self.configuration.changes))
